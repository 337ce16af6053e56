"""Run by :mod:`export.verify` in an isolated interpreter: load an unpacked archive and print its answers by each graph.

Usage: python -I clean_process.py ARCHIVE_FOLDER PHOTOS.npy
"""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))

import numpy as np  # noqa: E402  (the archive must come first on the path)
import yaml  # noqa: E402
from image_handler import ImageHandler  # type: ignore[import-not-found]  # noqa: E402
from PIL import Image  # noqa: E402

from handler import runtime  # noqa: E402


class _Context(SimpleNamespace):
    """The part of TorchServe's context that the handler uses."""

    def get_all_request_header(self, _index: int) -> dict[str, str]:
        return {"Content-Type": "image/png"}

    def set_response_status(self, code: int, phrase: str, index: int) -> None:
        if code != 200:
            raise SystemExit(f"row {index}: {code} {phrase}")

    def set_response_content_type(self, index: int, value: str) -> None:
        """Take what TorchServe would send."""


def _png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


config = yaml.safe_load((folder / "model-config.yaml").read_text(encoding="utf-8"))
context = _Context(system_properties={"model_dir": str(folder)}, model_yaml_config=config, metrics=None)
image_handler = ImageHandler()
image_handler.initialize(context)
rows = [{"body": _png(photo)} for photo in np.load(sys.argv[2])]
answers = [json.loads(body) for body in image_handler.handle(rows, context)]
logits = {}
for graph in (image_handler.runtime.name, "openvino-f32", "torch-f32"):
    loaded = runtime.load(folder, image_handler.contract, image_handler.settings.threads, graph)
    logits[graph] = loaded.infer(np.load(sys.argv[2]))[0].tolist()
for name, module in list(sys.modules.items()):
    if name.split(".")[0] == "handler" and not Path(str(module.__file__)).is_relative_to(folder):
        raise SystemExit(f"the archive carries no {name}: it was taken from {module.__file__}")
print(json.dumps({"graph": image_handler.runtime.name, "answers": answers, "logits": logits}))
