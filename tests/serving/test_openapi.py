"""The running service answers as openapi.yaml says, to requests that schemathesis makes up from it."""

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import ROOT
from tests.serving.conftest import ServiceUnderTest
from tests.support.drawn_photos import SAMPLES, encoded, striped
from tests.support.openapi import AnyCase, AnyOperation, operations_of

PHOTO = encoded(striped())
BODIES = st.one_of(
    st.sampled_from([*(path.read_bytes() for path in sorted(SAMPLES.glob("*.jpg"))[:3]), encoded(striped(), "PNG")]),
    st.sampled_from([PHOTO[: len(PHOTO) // 2], encoded(striped((300, 300)).resize((300, 4))), b""]),
    st.binary(max_size=200),
)
for media_type in ("image/jpeg", "image/png", "image/webp", "image/heic", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, BODIES)
schemathesis.openapi.format("binary", BODIES)

SCHEMA = schemathesis.openapi.from_dict(yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8")))
CONFORMANCE = [status_code_conformance, content_type_conformance, response_schema_conformance]
CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in operations_of(SCHEMA)
    for mode in GenerationMode
    if mode.is_positive or operation.body or operation.path_parameters  # else there is nothing to get wrong
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_answers_conform(operation: AnyOperation, mode: GenerationMode, service: ServiceUnderTest) -> None:
    statuses = set()

    @settings(
        max_examples=10,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: AnyCase) -> None:
        answer = case.call(base_url=service.url, headers={"Authorization": f"Bearer {service.token}"}, timeout=60)
        # TorchServe's own fault, documented: it reads forms before we see them, and fails on a field without a name.
        in_form = b"ErrorDataDecoderException" in answer.content
        case.validate_response(answer, checks=CONFORMANCE if in_form else [not_a_server_error, *CONFORMANCE])
        statuses.add(answer.status_code)

    check()
    if mode.is_positive and operation.body and not operation.path_parameters:  # few made-up versions are loaded
        assert 200 in statuses, "no photo got through: the test does not see what it should"


def test_a_body_over_the_request_limit(service: ServiceUnderTest) -> None:
    answer = service.post(b"x" * 56_000_000)
    assert (answer.status_code, answer.content) == (413, b"")
