"""Applying the present rules and orders to known photos, group by group."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from results import returns
from results.database import Database
from results.orders import Decision, Rule
from results.redecide import Change, ReadOrder, Versions, find_changes, photos_of, store_changes

_PAUSE_SECONDS = 0.1  # between two transactions, so that the desk gets its turn


@dataclass(frozen=True)
class Present:
    """By what known photos are decided now.

    Attributes:
        rules: by model and contract version; predictions of other versions keep their decision.
        read_order: what the shop's words mean; None keeps the stored categories.
        audit_share: share of the newly accepted photos that a person looks at.
    """

    rules: Mapping[Versions, Rule]
    read_order: ReadOrder | None = None
    audit_share: float = 0.0


@dataclass(frozen=True)
class ReturnChange:
    """A return whose final decision became another one."""

    return_key: str
    was: str
    is_now: str


@dataclass
class Applied:
    """What changed, or would change.

    Attributes:
        photos: that were looked at.
        changes: of orders and decisions.
        returns: whose final decision changed.
    """

    photos: int = 0
    changes: list[Change] = field(default_factory=list)
    returns: list[ReturnChange] = field(default_factory=list)


class _RolledBack(Exception):
    """A dry run is over; nothing of it stays."""


def apply_to_known(
    database: Database,
    run_id: int | None,
    present: Present,
    dry_run: bool,
    check_lock: Callable[[], None] = lambda: None,
) -> Iterator[Applied]:
    """Decide again about the photos of a run or about all, and yield what changed in each group.

    Each group is a transaction of its own that holds whole returns. So an interruption leaves no half-decided return,
    and the next call does the rest. A dry run does the same and rolls each transaction back.

    Args:
        database: the results.
        run_id: only photos that this run classified; None for all.
        present: by what they are decided.
        dry_run: change nothing.
        check_lock: called before each group; raises if somebody else has these results now.
    """
    with database.reading() as reading:
        for photo_ids in photos_of(reading, run_id):
            check_lock()
            applied = Applied()
            # Most groups have nothing to change, and looking needs no turn of the writer.
            has_changes = find_changes(reading, photo_ids, present.rules.get, present.read_order)
            reading.rollback()  # the next group reads what is stored by then
            if has_changes:
                applied = _apply(database, photo_ids, present, dry_run)
            applied.photos = len(photo_ids)
            yield applied


def verdict_of(decision: Decision) -> str:
    """Return in one word what a decision says: the verdict of the order check, ``accept``, or the reason to review."""
    return decision.match_verdict or decision.reason or decision.decision


def count_verdicts(changes: Sequence[Change]) -> Counter[tuple[str, str]]:
    """Count the decisions whose verdict changed, by the verdict before and now."""
    verdicts = Counter((verdict_of(change.was), verdict_of(change.is_now)) for change in changes)
    return Counter({(was, is_now): number for (was, is_now), number in verdicts.items() if was != is_now})


def _apply(database: Database, photo_ids: Sequence[int], present: Present, dry_run: bool) -> Applied:
    applied = Applied()

    def work(connection: Connection) -> None:
        applied.changes = find_changes(connection, photo_ids, present.rules.get, present.read_order)
        keys = returns.keys_of(connection, [change.photo_id for change in applied.changes])
        before = returns.final_decisions(connection, keys)
        reordered = [change for change in applied.changes if change.expected_was != change.expected_category]
        others = [change for change in applied.changes if change.expected_was == change.expected_category]
        if reordered:
            store_changes(connection, reordered, "manifest", present.audit_share)
        if others:
            store_changes(connection, others, "threshold", present.audit_share)
        after = returns.final_decisions(connection, keys)
        changed = ((key, before.get(key, "open"), after[key]) for key in keys)
        applied.returns = [ReturnChange(*change) for change in changed if change[1] != change[2]]
        if dry_run:
            raise _RolledBack

    try:
        database.transact(work)
    except _RolledBack:
        return applied
    time.sleep(_PAUSE_SECONDS)
    return applied
