"""What the running service tells Prometheus, and that dashboard and alerts ask for nothing else."""

import time
from collections.abc import Callable, Iterator, Sequence

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from handler.contract import Contract
from handler.errors import ErrorCode
from tests.serving.conftest import ServiceUnderTest
from tests.support.drawn_photos import SAMPLES, encoded, striped
from tests.support.monitoring import SCRAPE_LABELS, needs, queries

PHOTO = encoded(striped())
Key = tuple[str, frozenset[tuple[str, str]]]


def shown(service: ServiceUnderTest) -> Iterator[Sample]:
    """Yield what 8082 shows."""
    text = requests.get(f"{service.metrics}/metrics", timeout=10).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # The parser gives every counter this ending, Prometheus does not.
            name = sample.name if f"\n{sample.name}{{" in text else sample.name.removesuffix("_total")
            yield sample._replace(name=name)


def samples(service: ServiceUnderTest) -> dict[Key, float]:
    """Return values by name and labels, without the machine's name."""
    return {
        (sample.name, frozenset(item for item in sample.labels.items() if item[0].lower() != "hostname")): sample.value
        for sample in shown(service)
    }


def key(name: str, **labels: str) -> Key:
    return name, frozenset(labels.items())


def gained(
    service: ServiceUnderTest, send: Callable[[], object], *keys: Key, at_least: Sequence[float] = ()
) -> list[float]:
    """Return by how much values grew while something was sent.

    Args:
        at_least: for each key, what is waited for; by default any growth. Lines take a moment from worker to engine,
            and those of several photos arrive one after another.
    """
    _wait_for_earlier_lines(service)
    before = samples(service)
    send()
    least = list(at_least) or [1e-9] * len(keys)
    deadline = time.monotonic() + 60
    while True:
        now = samples(service)
        difference = [now.get(of, 0) - before.get(of, 0) for of in keys]
        reached = all(grew >= wanted for grew, wanted in zip(difference, least, strict=True))
        if reached or time.monotonic() > deadline:
            return difference
        time.sleep(0.05)


def _wait_for_earlier_lines(service: ServiceUnderTest) -> None:
    """Lines keep their order: once that of a photo sent now has arrived, so have all before it."""
    mark = key("refund_errors_total", code="bad_shape")
    before = samples(service).get(mark, 0)
    service.post(encoded(striped((8, 8))))
    deadline = time.monotonic() + 60
    while samples(service).get(mark, 0) == before and time.monotonic() < deadline:
        time.sleep(0.05)


def test_predictions_are_counted_by_class_and_decision(service: ServiceUnderTest, contract: Contract) -> None:
    photo = (SAMPLES / "tshirt.jpg").read_bytes()
    answer = service.post(photo).json()
    version = contract.model_version
    series = key(
        "refund_predictions_total",
        decision=answer["decision"],
        model_version=version,
        **{"class": answer["predicted_class"]},
    )
    edge = next(edge for edge in (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5) if 1 - answer["confidence"] <= edge)
    grew = gained(
        service,
        lambda: [service.post(photo) for _ in range(3)],
        series,
        key("refund_one_minus_confidence_bucket", model_version=version, le=str(edge)),
        key("refund_one_minus_confidence_count", model_version=version),
        key("refund_decode_seconds_count"),
        key("refund_decode_seconds_sum"),
        key("refund_inference_seconds_count"),
        at_least=(3, 3, 3, 3, 1e-9, 3),
    )
    assert grew[:4] == [3, 3, 3, 3]
    assert 0 < grew[4] < 30, "seconds"
    assert grew[5] == 3, "one client at a time: each photo is a batch of its own"


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"This is a text file.", "image/jpeg", "unsupported_format"),
        (b"a=b", "application/x-www-form-urlencoded", "form_encoded_body"),
        (PHOTO[: len(PHOTO) // 2], "image/jpeg", "truncated_image"),
    ],
)
def test_errors_are_counted_by_code(service: ServiceUnderTest, body: bytes, content_type: str, code: str) -> None:
    assert gained(service, lambda: service.post(body, content_type), key("refund_errors_total", code=code)) == [1]


def test_order_checks_are_counted_by_verdict(service: ServiceUnderTest, contract: Contract) -> None:
    photo, version = (SAMPLES / "watch.jpg").read_bytes(), contract.model_version

    def send() -> None:
        for category in ("Watches", "Watches", "Dresses"):
            service.post(photo, **{"X-Expected-Category": category, "X-Picture": "review"})

    grew = gained(
        service,
        send,
        key("refund_matches_total", verdict="match", model_version=version),
        key("refund_matches_total", verdict="mismatch", model_version=version),
        key("refund_pictures_total", result="made"),
        at_least=(2, 1, 1),
    )
    assert grew == [2, 1, 1]


def test_each_photo_of_a_form_counts(service: ServiceUnderTest) -> None:
    files = {"a": PHOTO, "b": b"This is a text file.", "c": b""}
    headers = {"Authorization": f"Bearer {service.token}"}
    url = f"{service.url}/predictions/refund_classifier"
    grew = gained(
        service,
        lambda: requests.post(url, files=files, headers=headers, timeout=60),
        key("refund_errors_total", code="unsupported_format"),
        key("refund_errors_total", code="empty_body"),
        key("refund_decode_seconds_count"),
        at_least=(1, 1, 3),
    )
    assert grew == [1, 1, 3]


def test_probes_and_explanations_are_no_predictions(service: ServiceUnderTest) -> None:
    def send() -> None:
        service.post(PHOTO, path="/explanations/refund_classifier")
        service.post(PHOTO, **{"X-Probe": "1"})
        assert service.command("serving", "status")

    before = predictions(samples(service))
    # They are decoded all the same, and what comes of them would be shown right after.
    assert gained(service, send, key("refund_decode_seconds_count"), at_least=[3]) == [3]
    service.post(b"This comes last, and shows when everything before it is there.")
    gained(service, lambda: service.post(b"no photo"), key("refund_errors_total", code="unsupported_format"))
    assert predictions(samples(service)) == before


def predictions(values: dict[Key, float]) -> float:
    return sum(value for (name, _), value in values.items() if name == "refund_predictions_total")


def test_every_series_is_there_before_its_first_photo(service: ServiceUnderTest, contract: Contract) -> None:
    """Prometheus takes the first value of a series for its beginning: one that begins at 1 never grew."""
    now = samples(service)
    for name in contract.classes:
        for decision in ("accept", "review"):
            labels = {"class": name, "decision": decision, "model_version": contract.model_version}
            assert key("refund_predictions_total", **labels) in now
    for code in ErrorCode:
        assert key("refund_errors_total", code=code) in now


def test_the_loaded_model_is_shown(service: ServiceUnderTest) -> None:
    described = service.post(b'{"describe": true}', "application/json").json()
    labels = {name: described[name] for name in ("model_version", "contract_version", "graph", "device")}
    assert 0 <= time.time() - samples(service)[key("refund_model_loaded_timestamp_seconds", **labels)] < 3600


def test_dashboard_and_alerts_ask_for_what_is_there(service: ServiceUnderTest) -> None:
    service.post(PHOTO)
    service.post(b"no photo")
    # A body that TorchServe itself fails on, for the counter of 5xx begins with the first one.
    photo = (SAMPLES / "watch.jpg").read_bytes()
    gained(service, lambda: service.post(photo, "application/x-www-form-urlencoded"), key("Requests5XX", Level="Host"))
    labels_of: dict[str, set[str]] = {"up": set()}
    for sample in shown(service):
        labels_of.setdefault(sample.name, set()).update(sample.labels)
    assert len(queries()) > 20
    for title, query in queries().items():
        metrics, labels = needs(query)
        assert metrics, title
        assert metrics - labels_of.keys() == set(), title
        for label in labels - SCRAPE_LABELS:
            assert any(label in labels_of[metric] for metric in metrics), (title, label)
