"""Remove what may no longer be kept: photo records with everything that hangs on them. Runs stay, as history."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    union,
    update,
)

from results import derived, return_events, returns
from results.fingerprints import remove_fingerprints
from results.lookalikes import find_earlier
from results.name_search import NameSearch
from results.product_photos import forget_unnamed
from results.retention import of_return, older_than
from results.schema import (
    decision_changes,
    outbox,
    photos,
    predictions_history,
    product_photos,
    purged_rows,
    repeat_verdicts,
    return_decisions,
    return_states,
    review_queue,
    reviews,
    run_failures,
    run_notes,
    runs,
)

_GROUP = 500  # photos a statement; every engine takes so many parameters


@dataclass(frozen=True)
class Purged:
    """What was removed.

    Attributes:
        photos: photo records.
        predictions: answers, older ones included.
        reviews: verdicts of people.
        sha256s: of photos that no record names any more; their copies and thumbnails must go, too.
    """

    photos: int = 0
    predictions: int = 0
    reviews: int = 0
    sha256s: tuple[str, ...] = ()

    def plus(self, other: "Purged") -> "Purged":
        """Return both together."""
        return Purged(
            self.photos + other.photos,
            self.predictions + other.predictions,
            self.reviews + other.reviews,
            self.sha256s + other.sha256s,
        )


def purge(connection: Connection, condition: ColumnElement[bool], most: int | None = None) -> Purged:
    """Remove the photos that a condition selects, group by group, so that no statement grows with their number.

    Args:
        connection: in a transaction; the caller holds the lock of the results.
        condition: of :mod:`results.retention`.
        most: photos to remove in this transaction, the earliest records first; None: all.
    """
    total, last = Purged(), 0
    while most is None or total.photos < most:
        size = _GROUP if most is None else min(_GROUP, most - total.photos)
        query: Select[tuple[int, str, str, str, str | None]] = select(
            photos.c.id, photos.c.sha256, photos.c.return_id, photos.c.source, photos.c.product_photo
        ).where(condition, photos.c.id > last)
        # PostgreSQL: a locked photo gets no new prediction or review from elsewhere while its old ones go.
        group = connection.execute(query.order_by(photos.c.id).limit(size).with_for_update(of=photos)).all()
        if not group:
            break
        ids = [row.id for row in group]
        keys = sorted({returns.return_key(row.return_id, row.id) for row in group})
        _tally(connection, ids)
        removed = _remove(connection, ids)
        _forget_returns(connection, keys)
        products = [(row.source, row.product_photo) for row in group if row.product_photo is not None]
        of_products = forget_unnamed(connection, products)
        gone = unreferenced(connection, sorted({row.sha256 for row in group if row.sha256}.union(of_products)))
        remove_fingerprints(connection, gone)
        total = total.plus(Purged(len(ids), *removed, tuple(gone)))
        last = ids[-1]
    return total


def purge_older_than(connection: Connection, moment_iso: str, most: int | None = None) -> Purged:
    """Remove the photos that :func:`results.retention.older_than` selects; see :func:`purge`."""
    return purge(connection, older_than(moment_iso), most)


def purge_return(connection: Connection, return_id: str, most: int | None = None) -> Purged:
    """Remove all photos of one return; see :func:`purge`."""
    return purge(connection, of_return(return_id), most)


def forget_names(connection: Connection, names: NameSearch) -> None:
    """Remove the notes of runs that name a photo or return, and mask such names in what is kept of runs."""
    for note in connection.execute(select(run_notes.c.run_id, run_notes.c.number, run_notes.c.message)).all():
        if names.finds(note.message):
            of_note = and_(run_notes.c.run_id == note.run_id, run_notes.c.number == note.number)
            connection.execute(delete(run_notes).where(of_note))
    for run in connection.execute(select(runs.c.id, runs.c.message).where(runs.c.message.is_not(None))).all():
        if names.finds(run.message):
            connection.execute(update(runs).where(runs.c.id == run.id).values(message=names.masked(run.message)))


def unreferenced(connection: Connection, sha256s: Sequence[str]) -> list[str]:
    """Return those that neither a photo record nor a product photo names, sorted."""
    named: set[str] = set()
    for start in range(0, len(sha256s), _GROUP):
        some = sha256s[start : start + _GROUP]
        for table in (photos, product_photos):
            named.update(connection.execute(select(table.c.sha256).where(table.c.sha256.in_(some))).scalars())
    return sorted(set(sha256s) - named)


def _remove(connection: Connection, ids: list[int]) -> tuple[int, int]:
    """Remove photos and what points to them, what points first; return how many predictions and reviews went."""
    predictions = select(predictions_history.c.id).where(predictions_history.c.photo_id.in_(ids))
    going = reviews.alias()
    undone = select(going.c.id).where(or_(going.c.photo_id.in_(ids), going.c.prediction_id.in_(predictions)))
    connection.execute(update(reviews).where(reviews.c.undoes.in_(undone)).values(undoes=None))
    of_photos = or_(reviews.c.photo_id.in_(ids), reviews.c.prediction_id.in_(predictions))
    reviews_removed = connection.execute(delete(reviews).where(of_photos)).rowcount
    connection.execute(delete(decision_changes).where(decision_changes.c.prediction_id.in_(predictions)))
    met = union(
        select(predictions_history.c.run_id).where(predictions_history.c.photo_id.in_(ids)),
        select(run_failures.c.run_id).where(run_failures.c.photo_id.in_(ids)),
    )
    # What was said of a manifest may name the photos and their returns.
    of_manifest = and_(run_notes.c.kind == "manifest", run_notes.c.run_id.in_(met))
    connection.execute(delete(run_notes).where(of_manifest))
    connection.execute(delete(run_failures).where(run_failures.c.photo_id.in_(ids)))
    connection.execute(delete(review_queue).where(review_queue.c.photo_id.in_(ids)))
    of_pair = or_(repeat_verdicts.c.photo_id.in_(ids), repeat_verdicts.c.earlier_id.in_(ids))
    connection.execute(update(repeat_verdicts).where(of_pair).values(undoes=None))
    connection.execute(delete(repeat_verdicts).where(of_pair))
    answers = connection.execute(delete(predictions_history).where(predictions_history.c.photo_id.in_(ids))).rowcount
    repeating = select(photos.c.id).where(photos.c.repeat_of.in_(ids), photos.c.id.not_in(ids)).order_by(photos.c.id)
    outliving = list(connection.execute(repeating).scalars())
    connection.execute(update(photos).where(photos.c.repeat_of.in_(ids)).values(repeat_of=None, repeat_kind=None))
    connection.execute(delete(photos).where(photos.c.id.in_(ids)))
    _compare_again(connection, outliving)
    return answers, reviews_removed


def _forget_returns(connection: Connection, keys: Sequence[str]) -> None:
    """Bring the returns of removed photos up to date; of a return without photos nothing stays."""
    returns.refresh_keys(connection, keys)
    left = select(return_states.c.return_key).where(return_states.c.return_key.in_(keys))
    gone = sorted(set(keys) - set(connection.execute(left).scalars()))
    of_gone = return_decisions.c.return_key.in_(gone)
    connection.execute(update(return_decisions).where(of_gone).values(undoes=None))
    connection.execute(delete(return_decisions).where(of_gone))
    return_events.forget(connection, gone)
    connection.execute(delete(outbox).where(outbox.c.return_key.in_(gone)))


def _compare_again(connection: Connection, numbers: list[int]) -> None:
    """Let photos whose earlier photo went repeat the next earliest: of three, two may still back two refunds."""
    for number in numbers:
        repeat = find_earlier(connection, number)
        if repeat is not None:
            values = {"repeat_of": repeat.photo_id, "repeat_kind": repeat.kind}
            connection.execute(update(photos).where(photos.c.id == number).values(**values))
    for start in range(0, len(numbers), _GROUP):
        derived.refresh(connection, numbers[start : start + _GROUP])


def _tally(connection: Connection, ids: list[int]) -> None:
    """Add to each run's tally what it is about to lose."""
    for name, rows, which in (
        ("predictions", predictions_history, predictions_history.c.photo_id.in_(ids)),
        ("failures", run_failures, run_failures.c.photo_id.in_(ids) & run_failures.c.is_new.is_(True)),
    ):
        count = select(rows.c.run_id, func.count()).where(which).group_by(rows.c.run_id)
        for run, number in connection.execute(count).all():
            tally = update(purged_rows).where(purged_rows.c.run_id == run)
            if not connection.execute(tally.values({name: purged_rows.c[name] + number})).rowcount:
                values = {"run_id": run, "predictions": 0, "failures": 0, name: number}
                connection.execute(insert(purged_rows).values(values))
