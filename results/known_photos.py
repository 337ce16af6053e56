"""Photos that need not be sent: what is known of them, and what a run records about them."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from results import derived, returns, review_queue
from results.orders import ORDER_COLUMNS, Order, Rule
from results.photos import PhotoKey
from results.redecide import redecide
from results.schema import photos, predictions_history, run_failures
from results.sql import insert_once

_NAMES_AT_ONCE = 500


@dataclass(frozen=True)
class Known:
    """The record of a photo that need not be sent again.

    Attributes:
        predicted_class: the model's prediction; None for a failed photo.
        for_a_person: a person will look at the photo, whatever the manifest expects.
        shown: the view ``predictions`` shows the prediction of this model version.
        model_version: the version that the caller asked for.
        contract_version: the contract version that the caller asked for.
        order: that the record has.
        near_repeat_of: the earlier photo of another file that shows the same picture.
        return_id: that the record has; empty where the photo came before its manifest.
    """

    id: int
    status: Literal["classified", "failed"]
    code: str | None
    message: str | None
    order: Order
    predicted_class: str | None
    for_a_person: bool
    shown: bool
    model_version: str
    contract_version: str
    return_id: str = ""
    near_repeat_of: int | None = None


def find_known(
    connection: Connection, keys: Sequence[PhotoKey], model_version: str, contract_version: str
) -> dict[PhotoKey, Known]:
    """Find the photos that need not be sent: this model has classified them, or the photo itself is faulty.

    Args:
        connection: for reading.
        keys: photos of one source.
        model_version: version of the model that would classify them.
        contract_version: version of its contract.
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
    # A photo that was stored before its manifest came has no return yet; its record is taken over.
    waiting_for_return = {replace(key, return_id=""): key for key in keys if key.return_id}
    known: dict[PhotoKey, Known] = {}
    for row in connection.execute(query).mappings():
        key = PhotoKey(row["source"], row["filename"], row["sha256"], row["return_id"])
        if key not in wanted:
            key = waiting_for_return.get(replace(key, return_id=""), key) if not row["return_id"] else key
        answered = row["status"] == "classified" and row["answer"] is not None
        # Without a hash it failed before it was read, and what was found then is found again without the service.
        is_faulty = row["status"] == "failed" and (row["photo_fault"] or not key.sha256)
        is_known = answered or is_faulty
        if key in wanted and is_known and not (key in known and not row["return_id"]):
            known[key] = Known(
                row["id"],
                row["status"],
                row["error_code"],
                row["error_message"],
                Order(**{name: row[name] for name in ORDER_COLUMNS}),
                row["predicted_class"],
                answered and (row["decision"] == "review" or row["audit"] or row["repeat_of"] is not None),
                (row["model_version"], row["contract_version"]) == (model_version, contract_version),
                model_version,
                contract_version,
                row["return_id"],
                row["repeat_of"] if row["repeat_kind"] == "near" else None,
            )
    return known


def find_stored_names(connection: Connection, source: str, filenames: Collection[str]) -> set[str]:
    """Return those of some file names under which photos of a source are stored."""
    found: set[str] = set()
    names = list(filenames)
    for start in range(0, len(names), _NAMES_AT_ONCE):
        some = names[start : start + _NAMES_AT_ONCE]
        query = select(photos.c.filename).where(photos.c.source == source, photos.c.filename.in_(some))
        found.update(connection.execute(query).scalars())
    return found


def find_answers(
    connection: Connection, keys: Sequence[PhotoKey], model_version: str, contract_version: str
) -> dict[str, dict[str, Any]]:
    """Find this model's newest prediction for photos with the same bytes under any name.

    Copied predictions are passed over, so that a copy is always made from the original.

    Returns:
        The row of ``predictions_history`` by sha256, ``top3`` decoded.
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


def store_known(
    connection: Connection,
    run: int,
    known: Known,
    order: Order,
    return_id: str = "",
    rule: Rule | None = None,
) -> bool:
    """Record that this run saw an already processed photo.

    List its failure again, apply what the manifest says now, and point the view ``predictions`` at this run's model.
    The latter matters after a rollback: the predictions of the older model count again.

    Args:
        connection: in a transaction.
        run: its id.
        known: the record.
        order: that the manifest names now.
        return_id: that the manifest names now; it completes a record without one.
        rule: by which the model decides; None keeps the decision although the order changed.

    Returns:
        Whether a person looks at the photo.
    """
    if known.status == "failed":
        failure = {"run_id": run, "photo_id": known.id, "code": known.code, "message": known.message}
        connection.execute(insert_once(connection, run_failures), {**failure, "is_new": False})
    before, after = vars(known.order), vars(order)
    changed: dict[str, str | None] = {name: after[name] for name in ORDER_COLUMNS if after[name] != before[name]}
    if return_id and not known.return_id:
        changed["return_id"] = return_id
    if known.status == "classified" and not known.shown:
        changed |= {"model_version": known.model_version, "contract_version": known.contract_version}
    if not changed:
        return known.for_a_person
    connection.execute(photos.update().where(photos.c.id == known.id).values(**changed))
    if changed.keys() <= {"shop_category", "product_photo"}:  # decides nothing
        return known.for_a_person
    if "return_id" in changed:
        returns.refresh_keys(connection, [returns.return_key("", known.id)])
    if "expected_category" in changed and rule is not None:
        redecide(connection, [known.id], rule, "manifest")
    derived.refresh(connection, [known.id])
    return review_queue.is_waiting(connection, known.id)


def store_put_away(
    connection: Connection, source: str, lines: Mapping[str, tuple[str, Order]], rule: Rule | None
) -> list[str]:
    """Apply what a manifest says now to photos whose files an earlier run has put away.

    A file name may be used again for another photo, so a line is applied only to a record of the same return.

    Args:
        connection: in a transaction.
        source: of the photos.
        lines: return id and order by file name.
        rule: by which the model decides; None keeps the decision although the order changed.

    Returns:
        The names of the photos that are stored without a return although their line names one.
    """
    without_return: list[str] = []
    names = list(lines)
    for start in range(0, len(names), _NAMES_AT_ONCE):
        some = photos.c.filename.in_(names[start : start + _NAMES_AT_ONCE])
        rows = connection.execute(select(photos).where(photos.c.source == source, some).order_by(photos.c.id)).all()
        complete = {(row.filename, row.return_id) for row in rows}
        for row in rows:
            return_id, order = lines[row.filename]
            if return_id and row.return_id == return_id:
                _store_order(connection, row, order, rule)
            elif return_id and not row.return_id and (row.filename, return_id) not in complete:
                without_return.append(row.filename)
    return sorted(set(without_return))


def _store_order(connection: Connection, row: Row[Any], order: Order, rule: Rule | None) -> None:
    changed = {name: value for name, value in vars(order).items() if value != getattr(row, name)}
    if not changed:
        return
    connection.execute(photos.update().where(photos.c.id == row.id).values(**changed))
    if "expected_category" in changed:
        if rule is not None:
            redecide(connection, [row.id], rule, "manifest")
        derived.refresh(connection, [row.id])


def _of_model(model_version: str, contract_version: str) -> ColumnElement[bool]:
    answer = predictions_history.c
    return and_(answer.model_version == model_version, answer.contract_version == contract_version)
