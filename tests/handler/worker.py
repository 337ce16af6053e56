"""TorchServe's worker code without Java: the same loader, the same batches, the same encoding of answers."""

import json
import logging
import struct
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ts
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.model_loader import TsModelLoader


@dataclass(frozen=True)
class Answer:
    """What one row's client would get."""

    status: int
    phrase: str
    content_type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Worker:
    """A model loaded from an unpacked archive."""

    def __init__(self, archive: Path, folder: Path, **contract: Any) -> None:
        """Load the model.

        Args:
            archive: the ``.mar``.
            folder: an empty one.
            contract: fields of ``contract.json`` with other values; None removes a field.
        """
        folder = folder / "unpacked_archive"  # the name by which coverage knows image_handler.py
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        path = folder / "contract.json"
        fields = {**json.loads(path.read_text(encoding="utf-8")), **contract}
        path.write_text(json.dumps({name: value for name, value in fields.items() if value is not None}))
        metrics = MetricsCacheYamlImpl(str(Path(ts.__file__).parent / "configs" / "metrics.yaml"))
        metrics.initialize_cache()
        level = logging.getLogger().level
        sys.path.insert(0, str(folder))
        try:
            self.service = TsModelLoader().load(
                "refund_classifier", str(folder), "image_handler.py", None, 8, metrics_cache=metrics
            )
        finally:
            sys.path.remove(str(folder))
            logging.getLogger().setLevel(level)
        self.service.set_cl_socket(None)

    def predict(self, *rows: tuple[dict[str, Any], dict[str, str]]) -> list[Answer]:
        """Run one server batch of rows, each the fields of its body and its headers."""
        batch = [
            {
                "requestId": f"request-{index}".encode(),
                "headers": [{"name": n.encode(), "value": v.encode()} for n, v in headers.items()],
                "parameters": [{"name": n, "value": v, "contentType": "image/jpeg"} for n, v in fields.items()],
            }
            for index, (fields, headers) in enumerate(rows)
        ]
        return _decode(bytes(self.service.predict(batch)))


class _Reader:
    """Reads the worker protocol: big-endian integers and strings with their length before them."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.position = 0

    def integer(self) -> int:
        value: int = struct.unpack_from("!i", self.message, self.position)[0]
        self.position += 4
        return value

    def data(self) -> bytes:
        length = self.integer()
        self.position += length
        return self.message[self.position - length : self.position]


def _decode(message: bytes) -> list[Answer]:
    reader = _Reader(message)
    code, reason = reader.integer(), reader.data()
    assert code == 200, (code, reason)
    answers = []
    while reader.integer() != -1:
        reader.position -= 4
        reader.data()  # request id
        content_type, status, phrase = reader.data().decode(), reader.integer(), reader.data().decode()
        for _ in range(reader.integer()):
            reader.data(), reader.data()
        answers.append(Answer(status, phrase, content_type, reader.data()))
    return answers
