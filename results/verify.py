"""Whether the results can be trusted: the engine's own checks, the accounting of each run, and rows that contradict."""

import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, and_, exists, func, or_, select, text
from sqlalchemy.exc import DatabaseError

from results import return_queue, returns, review_queue
from results.schema import metadata, photos, predictions_history, purged_rows, reviews, run_failures, runs

_MOST_LISTED = 100  # problems of a kind; who has more needs a backup, not a longer list
_ROWS_AT_ONCE = 1000
_SAME = 1e-6  # difference between two ways to store one probability


@dataclass(frozen=True)
class Problem:
    """One thing that should not be.

    Attributes:
        kind: ``integrity`` (the engine's own checks), ``orphan`` (a row whose owner is missing or another),
            ``accounting`` (a run's counts and its rows disagree), ``no_prediction``, ``no_reason`` (a photo record
            says that it was classified, or failed, and nothing says how), ``repeat`` (a photo that says it repeats
            another does not, a copied answer is nobody's), ``queue`` (a photo waits for a person and need not, or does
            not wait where it should), ``return`` (the stored
            state of a return contradicts its photos; checked when nothing else is wrong), ``top3``.
        message: what and where.
    """

    kind: str
    message: str


def verify(connection: Connection) -> list[Problem]:
    """Check everything and return what is wrong, at most a hundred of a kind; reads every row, changes none.

    A run's purged rows are no problem: the table ``purged_rows`` knows how many they are.
    """
    damage = _listed("integrity", _damage(connection))
    if damage:
        return damage  # what else would be said about damaged pages means nothing
    checks = {
        "orphan": itertools.chain(_orphans(connection), _strays(connection)),
        "accounting": _accounting(connection),
        "no_prediction": _without_prediction(connection),
        "no_reason": _without_reason(connection),
        "repeat": itertools.chain(_repeats(connection), _reused(connection)),
        "queue": _queue(connection),
        "top3": _contradicting_top3(connection),
    }
    found = [problem for kind, messages in checks.items() for problem in _listed(kind, messages)]
    if found:
        return found  # each of these may make returns wrong as well, which would say nothing new
    wrong = (f"the state of return {key[2:]} contradicts its photos" for key in returns.find_wrong(connection))
    misplaced = (
        f"return {key[2:]} waits and should not, or does not wait as it should"
        for key in return_queue.find_wrong(connection, _MOST_LISTED + 1)
    )
    return _listed("return", itertools.chain(wrong, misplaced))


def _listed(kind: str, messages: Iterable[str]) -> list[Problem]:
    found = [Problem(kind, message) for message in itertools.islice(messages, _MOST_LISTED + 1)]
    if len(found) > _MOST_LISTED:
        found[-1] = Problem(kind, f"more than {_MOST_LISTED} of this kind; the rest are not listed")
    return found


def _damage(connection: Connection) -> Iterator[str]:
    """Ask the engine about its own files and constraints."""
    if connection.dialect.name == "sqlite":
        try:
            for (message,) in connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST_LISTED + 1})"):
                if message != "ok":
                    yield f"SQLite: {message}"
        except DatabaseError as error:  # damaged beyond checking
            yield f"SQLite: {error.orig}"
        return
    # PostgreSQL finds damaged pages when it reads them, which the other checks do; a query cannot ask for more.
    yield from (
        f"PostgreSQL: index {name} is invalid; REINDEX it"
        for (name,) in connection.execute(
            text(
                "SELECT CAST(indexrelid AS regclass) FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
                "WHERE relnamespace = CAST(current_schema() AS regnamespace) AND NOT (indisvalid AND indisready)"
            )
        )
    )
    yield from (
        f"PostgreSQL: constraint {name} was never validated"
        for (name,) in connection.execute(
            text(
                "SELECT conname FROM pg_constraint "
                "WHERE connamespace = CAST(current_schema() AS regnamespace) AND NOT convalidated"
            )
        )
    )


def _orphans(connection: Connection) -> Iterator[str]:
    """Find rows that point to rows that are not there: written while the engine did not watch."""
    if connection.dialect.name == "sqlite":
        for child, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            yield f"{child}: row {row} points to a row of {parent} that is not there"
        return
    for child_table in metadata.sorted_tables:
        for key in child_table.foreign_keys:
            child, parent = key.parent, key.column.table.alias()
            missing = ~exists().where(parent.c[key.column.name] == child)
            query = select(child).where(child.is_not(None), missing).order_by(child).limit(_MOST_LISTED + 1)
            for number in connection.execute(query).scalars():
                yield f"{child_table.name}: {child.name} points to row {number} of {key.column.table.name}, not there"


def _strays(connection: Connection) -> Iterator[str]:
    """Find rows that point to something that is there and not theirs."""
    prediction = predictions_history
    query = (
        select(reviews.c.id, reviews.c.prediction_id)
        .join(prediction, prediction.c.id == reviews.c.prediction_id)
        .where(prediction.c.photo_id != reviews.c.photo_id)
    )
    for review, number in connection.execute(query.order_by(reviews.c.id).limit(_MOST_LISTED + 1)):
        yield f"review {review} is of one photo, its prediction {number} of another"


def _accounting(connection: Connection) -> Iterator[str]:
    """Compare each closed run's counts with its rows, in one query, so that all are of one moment."""
    stored = select(func.count()).where(predictions_history.c.run_id == runs.c.id).scalar_subquery()
    is_new = run_failures.c.is_new.is_(True)
    failures = select(func.count()).where(run_failures.c.run_id == runs.c.id, is_new).scalar_subquery()
    tally = purged_rows.c
    query = (
        select(
            runs,
            stored.label("stored"),
            failures.label("failures"),
            func.coalesce(tally.predictions, 0).label("purged_predictions"),
            func.coalesce(tally.failures, 0).label("purged_failures"),
        )
        .outerjoin(purged_rows, tally.run_id == runs.c.id)
        .where(runs.c.status != "running")
    )
    for run in connection.execute(query.order_by(runs.c.id)).mappings():
        parts = [run[name] for name in ("classified", "known", "failed", "left")]
        if run["found"] != sum(parts) or min(parts) < 0:
            yield f"run {run['id']}: found {run['found']} is not {' + '.join(map(str, parts))}"
        for count, rows, purged, name in (
            ("classified", "stored", "purged_predictions", "predictions"),
            ("failed", "failures", "purged_failures", "new failures"),
        ):
            if run[rows] != run[count] - run[purged]:
                after = f" of which {run[purged]} were purged" if run[purged] else ""
                yield f"run {run['id']}: counted {count} {run[count]}{after}, but there are {run[rows]} {name}"


def _without_prediction(connection: Connection) -> Iterator[str]:
    answer = predictions_history.c
    has_prediction = exists().where(
        answer.photo_id == photos.c.id,
        answer.model_version == photos.c.model_version,  # the view shows no other
        answer.contract_version == photos.c.contract_version,
    )
    query = select(photos.c.id, photos.c.filename).where(photos.c.status == "classified", ~has_prediction)
    for number, filename in connection.execute(query.order_by(photos.c.id).limit(_MOST_LISTED + 1)):
        yield f"photo {number} ({filename}) is classified, but there is no prediction"


def _without_reason(connection: Connection) -> Iterator[str]:
    empty = [func.coalesce(value, "") == "" for value in (photos.c.error_code, photos.c.error_message)]
    listed = exists().where(run_failures.c.photo_id == photos.c.id)
    query = select(photos.c.id, photos.c.filename, and_(*empty).label("empty")).where(
        photos.c.status == "failed", or_(and_(*empty), ~listed)
    )
    for number, filename, is_empty in connection.execute(query.order_by(photos.c.id).limit(_MOST_LISTED + 1)):
        lacks = "neither code nor message says why" if is_empty else "no run lists it among its failures"
        yield f"photo {number} ({filename}) failed, but {lacks}"


def _repeats(connection: Connection) -> Iterator[str]:
    """Find photos whose record contradicts what it says of the earlier one."""
    earlier = photos.alias()
    kind, same = photos.c.repeat_kind, photos.c.sha256 == earlier.c.sha256
    wrong = or_(
        photos.c.repeat_of.is_(None) != kind.is_(None),
        and_(kind == "exact", ~same),
        and_(kind == "near", same),
    )
    query = select(photos.c.id, photos.c.filename, photos.c.repeat_of, func.coalesce(kind, "no").label("kind"))
    query = query.outerjoin(earlier, earlier.c.id == photos.c.repeat_of).where(wrong)
    for row in connection.execute(query.order_by(photos.c.id).limit(_MOST_LISTED + 1)):
        yield f"photo {row.id} ({row.filename}) is {row.kind} repeat of {row.repeat_of}, but their bytes say otherwise"


def _reused(connection: Connection) -> Iterator[str]:
    """Find copied answers that nobody gave; once photos were purged, their originals may rightly be gone."""
    copy, original, photo, other = predictions_history, predictions_history.alias(), photos, photos.alias()
    names = ("predicted_class", "confidence", "model_version", "contract_version")  # the order may decide otherwise
    given = exists().where(
        other.c.sha256 == photo.c.sha256,
        original.c.photo_id == other.c.id,
        original.c.reused.is_(False),
        *(original.c[name] == copy.c[name] for name in names),
    )
    query = (
        select(copy.c.id, photo.c.filename)
        .join(photo, photo.c.id == copy.c.photo_id)
        .where(copy.c.reused.is_(True), ~given, ~exists(select(purged_rows.c.run_id)))
    )
    for number, filename in connection.execute(query.order_by(copy.c.id).limit(_MOST_LISTED + 1)):
        yield f"prediction {number} ({filename}) is marked as reused, but no photo with these bytes was answered so"


def _queue(connection: Connection) -> Iterator[str]:
    """Compare the review queue with what it is drawn from."""
    for photo, waits in review_queue.find_forgotten(connection, _MOST_LISTED + 1):
        should = "waits, but not at its place" if waits else "does not wait, but should"
        yield f"photo {photo} {should}"
    for photo in review_queue.find_needless(connection, _MOST_LISTED + 1):
        yield f"photo {photo} waits, but should not"


def _contradicting_top3(connection: Connection) -> Iterator[str]:
    names = ("id", "predicted_class", "confidence", "top3")
    query = select(*(predictions_history.c[name] for name in names)).order_by(predictions_history.c.id)
    # Closed also when the list is long enough before the rows end.
    with connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)) as rows:
        for row in rows:
            if message := _contradiction(row.top3, row.predicted_class, row.confidence):
                yield f"prediction {row.id}: {message}"


def _contradiction(top3: str, predicted_class: str, confidence: float) -> str | None:
    try:
        first = json.loads(top3)[0]
        name, probability = first["class"], float(first["probability"])
    except (ValueError, TypeError, LookupError):
        return "top3 is no list of classes with probabilities"
    if name == predicted_class and math.isclose(probability, confidence, abs_tol=_SAME):
        return None
    return f"{predicted_class} {confidence:g}, but top3 begins with {name} {probability:g}"
