"""The handler's metrics for Prometheus, reported through TorchServe.

``serving/metrics.yaml`` declares their names, kinds and labels. The engine drops the values of undeclared metrics.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from handler.contract import Contract
from handler.errors import ErrorCode
from handler.match import VERDICTS
from handler.picture import PictureResult
from handler.pipeline import Event

log = logging.getLogger(__name__)

PREDICTIONS = "refund_predictions_total"
ONE_MINUS_CONFIDENCE = "refund_one_minus_confidence"
ERRORS = "refund_errors_total"
DECODE = "refund_decode_seconds"
INFERENCE = "refund_inference_seconds"
LOADED = "refund_model_loaded_timestamp_seconds"
MATCHES = "refund_matches_total"
PICTURES = "refund_pictures_total"
NAMES = (PREDICTIONS, MATCHES, ONE_MINUS_CONFIDENCE, ERRORS, PICTURES, DECODE, INFERENCE, LOADED)

_DECISIONS = ("accept", "review")
# A value travels to the engine as a line of text in which these characters separate the labels.
_LABEL = str.maketrans(",:|", "   ")


class Metrics:
    """The handler's counters and histograms.

    Args:
        engine: TorchServe's metrics cache; without an engine it is None and nothing is reported.
        contract: names the classes and the model version.
        graph: the running graph, as in ``describe``.
        device: the device, as in ``describe``.
    """

    def __init__(self, engine: Any, contract: Contract, graph: str, device: str) -> None:
        # Source: ts/metrics/caching_metric.py. Values travel as lines of this log, and the root logger is at WARNING.
        logging.getLogger("ts.metrics.caching_metric").setLevel(logging.INFO)
        kinds = {} if engine is None else engine.cache
        self._declared = {name: metric for kind in kinds.values() for name, metric in kind.items() if name in NAMES}
        if engine is not None and (missing := set(NAMES) - set(self._declared)):
            log.warning("not reported: %s; metrics_config must name serving/metrics.yaml", ", ".join(sorted(missing)))
        self._version = contract.model_version
        self._begin(contract, graph, device)

    def _begin(self, contract: Contract, graph: str, device: str) -> None:
        """Start every counter at 0: Prometheus does not see the first event of a series that starts at 1."""
        for name in contract.classes:
            for decision in _DECISIONS:
                self._add(PREDICTIONS, 0, name, decision, self._version)
        if contract.match_threshold is not None:
            for verdict in VERDICTS:
                self._add(MATCHES, 0, verdict, self._version)
        for code in ErrorCode:
            self._add(ERRORS, 0, code)
        for result in PictureResult:
            self._add(PICTURES, 0, result)
        self._add(LOADED, int(time.time()), self._version, contract.contract_version, graph, device)

    def decoded(self, seconds: float) -> None:
        """Report the time of one photo from its bytes to the network's input."""
        self._add(DECODE, seconds)

    def inferred(self, seconds: float) -> None:
        """Report the time of the network for one server batch."""
        self._add(INFERENCE, seconds)

    def answered(self, events: Iterable[Event]) -> None:
        """Count the predictions and errors of a server batch, with one line per series: each line costs time."""
        predictions: Counter[tuple[str, str]] = Counter()
        matches: Counter[str] = Counter()
        errors: Counter[ErrorCode] = Counter()
        pictures: Counter[PictureResult] = Counter()
        for event in events:
            if isinstance(event, ErrorCode):
                errors[event] += 1
            elif isinstance(event, PictureResult):
                pictures[event] += 1
            else:
                predictions[event["predicted_class"], event["decision"]] += 1
                if "match" in event:
                    matches[event["match"]["verdict"]] += 1
                # The engine's buckets run from 0.005 to 10 and are fine near 0. Confidence is most often near 1.
                self._add(ONE_MINUS_CONFIDENCE, round(1 - event["confidence"], 6), self._version)
        for (name, decision), count in predictions.items():
            self._add(PREDICTIONS, count, name, decision, self._version)
        for verdict, count in matches.items():
            self._add(MATCHES, count, verdict, self._version)
        for code, count in errors.items():
            self._add(ERRORS, count, code)
        for result, count in pictures.items():
            self._add(PICTURES, count, result)

    def _add(self, name: str, value: float, *labels: str) -> None:
        metric = self._declared.get(name)
        if metric is not None:
            metric.add_or_update(value, [label.translate(_LABEL) for label in labels])
