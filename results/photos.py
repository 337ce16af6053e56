"""Photos and their predictions: what is known, and storing what is new."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from results.clock import now
from results.schema import photos, predictions, predictions_history


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
    """An answer to store."""

    photo: PhotoKey
    bytes: int
    predicted_class: str
    confidence: float
    decision: str
    reason: str | None
    top3: list[dict[str, Any]]
    model_version: str
    contract_version: str


@dataclass(frozen=True)
class Failed:
    """A failure to store; ``photo_fault`` when sending the same bytes again would change nothing."""

    photo: PhotoKey
    bytes: int
    code: str
    message: str
    photo_fault: bool


Known = Literal["classified", "failed"]


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
        if row["status"] == "classified" and row["answered"]:
            known[key] = "classified"
        elif row["status"] == "failed" and row["photo_fault"]:
            known[key] = "failed"
    return known


def store(connection: Connection, run: int, outcome: Classified | Failed) -> None:
    """Store one outcome: the photo's record, and its prediction if there is one.

    Storing the same outcome of the same run again changes nothing.
    """
    if isinstance(outcome, Failed):
        _upsert_photo(connection, run, outcome, "failed", outcome.code, outcome.message, outcome.photo_fault)
        return
    photo_id = _upsert_photo(connection, run, outcome, "classified", None, None, False)
    insert_ignore = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(
        insert_ignore(predictions_history)
        .values(
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
        .on_conflict_do_nothing(index_elements=["photo_id", "run_id"])
    )


def mark_seen(connection: Connection, run: int, keys: Sequence[PhotoKey]) -> None:
    """Record that a run met failed photos again, so that its report lists them again."""
    for key in keys:
        connection.execute(photos.update().where(_is(key)).values(last_run_id=run))


def _is(key: PhotoKey) -> ColumnElement[bool]:
    return and_(
        photos.c.source == key.source,
        photos.c.filename == key.filename,
        photos.c.sha256 == key.sha256,
        photos.c.return_id == key.return_id,
    )


def _upsert_photo(
    connection: Connection,
    run: int,
    outcome: Classified | Failed,
    status: str,
    error_code: str | None,
    error_message: str | None,
    photo_fault: bool,
) -> int:
    """Insert the photo's record or bring it up to date, and return its id."""
    key = outcome.photo
    state = {
        "status": status,
        "error_code": error_code,
        "error_message": error_message,
        "photo_fault": photo_fault,
        "bytes": outcome.bytes,
        "last_run_id": run,
    }
    row = connection.execute(select(photos.c.id).where(_is(key))).first()
    if row is not None:
        connection.execute(photos.update().where(photos.c.id == row.id).values(**state))
        return int(row.id)
    earliest = select(func.min(photos.c.id)).where(photos.c.sha256 == key.sha256) if key.sha256 else None
    new = insert(photos).values(
        source=key.source,
        filename=key.filename,
        sha256=key.sha256,
        return_id=key.return_id,
        repeat_of=connection.execute(earliest).scalar() if earliest is not None else None,
        created_at=now(),
        **state,
    )
    return int(connection.execute(new.returning(photos.c.id)).scalar_one())


def failures_of_run(connection: Connection, run: int) -> list[dict[str, Any]]:
    """Return the photos that failed in a run: ``filename``, ``code``, ``message``, by file name."""
    query = (
        select(photos.c.filename, photos.c.error_code.label("code"), photos.c.error_message.label("message"))
        .where(photos.c.last_run_id == run, photos.c.status == "failed")
        .order_by(photos.c.filename)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def counts_of_source(connection: Connection, source: str) -> list[dict[str, Any]]:
    """Count the newest predictions of a source: ``predicted_class``, ``accept``, ``review``, most first."""
    query = (
        select(predictions.c.predicted_class, predictions.c.decision, func.count().label("photos"))
        .where(predictions.c.source == source)
        .group_by(predictions.c.predicted_class, predictions.c.decision)
    )
    counted: dict[str, dict[str, Any]] = {}
    for row in connection.execute(query).mappings():
        entry = counted.setdefault(
            row["predicted_class"], {"predicted_class": row["predicted_class"], "accept": 0, "review": 0}
        )
        entry[row["decision"]] = row["photos"]
    return sorted(counted.values(), key=lambda e: (-(e["accept"] + e["review"]), e["predicted_class"]))
