"""Photos and their predictions: what is known, and storing what is new."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from results import derived
from results.fingerprints import Fingerprint, store_fingerprint
from results.lookalikes import Repeat, find_exact, find_near
from results.orders import ORDER_COLUMNS, pack
from results.schema import photos, predictions_history, run_failures
from results.sql import insert_once, now

_STORING_LOCK = 27_112_302  # the number of PostgreSQL's advisory lock; any fixed number will do


@dataclass(frozen=True)
class PhotoKey:
    """Identify a photo record.

    Attributes:
        source: absolute path or URL of the folder that holds the file.
        filename: relative to the source, with ``/``.
        sha256: of the file's bytes, in hex; empty if the file could not be read.
        return_id: the return that the photo belongs to; empty without a manifest.
    """

    source: str
    filename: str
    sha256: str
    return_id: str = ""


@dataclass(frozen=True)
class Classified:
    """A prediction to store.

    Attributes:
        audit: the prediction was accepted and drawn at random for a spot check by a person.
        fingerprint: of the picture; None if the service named none or the picture shows nothing.
        reused: the prediction was copied from another photo with the same bytes.
        probabilities: calibrated, [C + 1]: the classes in order, then the outlier; None if the service sent none.
        match_probability: of the ordered categories together; None without an order.
        match_verdict: ``match``, ``unsure`` or ``mismatch``; None without an order.
        shop_category: what the manifest calls the ordered item.
        product_photo: the shop's picture of it, a path in the source.
        rule_id: the row of ``decision_rules`` by which the photo was decided; None if the service decided.
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
    probabilities: Sequence[float] | None = None
    match_probability: float | None = None
    match_verdict: str | None = None
    shop_category: str | None = None
    product_photo: str | None = None
    rule_id: int | None = None


@dataclass(frozen=True)
class Failed:
    """A failure to store; ``photo_fault`` is true if sending the same bytes again would not help."""

    photo: PhotoKey
    bytes: int
    code: str
    message: str
    photo_fault: bool
    expected_category: str | None = None
    shop_category: str | None = None
    product_photo: str | None = None


# Runs for every photo of a night, so it is built once.
_STORED = select(photos.c.id, photos.c.status, photos.c.repeat_of, photos.c.repeat_kind).where(
    *(photos.c[name] == bindparam(name) for name in ("source", "filename", "sha256", "return_id"))
)
_NEW = insert(photos).returning(photos.c.id)


def store(connection: Connection, run: int, *outcomes: Classified | Failed) -> list[Repeat | None]:
    """Store the record of each photo, and its prediction if it has one.

    Storing the same outcome of the same run again changes nothing. On PostgreSQL only one writer stores at a time:
    if two runs stored two copies of a photo at once, neither would see that it repeats the other.

    Returns:
        For each outcome the earlier photo that it repeats, or None.
    """
    if connection.dialect.name == "postgresql":  # SQLite never has more than one writer
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_STORING_LOCK})")
        _lock_stored(connection, [outcome.photo for outcome in outcomes])
    stored = [_store(connection, run, outcome) for outcome in outcomes]
    photo_ids = [photo_id for photo_id, _ in stored]
    derived.refresh(connection, photo_ids)
    return [repeat for _, repeat in stored]


def keys_of(connection: Connection, photo_ids: Collection[int]) -> dict[int, PhotoKey]:
    """Return what identifies these photos, by id."""
    columns = (photos.c.id, photos.c.source, photos.c.filename, photos.c.sha256, photos.c.return_id)
    rows = connection.execute(select(*columns).where(photos.c.id.in_(photo_ids)))
    return {row.id: PhotoKey(row.source, row.filename, row.sha256, row.return_id) for row in rows}


def _lock_stored(connection: Connection, keys: Sequence[PhotoKey]) -> None:
    """Lock the existing records in the order of their ids, as reviews do: two orders would end in deadlocks."""
    names = [key.filename for key in keys]
    stored = select(photos.c.id).where(photos.c.source.in_({key.source for key in keys}), photos.c.filename.in_(names))
    connection.execute(stored.order_by(photos.c.id).with_for_update())


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
        "probabilities": None if outcome.probabilities is None else pack(outcome.probabilities),
        "match_probability": outcome.match_probability,
        "match_verdict": outcome.match_verdict,
        "rule_id": outcome.rule_id,
    }
    connection.execute(insert_once(connection, predictions_history), {**prediction, **versions})
    return photo_id, repeat


def _upsert_photo(
    connection: Connection, outcome: Classified | Failed, state: dict[str, Any]
) -> tuple[int, Repeat | None]:
    """Insert or update the photo's record; return its id and what it repeats."""
    key = outcome.photo
    state = {**state, "bytes": outcome.bytes, **{name: getattr(outcome, name) for name in ORDER_COLUMNS}}
    identity = asdict(key)
    row = connection.execute(_STORED, identity).first()
    if row is None:
        repeat = find_exact(connection, key.sha256) if key.sha256 else None
        repeat = repeat or _find_near(connection, outcome, before=None)
    else:
        repeat = Repeat(row.repeat_of, row.repeat_kind) if row.repeat_of is not None else None
        if repeat is None and row.status == "failed":  # a failed photo had no fingerprint
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
