"""The class that TorchServe loads. It connects the rows of a server batch with the steps of the pipeline.

It is alone in its file: TorchServe 0.12 does not load a file that defines a second class, not even an exception.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from handler import contract, settings
from handler.decoding import decode
from handler.drain import DrainFlag
from handler.errors import PhotoError, draining, internal_error
from handler.match import check_expected
from handler.metrics import Metrics
from handler.pipeline import (
    DECODE_QUEUE_TIMEOUT_S,
    Inferred,
    Prepared,
    Row,
    events_of,
    infer,
    infer_covered,
    predict,
    prepare,
    respond,
)
from handler.request import EncodedPhoto, Request, parse
from handler.response import Response, error_response, json_response
from handler.runtimes import runtime

log = logging.getLogger("handler")


class ImageHandler:
    """Classify the photos of a server batch; each row gets its own status."""

    def initialize(self, context: Any) -> None:
        """Load contract and graph, and run the graph once so that the first photo is as fast as the second.

        Raises:
            ValueError, OSError: the archive is incomplete or inconsistent. The worker does not start then.
        """
        # TorchServe logs two lines per server batch at INFO through the root logger.
        logging.getLogger().setLevel(logging.WARNING)
        log.setLevel(logging.INFO)
        folder = Path(context.system_properties["model_dir"])
        self.settings = settings.from_yaml(context.model_yaml_config)
        self.contract = contract.load(folder)
        self.runtime = runtime.load(
            folder, self.contract, self.settings.threads, self.settings.graph, _accelerator(context)
        )
        self.pool = ThreadPoolExecutor(self.settings.threads, thread_name_prefix="decode")
        decode.start()
        self.drain_flag = DrainFlag()
        side = self.contract.input_size
        self.runtime.infer(np.zeros((1, side, side, 3), dtype=np.uint8))
        self.metrics = Metrics(context.metrics, self.contract, self.runtime.name, self.runtime.device)
        log.info("ready: model %s, %s", self.contract.model_version, self.runtime.name)

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[bytes]:
        """Answer a server batch.

        Args:
            data: one row per request.
            context: TorchServe's; it carries the headers of each row in and the status of each row out.

        Returns:
            One encoded body per row, in the same order.
        """
        with self.drain_flag.batch() as is_draining:
            rows = [draining()] * len(data) if is_draining else self._classify(data, context)
        responses = [self._respond(row) for row in rows]
        for index, response in enumerate(responses):
            context.set_response_status(response.status, response.phrase, index)
            context.set_response_content_type(index, response.content_type)
            for name, value in response.headers:
                context.set_response_header(index, name, value)
        self.metrics.answered(event for row in rows for event in events_of(row))
        return [response.body for response in responses]

    def describe(self) -> dict[str, Any]:
        """Return the description of the running model."""
        return {
            "model_version": self.contract.model_version,
            "contract_version": self.contract.contract_version,
            "classes": list(self.contract.classes),
            "input_size": self.contract.input_size,
            **self.contract.thresholds,
            **({"match_threshold_range": list(measured)} if (measured := self.contract.match_threshold_range) else {}),
            "graph": self.runtime.name,
            "device": self.runtime.device,
        }

    def _classify(self, data: list[dict[str, Any]], context: Any) -> list[Row | PhotoError]:
        """Decode in parallel, run the network once over all photos that decode, and predict."""
        deadline = time.monotonic() + DECODE_QUEUE_TIMEOUT_S
        rows = [self._parse(row, context, index) for index, row in enumerate(data)]
        work = [(row, encoded) for row in rows if isinstance(row, Row) for encoded in row.request.photos]
        prepared = list(self.pool.map(lambda item: self._prepare(item[0].request, item[1], deadline), work))
        for _, seconds in prepared:
            self.metrics.decoded(seconds)
        inferred = self._infer([photo for photo, _ in prepared])
        step = partial(predict, contract=self.contract, limits=self.settings.limits, deadline=deadline)
        draws = any(row.request.picture for row, _ in work)  # threads cost more than they save otherwise
        for (row, _), photo in zip(work, self.pool.map(step, inferred) if draws else map(step, inferred), strict=True):
            row.photos.append(photo)
        return rows

    def _parse(self, row: dict[str, Any], context: Any, index: int) -> Row | PhotoError:
        try:
            request = parse(row, context.get_all_request_header(index), self.settings.limits.max_photos)
            check_expected(request.expected, self.contract)
            return Row(request)
        except PhotoError as error:
            return error

    def _prepare(self, request: Request, encoded: EncodedPhoto, deadline: float) -> tuple[Prepared | PhotoError, float]:
        """Prepare one photo; return also the seconds that it took."""
        began = time.perf_counter()
        photo = prepare(encoded, request, self.contract, self.settings.limits, deadline)
        return photo, time.perf_counter() - began

    def _infer(self, photos: list[Prepared | PhotoError]) -> list[Inferred | PhotoError]:
        began = time.perf_counter()
        inferred = infer(photos, self.runtime)
        if any(isinstance(photo, Inferred) for photo in inferred):
            self.metrics.inferred(time.perf_counter() - began)
        return [infer_covered(photo, self.runtime) for photo in inferred]

    def _respond(self, row: Row | PhotoError) -> Response:
        if isinstance(row, PhotoError):
            return error_response(row)
        if row.request.purpose == "describe":
            return json_response(self.describe())
        try:
            return respond(row.request, row.photos)
        except Exception:  # a bug of ours must not harm the other rows
            log.exception("a row could not be answered")
            return error_response(internal_error())


def _accelerator(context: Any) -> int | None:
    """Return the index of the accelerator that TorchServe gives this worker; None if this torch cannot use it."""
    gpu = context.system_properties.get("gpu_id")
    if gpu is None:
        return None
    import torch

    return int(gpu) if torch.cuda.is_available() else None
