"""The morning summary as lines of plain text, for terminal, log, mail and chat."""

from datetime import UTC, datetime

from results.morning import MorningSummary


def summary_lines(summary: MorningSummary, desk_url: str | None, moment: datetime | None = None) -> list[str]:
    """Return what a lead wants to know, one fact a line; what is zero has no line, but returns always have one.

    Args:
        summary: of a run.
        desk_url: address of the review desk; None if nobody said it.
        moment: the present time, with its zone.
    """
    lines = [
        f"returns of this run: {summary.cleared} cleared, {summary.hold} on hold, "
        f"{summary.open} {_verb(summary.open, 'waits', 'wait')} for a person"
    ]
    if summary.oldest is not None:
        lines.append(
            f"waiting in all: {_count(summary.waiting, 'return')}; the oldest is {oldest_of(summary)}, "
            f"{waited(summary, moment or datetime.now(UTC))}"
        )
    if summary.mismatches:
        lines.append(f"not what was ordered: {_count(summary.mismatches, 'photo')}: {_pairs(summary)}")
    if summary.exact_repeats or summary.near_repeats:
        lines.append(
            f"repeats of earlier photos: {summary.exact_repeats} with the same bytes, "
            f"{summary.near_repeats} of the same picture"
        )
    if summary.failed:
        lines.append(f"newly failed: {_count(summary.failed, 'photo')}")
    if summary.left:
        lines.append(f"left to the next run: {_count(summary.left, 'photo')}")
    if summary.manifest_problems:
        lines.append(f"problems of the manifest: {len(summary.manifest_problems)}")
    lines.append(f"go on in the review desk: {desk_url or 'make web starts it; DESK_URL puts its address here'}")
    return lines


def oldest_of(summary: MorningSummary) -> str:
    """Return the name of the return that waits longest; empty if none waits."""
    oldest = summary.oldest
    return "" if oldest is None else oldest.return_id or f"photo {oldest.return_key[2:]}"


def waited(summary: MorningSummary, moment: datetime) -> str:
    """Return since when the oldest return waits, such as ``since 2026-11-20 02:03 UTC (8 days)``."""
    if summary.oldest is None:
        return ""
    since = f"since {summary.oldest.since[:10]} {summary.oldest.since[11:16]} UTC"
    days = summary.oldest.days(moment)
    return f"{since} ({_count(days, 'day')})" if days else since


def _pairs(summary: MorningSummary) -> str:
    named = [f"{pair.photos} {pair.ordered} ordered, looks like {pair.looks_like}" for pair in summary.pairs]
    rest = summary.mismatches - sum(pair.photos for pair in summary.pairs)
    return "; ".join([*named, f"{rest} others"] if rest else named)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many
