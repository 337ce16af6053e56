"""Returns as the script and the pages show them: which pictures there are, and what suggests itself."""

from typing import Any

from web.pictures import Pictures

_SUGGESTED = (("mismatches", "not_what_was_ordered"), ("repeats", "same_item"))


def for_desk(pictures: Pictures, card: dict[str, Any]) -> dict[str, Any]:
    """Return a card of :func:`results.return_cards.cards` with what the desk needs to show it.

    Each photo and each earlier photo gets ``picture``: ``kept``, ``never`` (none was made) or ``lost``.
    The return gets ``suggested``, the reason for a hold that its photos suggest, or None.
    """
    items = [_with_picture(pictures, item) for item in card["items"]]
    return {**card, "items": items, "suggested": suggested_reason(card)}


def suggested_reason(state: dict[str, Any]) -> str | None:
    """Return the reason to hold a return that its photos suggest; None if they suggest none."""
    for name, reason in _SUGGESTED:
        if state[name]:
            return reason
    return "unusable_photos" if state["unusable"] and state["unusable"] == state["photos"] else None


def _with_picture(pictures: Pictures, item: dict[str, Any]) -> dict[str, Any]:
    needed = item["decision"] == "review" or item["finding"] in ("mismatch", "repeat")
    product = item["product"]
    if product is not None:
        has_picture = product["sha256"] is not None and pictures.find(product["sha256"], "thumbnail") is not None
        product = {"path": product["path"], "picture": has_picture, "problem": product["problem"]}
    shown = {**item, "product": product, "picture": _state(pictures, item["sha256"], needed)}
    if item["earlier"] is not None:
        shown["earlier"] = {**item["earlier"], "picture": _state(pictures, item["earlier"]["sha256"], False)}
    return shown


def _state(pictures: Pictures, sha256: str, was_needed: bool) -> str:
    if pictures.find(sha256, "thumbnail") is not None:
        return "kept"
    return "lost" if was_needed else "never"
