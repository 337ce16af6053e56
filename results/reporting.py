"""What one run did, for reports and exports.

The view ``predictions`` shows each photo's answer of the model in use; these queries show the answer of the run that
is asked for, whatever later runs answered.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    literal_column,
    null,
    or_,
    select,
)

from results.orders import SEPARATOR
from results.schema import photos, predictions_history, run_failures
from results.views import FINAL_COLUMNS, PREDICTION_COLUMNS, outcomes

EXPORT_COLUMNS = (*PREDICTION_COLUMNS, "status", "error_code", "error_message", *FINAL_COLUMNS)

_answer = predictions_history.c
# As in the view: predictions from before the order check say whether they name another category than was ordered.
IS_MISMATCH = case(
    (photos.c.expected_category.is_(None), None),
    (_answer.match_verdict == "mismatch", 1),
    (_answer.match_verdict.is_not(None), 0),
    ((SEPARATOR + photos.c.expected_category + SEPARATOR).contains(SEPARATOR + _answer.predicted_class + SEPARATOR), 0),
    else_=1,
)
_of_photo = photos.c.id == _answer.photo_id
_FINAL = [outcomes.c[name] for name in FINAL_COLUMNS]


@dataclass(frozen=True)
class Listed:
    """The first entries of a list that may be long, and how many it has in all."""

    total: int
    rows: list[dict[str, Any]]

    @property
    def more(self) -> int:
        """How many are not shown."""
        return self.total - len(self.rows)


def answers_query(run: int) -> Select[Any]:
    """Select ``EXPORT_COLUMNS`` of what a run classified, in the order in which it was stored.

    The answer is that of the run. The outcome is the present one, because people decide after the run.
    """
    added = [literal_column("'classified'").label("status"), null().label("error_code"), null().label("error_message")]
    columns = [_column(name) for name in PREDICTION_COLUMNS]
    return (
        select(*columns, *added, *_FINAL)
        .select_from(predictions_history)
        .join(photos, _of_photo)
        .join(outcomes, outcomes.c.photo_id == photos.c.id)
        .where(_answer.run_id == run)
        .order_by(_answer.id)
    )


def failures_query(run: int) -> Select[Any]:
    """Select ``EXPORT_COLUMNS`` of what a run could not classify; ``known_failed`` is what it did not send again."""
    status = case((run_failures.c.is_new, literal_column("'failed'")), else_=literal_column("'known_failed'"))
    added = [
        status.label("status"),
        run_failures.c.code.label("error_code"),
        run_failures.c.message.label("error_message"),
    ]
    answered = {*_answer.keys(), "mismatch"} - {"photo_id", "run_id"}
    columns = [null().label(name) if name in answered else _column(name) for name in PREDICTION_COLUMNS]
    columns[PREDICTION_COLUMNS.index("run_id")] = run_failures.c.run_id.label("run_id")
    return (
        select(*columns, *added, *_FINAL)
        .select_from(run_failures)
        .join(photos, photos.c.id == run_failures.c.photo_id)
        .join(outcomes, outcomes.c.photo_id == photos.c.id)
        .where(run_failures.c.run_id == run)
        .order_by(run_failures.c.photo_id)
    )


@dataclass(frozen=True)
class ExportPage:
    """Rows of ``EXPORT_COLUMNS``, and the key behind which the next page begins; None if this is the last."""

    rows: list[list[Any]]
    next_key: tuple[bool, int] | None


def export_page(connection: Connection, run: int, size: int, after: tuple[bool, int] | None = None) -> ExportPage:
    """Return one page of what a run classified and, behind all of that, of what it could not.

    Unlike :func:`in_groups` it leaves nothing open between two pages, so that a slow reader holds no connection.

    Args:
        connection: for reading.
        run: its id.
        size: rows of a page.
        after: the ``next_key`` of the page before.
    """
    in_failures, last = after or (False, 0)
    query = failures_query(run) if in_failures else answers_query(run)
    key = run_failures.c.photo_id if in_failures else _answer.id
    rows = connection.execute(query.add_columns(key.label("key")).where(key > last).limit(size)).all()
    if len(rows) == size:
        following: tuple[bool, int] | None = (in_failures, rows[-1].key)
    else:
        following = None if in_failures else (True, 0)
    return ExportPage([list(row[:-1]) for row in rows], following)


def in_groups(connection: Connection, query: Select[Any], size: int) -> Iterator[Sequence[Row[Any]]]:
    """Run a query and yield its rows in groups, so that no more than one group is in memory.

    Source: SQLAlchemy, ``yield_per``: it also makes psycopg use a cursor of the server's, where it would otherwise
    fetch everything at once.
    """
    yield from connection.execute(query, execution_options={"yield_per": size}).partitions()


def to_review(connection: Connection, run: int, limit: int) -> Listed:
    """List what a person should look at: mismatches, the surest first, then the rest, the least sure first."""
    wanted = and_(_answer.run_id == run, or_(_answer.decision == "review", IS_MISMATCH == 1))
    # Below zero for mismatches: one order puts them first, and the two kinds the opposite way round.
    rank = case((IS_MISMATCH == 1, -_answer.confidence), else_=_answer.confidence)
    query = answers_query(run).where(wanted).order_by(None).order_by(rank, _answer.id)
    return Listed(_count_answers(connection, wanted), _rows(connection, query.limit(limit)))


def count_mismatches(connection: Connection, run: int) -> int:
    """Count the photos whose answer disagrees with the category that the manifest expects."""
    return _count_answers(connection, and_(_answer.run_id == run, IS_MISMATCH == 1))


def repeats(connection: Connection, run: int, limit: int) -> Listed:
    """List classified photos that came before, each with the columns ``earlier_...`` of that photo.

    ``earlier_run`` is the first run that answered it.
    """
    earlier = photos.alias("earlier")
    answered_in = select(func.min(_answer.run_id)).where(_answer.photo_id == earlier.c.id).scalar_subquery()
    failed_in = select(func.min(run_failures.c.run_id)).where(run_failures.c.photo_id == earlier.c.id).scalar_subquery()
    wanted = and_(_answer.run_id == run, photos.c.repeat_of.is_not(None))
    query = (
        answers_query(run)
        .join(earlier, earlier.c.id == photos.c.repeat_of)
        .add_columns(
            earlier.c.filename.label("earlier_filename"),
            earlier.c.source.label("earlier_source"),
            func.nullif(earlier.c.return_id, "").label("earlier_return_id"),
            func.coalesce(answered_in.correlate(earlier), failed_in.correlate(earlier)).label("earlier_run"),
        )
        .where(wanted)
    )
    return Listed(_count_answers(connection, wanted), _rows(connection, query.limit(limit)))


def count_repeats(connection: Connection, run: int) -> dict[str, int]:
    """Count the classified photos that came before: ``exact`` (the same bytes), ``near`` (the same picture)."""
    return {
        kind: _count_answers(connection, and_(_answer.run_id == run, photos.c.repeat_kind == kind))
        for kind in ("exact", "near")
    }


def failures(connection: Connection, run: int, limit: int) -> Listed:
    """List what a run could not classify, the new failures first."""
    total = select(func.count()).select_from(run_failures).where(run_failures.c.run_id == run)
    query = failures_query(run).order_by(None).order_by(run_failures.c.is_new.desc(), photos.c.filename, photos.c.id)
    return Listed(connection.execute(total).scalar_one(), _rows(connection, query.limit(limit)))


def failures_by_name(connection: Connection, run: int) -> list[dict[str, Any]]:
    """Return all failures of a run, ordered by file name: ``filename``, ``code``, ``message``, ``is_new``."""
    query = (
        select(photos.c.filename, run_failures.c.code, run_failures.c.message, run_failures.c.is_new)
        .join(photos, photos.c.id == run_failures.c.photo_id)
        .where(run_failures.c.run_id == run)
        .order_by(photos.c.filename)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def classes_of_run(connection: Connection, run: int) -> list[dict[str, Any]]:
    """Count the predictions of a run by category: ``predicted_class``, ``accept``, ``review``; most frequent first."""
    query = (
        select(_answer.predicted_class, _answer.decision, func.count().label("photos"))
        .where(_answer.run_id == run)
        .group_by(_answer.predicted_class, _answer.decision)
    )
    counted: dict[str, dict[str, Any]] = {}
    for name, decision, count in connection.execute(query):
        entry = counted.setdefault(name, {"predicted_class": name, "accept": 0, "review": 0})
        entry[decision] = count
    return sorted(counted.values(), key=lambda e: (-(e["accept"] + e["review"]), e["predicted_class"]))


def _column(name: str) -> ColumnElement[Any]:
    """Return what the view ``predictions`` calls by this name, for the answer of any run."""
    if name == "photo_id":
        return photos.c.id.label(name)
    if name == "mismatch":
        return IS_MISMATCH.label(name)
    if name == "reused":
        return case((_answer.reused, 1), else_=0).label(name)
    if name == "return_id":
        return func.nullif(photos.c.return_id, "").label(name)
    return _answer[name] if name in _answer else photos.c[name]


def _count_answers(connection: Connection, wanted: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(predictions_history).join(photos, _of_photo).where(wanted)
    return int(connection.execute(query).scalar_one())


def _rows(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]
