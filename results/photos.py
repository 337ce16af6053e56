"""Photos and their predictions: what is known, and storing what is new."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Table, and_, exists, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from results.clock import now
from results.schema import photos, predictions_history, run_failures


@dataclass(frozen=True)
class PhotoKey:
    """What makes two files the same photo record.

    Attributes:
        source: absolute path or URL of the folder it came from.
        filename: relative to the source, with ``/``.
        sha256: of its bytes, hex; empty when it could not be read.
        return_id: of the return it belongs to; empty without a manifest.
    """

    source: str
    filename: str
    sha256: str
    return_id: str = ""


@dataclass(frozen=True)
class Classified:
    """An answer to store; ``audit`` when a person shall look at it although it was accepted."""

    photo: PhotoKey
    bytes: int
    predicted_class: str
    confidence: float
    decision: str
    reason: str | None
    top3: list[dict[str, Any]]
    model_version: str
    contract_version: str
    expected_category: str | None = None
    audit: bool = False


@dataclass(frozen=True)
class Failed:
    """A failure to store; ``photo_fault`` when sending the same bytes again would change nothing."""

    photo: PhotoKey
    bytes: int
    code: str
    message: str
    photo_fault: bool
    expected_category: str | None = None


@dataclass(frozen=True)
class Known:
    """What is stored of a photo that need not be sent again."""

    id: int
    status: Literal["classified", "failed"]
    code: str | None
    message: str | None
    expected_category: str | None


def find_known(
    connection: Connection, keys: Sequence[PhotoKey], model_version: str, contract_version: str
) -> dict[PhotoKey, Known]:
    """Return those of the photos that need not be sent: answered by this model, or at fault themselves.

    Args:
        connection: for reading.
        keys: all of one source.
        model_version: of the model that would answer.
        contract_version: likewise.
    """
    if not keys:
        return {}
    answered = exists().where(
        and_(
            predictions_history.c.photo_id == photos.c.id,
            predictions_history.c.model_version == model_version,
            predictions_history.c.contract_version == contract_version,
        )
    )
    query = select(photos, answered.label("answered")).where(
        photos.c.source == keys[0].source, photos.c.filename.in_([key.filename for key in keys])
    )
    wanted = set(keys)
    known: dict[PhotoKey, Known] = {}
    for row in connection.execute(query).mappings():
        key = PhotoKey(row["source"], row["filename"], row["sha256"], row["return_id"])
        if key not in wanted:
            continue
        if row["answered"] if row["status"] == "classified" else row["photo_fault"]:
            known[key] = Known(
                row["id"], row["status"], row["error_code"], row["error_message"], row["expected_category"]
            )
    return known


def store(connection: Connection, run: int, outcome: Classified | Failed) -> int | None:
    """Store one outcome: the photo's record, and its prediction if there is one.

    Storing the same outcome of the same run again changes nothing.

    Returns:
        The id of the earliest other photo with the same bytes; None if this is the first.
    """
    if isinstance(outcome, Failed):
        state = {"error_code": outcome.code, "error_message": outcome.message, "photo_fault": outcome.photo_fault}
        photo_id, repeat_of = _upsert_photo(connection, outcome, {"status": "failed", **state})
        failure = {"run_id": run, "photo_id": photo_id, "code": outcome.code, "message": outcome.message}
        connection.execute(_insert_once(connection, run_failures).values(**failure, is_new=True))
        return repeat_of
    state = {"error_code": None, "error_message": None, "photo_fault": False, "audit": outcome.audit}
    photo_id, repeat_of = _upsert_photo(connection, outcome, {"status": "classified", **state})
    connection.execute(
        _insert_once(connection, predictions_history).values(
            photo_id=photo_id,
            run_id=run,
            predicted_class=outcome.predicted_class,
            confidence=outcome.confidence,
            decision=outcome.decision,
            reason=outcome.reason,
            top3=json.dumps(outcome.top3, separators=(",", ":")),
            model_version=outcome.model_version,
            contract_version=outcome.contract_version,
            timestamp=now(),
        )
    )
    return repeat_of


def store_known(connection: Connection, run: int, known: Known, expected_category: str | None) -> None:
    """Note that a run met a known photo: a failed one is listed again, a manifest that changed is obeyed."""
    if known.status == "failed":
        failure = {"run_id": run, "photo_id": known.id, "code": known.code, "message": known.message}
        connection.execute(_insert_once(connection, run_failures).values(**failure, is_new=False))
    if expected_category != known.expected_category:
        connection.execute(photos.update().where(photos.c.id == known.id).values(expected_category=expected_category))


def _insert_once(connection: Connection, into: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that leaves a row alone that is there already."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(into).on_conflict_do_nothing()
    return postgresql.insert(into).on_conflict_do_nothing()


def _is(key: PhotoKey) -> ColumnElement[bool]:
    return and_(
        photos.c.source == key.source,
        photos.c.filename == key.filename,
        photos.c.sha256 == key.sha256,
        photos.c.return_id == key.return_id,
    )


def _upsert_photo(
    connection: Connection, outcome: Classified | Failed, state: dict[str, Any]
) -> tuple[int, int | None]:
    """Insert the photo's record or bring it up to date; return its id and what it repeats."""
    key = outcome.photo
    state = {**state, "bytes": outcome.bytes, "expected_category": outcome.expected_category}
    row = connection.execute(select(photos.c.id, photos.c.repeat_of).where(_is(key))).first()
    if row is not None:
        connection.execute(photos.update().where(photos.c.id == row.id).values(**state))
        return int(row.id), row.repeat_of
    earliest = select(func.min(photos.c.id)).where(photos.c.sha256 == key.sha256)
    repeat_of = connection.execute(earliest).scalar() if key.sha256 else None
    identity = {"source": key.source, "filename": key.filename, "sha256": key.sha256, "return_id": key.return_id}
    new = insert(photos).values(**identity, repeat_of=repeat_of, created_at=now(), **state)
    return int(connection.execute(new.returning(photos.c.id)).scalar_one()), repeat_of


def failures_of_run(connection: Connection, run: int) -> list[dict[str, Any]]:
    """Return the failures of a run by file name: ``filename``, ``code``, ``message``, ``is_new``."""
    query = (
        select(photos.c.filename, run_failures.c.code, run_failures.c.message, run_failures.c.is_new)
        .join(photos, photos.c.id == run_failures.c.photo_id)
        .where(run_failures.c.run_id == run)
        .order_by(photos.c.filename)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def classes_of_run(connection: Connection, run: int) -> list[dict[str, Any]]:
    """Count what a run classified: ``predicted_class``, ``accept``, ``review``, the most frequent first."""
    answer = predictions_history.c
    query = (
        select(answer.predicted_class, answer.decision, func.count().label("photos"))
        .where(answer.run_id == run)
        .group_by(answer.predicted_class, answer.decision)
    )
    counted: dict[str, dict[str, Any]] = {}
    for name, decision, count in connection.execute(query):
        entry = counted.setdefault(name, {"predicted_class": name, "accept": 0, "review": 0})
        entry[decision] = count
    return sorted(counted.values(), key=lambda e: (-(e["accept"] + e["review"]), e["predicted_class"]))
