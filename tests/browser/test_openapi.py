"""The OpenAPI description, held against the running desk."""

from collections.abc import Callable

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.openapi import AnyCase, operations_of
from tests.support.running_desk import RunningDesk
from web.auth.api_tokens import ApiTokens

_EXAMPLES = 25  # an operation
_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_the_desk_answers_as_its_description_says(start_desk: Callable[..., RunningDesk]) -> None:
    """Drawn the same way each time; photos of the desk are decided and taken back as the drawing goes."""
    desk = start_desk()
    desk.add_night(6)
    session = desk.session()
    bearer = f"Bearer {ApiTokens(desk.settings.web_dir).add('shop', 'reviewer')}"
    schema = schemathesis.openapi.from_url(f"{desk.url}/openapi.json")
    operations = operations_of(schema)
    assert {operation.path for operation in operations} >= {
        "/predict/",
        "/desk/claim",
        "/photos/{photo_id}/verdict",
        "/api/v1/returns",
    }
    for operation in operations:

        @settings(
            max_examples=_EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            case=operation.as_strategy(),
            token=st.sampled_from([session.token, "wrong"]),
            authorization=st.sampled_from([bearer, "Bearer wrong"]),
        )
        def answers_as_described(case: AnyCase, token: str, authorization: str) -> None:
            headers = {"X-CSRF-Token": token, "Authorization": authorization}
            response = case.call(session=session, headers=headers, timeout=30)
            case.validate_response(response, checks=_CHECKS)

        answers_as_described()


def test_the_reference_needs_nothing_from_elsewhere(desk: RunningDesk) -> None:
    page = requests.get(f"{desk.url}/docs", headers={"Accept": "text/html"}, timeout=30).text
    assert "/predict/" in page
    assert "/photos/{photo_id}/verdict" in page
    assert "//" not in page.replace(f"{desk.url}/predict/", "")


def test_the_reference_shows_code_as_code(desk: RunningDesk) -> None:
    page = requests.get(f"{desk.url}/docs", headers={"Accept": "text/html"}, timeout=30).text
    assert "<code>POST /predict/</code>" in page
    assert "<code>WEB_CLAIM_S</code>" in page
    assert "`" not in page
    assert "?." not in page
    assert ".." not in page.replace("...", "")
