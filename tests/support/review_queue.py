"""Photos that wait for a person, and the decisions on them, without a desk."""

from dataclasses import replace
from typing import Any

from results import review_queue, reviews
from results.database import Database
from results.photos import Classified
from results.reviews import Verdict
from results.search import photos_by_id
from tests.support.stored_runs import answer, photo_id

MINUTE = 60.0


def unsure(filename: str, confidence: float, **more: Any) -> Classified:
    top = [{"class": "Socks", "probability": confidence}]
    plain = answer(filename, filename[:2])
    return replace(plain, confidence=confidence, top3=top, decision="review", reason="low_confidence", **more)


def waiting(database: Database, **filters: Any) -> list[str]:
    """Return the names of what waits, in the order in which a desk gets them."""
    with database.writing() as connection:
        claimed = review_queue.claim(connection, "looker", 100, MINUTE, **filters)
        review_queue.release(connection, "looker")
        return [row["filename"] for row in photos_by_id(connection, claimed.photo_ids)]


def decide(database: Database, filename: str, reviewer: str = "Ada", to_class: str | None = "Socks") -> int:
    with database.writing() as connection:
        number = photo_id(connection, filename)
        prediction = photos_by_id(connection, [number])[0]["prediction_id"]
        kind: reviews.Kind = "category" if to_class else "unusable"
        review = reviews.store_verdict(connection, reviewer, Verdict(number, prediction, kind, to_class))
        review_queue.refresh(connection, [number])
        return review
