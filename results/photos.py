"""Photos and their predictions: what is known, and storing what is new."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, insert, select

from results import review_queue
from results.clock import now
from results.repeats import Fingerprint, Repeat, find_exact, find_near, store_fingerprint
from results.schema import photos, predictions_history, run_failures
from results.upsert import insert_once

_STORING_LOCK = 27_112_302  # any fixed number of its own; names PostgreSQL's advisory lock


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
    """An answer to store.

    Attributes:
        audit: a person shall look at it although it was accepted.
        fingerprint: what the photo looks like; None where that is not known or there is nothing to see.
        reused: the answer was given to another photo with the same bytes.
    """

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
    fingerprint: Fingerprint | None = None
    reused: bool = False


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
    """What is stored of a photo that need not be sent again.

    Attributes:
        predicted_class: that the model answered; None of a failed photo.
        for_a_person: somebody will look at it, whatever the manifest expects.
        shown: the view shows the answer of the model that was asked for, not of another.
        model_version: that was asked for.
        contract_version: likewise.
    """

    id: int
    status: Literal["classified", "failed"]
    code: str | None
    message: str | None
    expected_category: str | None
    predicted_class: str | None
    for_a_person: bool
    shown: bool
    model_version: str
    contract_version: str


# Run for every photo of a night, so built once.
_STORED = select(photos.c.id, photos.c.status, photos.c.repeat_of, photos.c.repeat_kind).where(
    *(photos.c[name] == bindparam(name) for name in ("source", "filename", "sha256", "return_id"))
)
_NEW = insert(photos).returning(photos.c.id)


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
    answer = predictions_history.c
    of_photo = and_(answer.photo_id == photos.c.id, _of_model(model_version, contract_version))
    newest = select(func.max(answer.id)).where(of_photo).correlate(photos).scalar_subquery()
    query = (
        select(photos, answer.id.label("answer"), answer.decision, answer.predicted_class, answer.audit)
        .outerjoin(predictions_history, answer.id == newest)
        .where(photos.c.source == keys[0].source, photos.c.filename.in_([key.filename for key in keys]))
    )
    wanted = set(keys)
    known: dict[PhotoKey, Known] = {}
    for row in connection.execute(query).mappings():
        key = PhotoKey(row["source"], row["filename"], row["sha256"], row["return_id"])
        answered = row["status"] == "classified" and row["answer"] is not None
        if key in wanted and (answered or (row["status"] == "failed" and row["photo_fault"])):
            known[key] = Known(
                row["id"],
                row["status"],
                row["error_code"],
                row["error_message"],
                row["expected_category"],
                row["predicted_class"],
                answered and (row["decision"] == "review" or row["audit"] or row["repeat_of"] is not None),
                (row["model_version"], row["contract_version"]) == (model_version, contract_version),
                model_version,
                contract_version,
            )
    return known


def find_answers(
    connection: Connection, keys: Sequence[PhotoKey], model_version: str, contract_version: str
) -> dict[str, dict[str, Any]]:
    """Return by sha256 what this model has answered to photos with these bytes, whatever they are called.

    The newest answer of each; a copied answer is not copied again, its original is.
    """
    if not keys:
        return {}
    answer = predictions_history.c
    query = (
        select(photos.c.sha256, func.max(answer.id))
        .join(predictions_history, answer.photo_id == photos.c.id)
        .where(photos.c.sha256.in_({key.sha256 for key in keys}), photos.c.status == "classified")
        .where(_of_model(model_version, contract_version), answer.reused.is_(False))
        .group_by(photos.c.sha256)
    )
    newest = {number: sha256 for sha256, number in connection.execute(query)}
    rows = connection.execute(select(predictions_history).where(answer.id.in_(newest))).mappings()
    return {newest[row["id"]]: {**row, "top3": json.loads(row["top3"])} for row in rows}


def store(connection: Connection, run: int, *outcomes: Classified | Failed) -> list[Repeat | None]:
    """Store outcomes: each photo's record, and its prediction if there is one.

    Storing the same outcome of the same run again changes nothing. One at a time: of two copies of a photo, stored by
    two runs at once, neither would see that it repeats the other.

    Returns:
        Of each outcome, the earlier photo that it repeats; None if there is none.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time by itself
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_STORING_LOCK})")
    stored = [_store(connection, run, outcome) for outcome in outcomes]
    review_queue.refresh(connection, [photo_id for photo_id, _ in stored])
    return [repeat for _, repeat in stored]


def _store(connection: Connection, run: int, outcome: Classified | Failed) -> tuple[int, Repeat | None]:
    """Return the photo's id and what it repeats."""
    if isinstance(outcome, Failed):
        state = {"error_code": outcome.code, "error_message": outcome.message, "photo_fault": outcome.photo_fault}
        photo_id, repeat = _upsert_photo(connection, outcome, {"status": "failed", **state})
        failure = {"run_id": run, "photo_id": photo_id, "code": outcome.code, "message": outcome.message}
        connection.execute(insert_once(connection, run_failures), {**failure, "is_new": True})
        return photo_id, repeat
    versions = {"model_version": outcome.model_version, "contract_version": outcome.contract_version}
    state = {"error_code": None, "error_message": None, "photo_fault": False, **versions}
    photo_id, repeat = _upsert_photo(connection, outcome, {"status": "classified", **state})
    if outcome.fingerprint is not None:
        store_fingerprint(connection, outcome.photo.sha256, outcome.fingerprint)
    prediction = {
        "photo_id": photo_id,
        "run_id": run,
        "predicted_class": outcome.predicted_class,
        "confidence": outcome.confidence,
        "decision": outcome.decision,
        "reason": outcome.reason,
        "top3": json.dumps(outcome.top3, separators=(",", ":")),
        "timestamp": now(),
        "reused": outcome.reused,
        "audit": outcome.audit,
    }
    connection.execute(insert_once(connection, predictions_history), {**prediction, **versions})
    return photo_id, repeat


def store_known(connection: Connection, run: int, known: Known, expected_category: str | None) -> None:
    """Note that a run met a known photo.

    A failed one is listed again, a manifest that changed is obeyed, and the view shows what the run's model answered,
    also when that is not the newest answer: after a model was withdrawn, its answers are, too.
    """
    if known.status == "failed":
        failure = {"run_id": run, "photo_id": known.id, "code": known.code, "message": known.message}
        connection.execute(insert_once(connection, run_failures), {**failure, "is_new": False})
    changed: dict[str, str | None] = {}
    if expected_category != known.expected_category:
        changed["expected_category"] = expected_category
    if known.status == "classified" and not known.shown:
        changed |= {"model_version": known.model_version, "contract_version": known.contract_version}
    if changed:
        connection.execute(photos.update().where(photos.c.id == known.id).values(**changed))
        review_queue.refresh(connection, [known.id])


def _of_model(model_version: str, contract_version: str) -> ColumnElement[bool]:
    answer = predictions_history.c
    return and_(answer.model_version == model_version, answer.contract_version == contract_version)


def _upsert_photo(
    connection: Connection, outcome: Classified | Failed, state: dict[str, Any]
) -> tuple[int, Repeat | None]:
    """Insert the photo's record or bring it up to date; return its id and what it repeats."""
    key = outcome.photo
    state = {**state, "bytes": outcome.bytes, "expected_category": outcome.expected_category}
    identity = asdict(key)
    row = connection.execute(_STORED, identity).first()
    if row is None:
        repeat = find_exact(connection, key.sha256) if key.sha256 else None
        repeat = repeat or _find_near(connection, outcome, before=None)
    else:
        repeat = Repeat(row.repeat_of, row.repeat_kind) if row.repeat_of is not None else None
        if repeat is None and row.status == "failed":  # what it looks like, nobody could tell before
            repeat = _find_near(connection, outcome, before=row.id)
    state |= {"repeat_of": repeat and repeat.photo_id, "repeat_kind": repeat and repeat.kind}
    if row is not None:
        connection.execute(photos.update().where(photos.c.id == row.id).values(**state))
        return int(row.id), repeat
    new = {**identity, **state, "created_at": now()}
    return int(connection.execute(_NEW, new).scalar_one()), repeat


def _find_near(connection: Connection, outcome: Classified | Failed, before: int | None) -> Repeat | None:
    if isinstance(outcome, Failed) or outcome.fingerprint is None:
        return None
    return find_near(connection, outcome.fingerprint, outcome.photo.sha256, outcome.photo.return_id, before)


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
