"""Every door, knocked on without a token; and what a registration may take."""

import grpc
import pytest
import requests

from tests.serving.conftest import OTHER_PROGRAMS, ServiceUnderTest
from tests.support.drawn_photos import encoded, striped

PHOTO = encoded(striped())
MODEL = "refund_classifier"
INFERENCE_DOORS = [
    ("GET", "/ping"),
    *((method, f"/predictions/{MODEL}") for method in ("GET", "POST", "PUT")),
    ("POST", f"/predictions/{MODEL}/1.0.0"),
    ("POST", f"/explanations/{MODEL}"),
    ("POST", f"/v1/models/{MODEL}:predict"),
    ("POST", f"/v2/models/{MODEL}/infer"),
    ("POST", "/invocations"),
    ("POST", "/wfpredict/any"),
]
MANAGEMENT_DOORS = [
    ("GET", "/models"),
    ("GET", f"/models/{MODEL}"),
    ("GET", f"/models/{MODEL}/all"),
    ("GET", f"/v1/models/{MODEL}"),
    ("POST", "/models?url=refund_classifier.mar"),
    ("PUT", f"/models/{MODEL}?min_worker=0"),
    ("PUT", f"/models/{MODEL}/1.0.0/set-default"),
    ("DELETE", f"/models/{MODEL}"),
    ("GET", "/workflows"),
    ("POST", "/workflows?url=http://127.0.0.1:9/any.war"),
    ("DELETE", "/workflows/any"),
    ("GET", "/token?type=inference"),
]
GRPC_INFERENCE = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/"
GRPC_MANAGEMENT = "/org.pytorch.serve.grpc.management.ManagementAPIsService/"


@pytest.mark.parametrize("token", [None, "wrong", "inference"])
def test_http_doors_are_closed(service: ServiceUnderTest, token: str | None) -> None:
    key = service.token if token == "inference" else token
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    doors = [(service.management, *door) for door in MANAGEMENT_DOORS]
    if token != "inference":  # with it, the doors of inference are open, and those of management are not
        doors += [(service.url, *door) for door in INFERENCE_DOORS]
    for address, method, path in doors:
        answer = requests.request(method, f"{address}{path}", data=PHOTO, headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["type"]) == (400, "InvalidKeyException"), (method, path)
    assert service.post(PHOTO).status_code == 200


@pytest.mark.parametrize(
    ("variable", "method"),
    [
        *(("TS_GRPC_INFERENCE_PORT", GRPC_INFERENCE + name) for name in ("Ping", "Predictions", "StreamPredictions")),
        *(
            ("TS_GRPC_MANAGEMENT_PORT", GRPC_MANAGEMENT + name)
            for name in ("DescribeModel", "ListModels", "RegisterModel", "ScaleWorker", "SetDefault", "UnregisterModel")
        ),
    ],
)
def test_grpc_doors_are_closed(service: ServiceUnderTest, variable: str, method: str) -> None:
    for metadata in ((), (("authorization", "Bearer wrong"),)):
        with grpc.insecure_channel(f"127.0.0.1:{service.environment[variable]}") as channel:
            call = channel.unary_stream(method, lambda message: message, lambda message: message)
            with pytest.raises(grpc.RpcError) as refusal:
                list(call(b"", metadata=metadata, timeout=30))
        assert refusal.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_open_by_design(service: ServiceUnderTest) -> None:
    """They tell what the API looks like and what was counted; both only on loopback."""
    assert requests.options(service.url, timeout=30).status_code == 200
    assert requests.get(f"{service.metrics}/metrics", timeout=30).status_code == 200


def test_nothing_listens_beyond_this_machine(service: ServiceUnderTest) -> None:
    java = next(process for process in service.processes() if process.name() == "java")
    listening = [c.laddr.ip for c in java.net_connections("inet") if c.status == "LISTEN"]
    assert len(listening) == 5
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_the_engine_and_its_workers_see_only_the_variables_that_they_need(service: ServiceUnderTest) -> None:
    """The shell that started the service held those of other programs."""
    java = next(process for process in service.processes() if process.name() == "java")
    workers = service.workers()
    assert workers
    for process in (java, *workers):
        environment = process.environ()
        assert environment.keys().isdisjoint({"TORCHSERVE_TOKEN_FILE", *OTHER_PROGRAMS})
        assert "SERVING_STATE" in environment
        assert not [name for name, value in environment.items() if "confidential" in value]


@pytest.mark.parametrize("door", ["/models", "/workflows"])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/refund_classifier.mar",
        "https://127.0.0.1:9/refund_classifier.mar",
        "file://{store}/refund_classifier.mar",
        "../store/refund_classifier.mar",
    ],
)
def test_only_archives_of_the_store_can_be_registered(service: ServiceUnderTest, door: str, url: str) -> None:
    before = service.manage("GET", "/models").json()
    answer = service.manage("POST", f"{door}?url={url.format(store=service.store)}")
    assert answer.status_code == 404, answer.text
    assert "DownloadArchiveException" not in answer.text, "it tried"
    assert service.manage("GET", "/models").json() == before
