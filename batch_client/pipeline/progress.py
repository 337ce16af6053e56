"""How far a run has come, and how it ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from batch_client.exit_codes import ExitCode
from batch_client.stop import StopReason
from results.photos import Classified, Failed
from results.runs import Counts

_EXIT_CODES = {
    StopReason.AWAY: ExitCode.SERVICE_AWAY,
    StopReason.INTERRUPTED: ExitCode.INTERRUPTED,
    StopReason.TIME_LIMIT: ExitCode.TIME_LIMIT,
    StopReason.SOURCE_LOST: ExitCode.USAGE,
    StopReason.MANIFEST: ExitCode.USAGE,
    StopReason.SETTINGS: ExitCode.USAGE,
}


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        status: ``finished`` if every photo had its turn, else ``stopped``.
        exit_code: of the program.
        message: why it stopped early, or what a person has to repair; None if neither.
    """

    status: str
    exit_code: ExitCode
    message: str | None = None


@dataclass
class RunProgress:
    """What a run has done so far.

    Attributes:
        run_id: of the run.
        counts: where the photos went, as stored.
        deferred: photos that this run leaves to the next one and that ``counts`` does not hold yet.
        newly_failed: photos that failed in this run.
        sent: photos that came to an outcome in this run.
        waiting_for_line: photos left because their line of the manifest could not be used.
        unfinished: photos left because they end too early and may still be being uploaded.
        without_earlier_picture: names of earlier photos of repeats that the desk cannot show.
        gone: files that were removed or renamed after they were listed; not counted as found.
        is_cut_short: something was not done because the run is to end: a photo, or a picture of one.
        cause: why the run ends early, in more words than its reason.
        not_put_away: files that the disk refused to move, copy or delete.
        first_not_put_away: the first of them, with the reason.
    """

    run_id: int
    counts: Counts = field(default_factory=Counts)
    deferred: int = 0
    newly_failed: int = 0
    sent: int = 0
    waiting_for_line: int = 0
    unfinished: int = 0
    without_earlier_picture: list[str] = field(default_factory=list)
    gone: int = 0
    is_cut_short: bool = False
    cause: str = ""
    not_put_away: int = 0
    first_not_put_away: str | None = None

    def plus(self, known: int, outcomes: Sequence[Classified | Failed]) -> Counts:
        """Return the counts as they are once these photos and the deferred ones are stored."""
        failed = len([outcome for outcome in outcomes if isinstance(outcome, Failed)])
        return self.counts.plus(known=known, classified=len(outcomes) - failed, failed=failed, left=self.deferred)

    def stored(self, counts: Counts, outcomes: Sequence[Classified | Failed]) -> None:
        """Record that these photos are stored."""
        self.newly_failed += counts.failed - self.counts.failed
        reused = [outcome for outcome in outcomes if isinstance(outcome, Classified) and outcome.reused]
        self.sent += len(outcomes) - len(reused)
        self.counts = counts
        self.deferred = 0

    def cut_short(self, cause: str = "") -> None:
        """Record that something is left to the next run, and why if there is more to say than the reason to stop."""
        self.is_cut_short = True
        self.cause = self.cause or cause

    def failed_to_put_away(self, sentence: str) -> None:
        """Record a file that the disk refused to move, copy or delete."""
        self.not_put_away += 1
        self.first_not_put_away = self.first_not_put_away or sentence

    def finish(self, reason: StopReason | None, rest: int) -> RunEnd:
        """Return how the run ended.

        A reason to stop counts only if something was left because of it. One that came after the last photo changes
        nothing.

        Args:
            reason: of the stop signal.
            rest: files that the run did not look at.
        """
        self.counts = self.counts.plus(left=rest + self.deferred)
        self.deferred = 0
        if reason is not None and (rest or self.is_cut_short):
            return RunEnd("stopped", _EXIT_CODES[reason], self.cause or reason.value)
        if self.not_put_away:
            message = f"{self.not_put_away} not put away: {self.first_not_put_away}"
            return RunEnd("finished", ExitCode.RESULTS, message)
        if self.waiting_for_line:
            message = f"{self.waiting_for_line} photos wait until their lines of the manifest are mended"
            return RunEnd("finished", ExitCode.USAGE, message)
        return RunEnd("finished", ExitCode.PHOTOS_FAILED if self.newly_failed else ExitCode.OK)
