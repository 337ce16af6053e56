"""The class that TorchServe loads: glue between its rows and our steps.

It stands alone in its file: a second class here, even an exception, stops TorchServe 0.12 from loading it.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from handler import contract, settings
from handler.drain import DrainSign
from handler.errors import PhotoError
from handler.explain import covered
from handler.metrics import Metrics
from handler.pipeline import RowAnswers, prepare
from handler.request import Request, parse
from handler.response import Response, draining_response, error_response, internal_error_response, json_response
from handler.runtimes import runtime

log = logging.getLogger("handler")


class ImageHandler:
    """Classify the photos of a server batch; each row gets its own status."""

    def initialize(self, context: Any) -> None:
        """Load contract and graph, and run once, so that the first photo is as fast as the second.

        Raises:
            ValueError, OSError: the archive is incomplete or inconsistent; the worker then does not start.
        """
        # TorchServe logs two lines a batch at INFO through the root logger.
        logging.getLogger().setLevel(logging.WARNING)
        log.setLevel(logging.INFO)
        folder = Path(context.system_properties["model_dir"])
        self.settings = settings.from_yaml(context.model_yaml_config)
        self.contract = contract.load(folder)
        self.runtime = runtime.load(
            folder, self.contract, self.settings.threads, self.settings.graph, _accelerator(context)
        )
        self.pool = ThreadPoolExecutor(self.settings.threads, thread_name_prefix="decode")
        self.drain_sign = DrainSign()
        side = self.contract.input_size
        self.runtime.infer(np.zeros((1, side, side, 3), dtype=np.uint8))
        self.metrics = Metrics(context.metrics, self.contract, self.runtime.name, self.runtime.device)
        log.info("ready: model %s, %s", self.contract.model_version, self.runtime.name)

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[bytes]:
        """Answer a server batch.

        Args:
            data: one row a request.
            context: TorchServe's; carries headers in and statuses out, by row.

        Returns:
            One encoded body a row, in the same order.
        """
        with self.drain_sign.batch() as declined:
            responses = [draining_response()] * len(data) if declined else self._classify(data, context)
        for index, response in enumerate(responses):
            context.set_response_status(response.status, response.phrase, index)
            context.set_response_content_type(index, response.content_type)
            for name, value in response.headers:
                context.set_response_header(index, name, value)
        self.metrics.answered(responses)
        return [response.body for response in responses]

    def describe(self) -> dict[str, Any]:
        """Say what is running."""
        return {
            "model_version": self.contract.model_version,
            "contract_version": self.contract.contract_version,
            "classes": list(self.contract.classes),
            "input_size": self.contract.input_size,
            "graph": self.runtime.name,
            "device": self.runtime.device,
        }

    def _classify(self, data: list[dict[str, Any]], context: Any) -> list[Response]:
        return self._respond([self._parse(row, context, index) for index, row in enumerate(data)])

    def _parse(self, row: dict[str, Any], context: Any, index: int) -> Request | Response:
        try:
            return parse(row, context.get_all_request_header(index), self.settings.limits.max_photos)
        except PhotoError as error:
            return error_response(error)

    def _respond(self, requests: list[Request | Response]) -> list[Response]:
        """Decode side by side, run the network once over all that decoded, answer row by row."""
        rows = [RowAnswers(request) for request in requests if isinstance(request, Request)]
        pending = [photo for row in rows for photo in row.photos]
        prepared = list(self.pool.map(lambda p: prepare(p, self.contract, self.settings.limits), pending))
        for photo in prepared:
            self.metrics.decoded(photo.seconds)
        good = [photo for photo in prepared if photo.pixels is not None]
        if good:
            began = time.perf_counter()
            logits = self.runtime.infer(np.stack([photo.pixels for photo in good if photo.pixels is not None]))
            self.metrics.inferred(time.perf_counter() - began)
            for photo, row_logits in zip(good, logits, strict=True):
                photo.logits = row_logits
                if photo.explained and photo.pixels is not None:
                    photo.covered_logits = self.runtime.infer(covered(photo.pixels))
        answers = iter(rows)
        return [self._answer(next(answers)) if isinstance(request, Request) else request for request in requests]

    def _answer(self, row: RowAnswers) -> Response:
        if row.request.purpose == "describe":
            return json_response(self.describe())
        try:
            return row.response(self.contract)
        except Exception:  # a bug of ours must not take the neighbours along
            log.exception("a row could not be answered")
            return internal_error_response()


def _accelerator(context: Any) -> int | None:
    """Return the index of the accelerator that TorchServe gives this worker, None where this torch cannot use it."""
    gpu = context.system_properties.get("gpu_id")
    if gpu is None:
        return None
    import torch

    return int(gpu) if torch.cuda.is_available() else None
