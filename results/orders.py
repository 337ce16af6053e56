"""The order check on stored probabilities: the same rule as the service's, without asking the service again."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

SEPARATOR = "|"  # between the categories of one order, as ``photos.expected_category`` holds them


@dataclass(frozen=True)
class Order:
    """What the manifest says was ordered.

    Attributes:
        expected_category: the categories, separated by ``|``; None if none is given or the word is not known.
        shop_category: the word by which the manifest calls it.
        product_photo: the shop's picture of it, a path in the source.
    """

    expected_category: str | None = None
    shop_category: str | None = None
    product_photo: str | None = None


NO_ORDER = Order()
ORDER_COLUMNS = tuple(field.name for field in fields(Order))  # of the table photos


@dataclass(frozen=True)
class Rule:
    """The numbers by which a model decides.

    Attributes:
        classes: category names in the order of the class index.
        accept_threshold: least confidence at which a photo without an order is accepted.
        unknown_threshold: outlier probability from which a photo without an order is an unknown item.
        match_threshold: least probability of the ordered categories at which a photo matches its order.
        mismatch_threshold: probability of the ordered categories below which a photo is a mismatch.
        rule_id: of the row in the table ``decision_rules``; None if it is not stored.
    """

    classes: tuple[str, ...]
    accept_threshold: float
    unknown_threshold: float
    match_threshold: float
    mismatch_threshold: float
    rule_id: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Decision:
    """What a prediction leads to; ``match_...`` are None without an order."""

    decision: str
    reason: str | None
    match_probability: float | None = None
    match_verdict: str | None = None


def decide(probabilities: Sequence[float], expected: str | None, rule: Rule) -> Decision:
    """Decide about one photo.

    Args:
        probabilities: calibrated softmax over all outputs, [C + 1]: the classes in order, then the outlier.
        expected: the ordered categories, separated by ``|``; None without an order.
        rule: of the model that gave the probabilities.

    Raises:
        ValueError: an ordered category is not one of the classes, or the number of probabilities is wrong.
    """
    *classes, outlier = probabilities
    if len(classes) != len(rule.classes):
        raise ValueError(f"{len(classes)} probabilities of classes, but the model has {len(rule.classes)} classes")
    if expected is None:
        return _decide_without_order(classes, outlier, rule)
    probability = sum(classes[rule.classes.index(name)] for name in expected.split(SEPARATOR))
    if probability >= rule.match_threshold:
        return Decision("accept", None, probability, "match")
    if probability < rule.mismatch_threshold:
        return Decision("review", "mismatch", probability, "mismatch")
    return Decision("review", "unsure_match", probability, "unsure")


def _decide_without_order(classes: Sequence[float], outlier: float, rule: Rule) -> Decision:
    if outlier >= rule.unknown_threshold:
        return Decision("review", "unknown_item")
    # The confidence is the softmax over the classes alone.
    if max(classes) / max(sum(classes), 1e-12) < rule.accept_threshold:
        return Decision("review", "low_confidence")
    return Decision("accept", None)


def is_another(category: str, expected: str | None) -> bool:
    """Return whether there is an order and the category is none of its categories."""
    return expected is not None and category not in expected.split(SEPARATOR)


def pack(probabilities: Sequence[float]) -> bytes:
    """Store probabilities as little-endian float16, two bytes each."""
    return struct.pack(f"<{len(probabilities)}e", *probabilities)


def unpack(stored: bytes) -> tuple[float, ...]:
    """Read what :func:`pack` wrote."""
    return struct.unpack(f"<{len(stored) // 2}e", stored)
