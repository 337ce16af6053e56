"""What other match thresholds would have cleared, and what people say of it. Nothing is changed."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from results.decision_rules import newest_rule
from results.intervals import Share, Stratum, share_of
from results.judged_returns import JudgedReturn, load_returns
from results.schema import runs

STEPS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
WIDEST_INTERVAL = 0.05  # a wider one does not say how many are wrong


@dataclass(frozen=True)
class Row:
    """What one match threshold would do.

    Attributes:
        threshold: probability from which a photo matches its order.
        note: ``now``, ``contract`` or empty.
        photos: that match their order, and neither failed nor repeat a photo of another return.
        returns: that the model would clear.
        checked: of these returns, those that people judged.
        wrong: of the judged returns, those with another item than ordered.
        share_wrong: with its 95% interval; None if there are too few checks to tell.
    """

    threshold: float
    note: str
    photos: int
    returns: int
    checked: int
    wrong: int
    share_wrong: Share | None


@dataclass(frozen=True)
class WhatIf:
    """What match thresholds would have done in the newest nights.

    Attributes:
        nights: that were looked at, days in UTC with a run that classified photos.
        since: the first of them.
        match_threshold: by which photos are decided now.
        photos: with an order.
        returns: with an order.
        rows: by rising threshold.
    """

    nights: int
    since: str | None
    match_threshold: float
    photos: int
    returns: int
    rows: list[Row]


def what_if(connection: Connection, nights: int, further: Sequence[float] = ()) -> WhatIf | None:
    """Say what other match thresholds would have cleared.

    Args:
        connection: for reading.
        nights: newest days with a run that classified photos.
        further: thresholds to tell too; those that calibration did not measure are left out.

    Returns:
        None if no run has stored the rule by which it decides.
    """
    newest = newest_rule(connection)
    if newest is None:
        return None
    model, rule = newest
    low, high = model.match_threshold_range or (rule.mismatch_threshold, 1.0)
    named = {model.rule.match_threshold: "contract"} | {rule.match_threshold: "now"}
    asked = {threshold for threshold in (*STEPS, *further, low, high, *named) if low <= threshold <= high}
    days, run_ids = _newest_nights(connection, nights)
    returns, limits = load_returns(connection, run_ids)
    rows = _rows(sorted(asked), named, returns, limits)
    return WhatIf(len(days), days[-1] if days else None, rule.match_threshold, len(limits), len(returns), rows)


class _Part:
    """Returns that people judged at one rate: their limits, sorted, so that counting above a threshold is fast."""

    def __init__(self, returns: Sequence[JudgedReturn], is_cleared: bool) -> None:
        part = [each for each in returns if each.is_cleared is is_cleared]
        # Of what the model clears, only spot checks were drawn at random. The rest goes to people anyway.
        judged = [each for each in part if each.is_wrong is not None and (each.is_drawn or not is_cleared)]
        self.limits = sorted(each.limit for each in part)
        self._judged = sorted(each.limit for each in judged)
        self._wrong = sorted(each.limit for each in judged if each.is_wrong)

    def above(self, threshold: float) -> Stratum:
        """Return the returns that a threshold clears."""
        return Stratum(*(_count_from(limits, threshold) for limits in (self.limits, self._wrong, self._judged)))


def _rows(
    thresholds: Sequence[float],
    named: Mapping[float, str],
    returns: Sequence[JudgedReturn],
    probabilities: Sequence[float],
) -> list[Row]:
    parts = [_Part(returns, is_cleared) for is_cleared in (True, False)]
    ordered = sorted(probabilities)
    rows = []
    for threshold in thresholds:
        strata = [part.above(threshold) for part in parts]
        share = share_of(strata)
        is_certain = share is not None and share.high - share.low <= WIDEST_INTERVAL
        rows.append(
            Row(
                threshold=threshold,
                note=named.get(threshold, ""),
                photos=_count_from(ordered, threshold),
                returns=sum(part.size for part in strata),
                checked=sum(part.trials for part in strata),
                wrong=sum(part.hits for part in strata),
                share_wrong=share if is_certain else None,
            )
        )
    return rows


def _count_from(limits: Sequence[float], threshold: float) -> int:
    return len(limits) - bisect_left(limits, threshold)


def _newest_nights(connection: Connection, nights: int) -> tuple[list[str], list[int]]:
    """Return the newest days with a run that classified photos, newest first, and the ids of their runs."""
    query = select(runs.c.id, runs.c.started_at).where(runs.c.classified > 0).order_by(runs.c.started_at.desc())
    days: list[str] = []
    run_ids: list[int] = []
    for run_id, started_at in connection.execute(query):
        day = started_at[:10]
        if day not in days:
            if len(days) == nights:
                break
            days.append(day)
        run_ids.append(run_id)
    return days, run_ids
