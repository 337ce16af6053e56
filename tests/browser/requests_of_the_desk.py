"""Requests that the pages of the desk make."""

from typing import Any

from tests.support.running_desk import Session

TAB = "tab-00000001"


def claim(session: Session, count: int = 3, tab: str = TAB, **more: Any) -> dict[str, Any]:
    answer = session.change("/desk/claim", {"desk": tab, "count": count, **more})
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def verdict(session: Session, photo: dict[str, Any], **more: Any) -> Any:
    body = {"prediction_id": photo["prediction_id"], "category": photo["predicted_class"], **more}
    return session.change(f"/photos/{photo['id']}/verdict", body)
