"""How far a run has come: a bar on a terminal, a line a minute elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from results.runs import Counts

_SECONDS_BETWEEN_LINES = 60


@contextmanager
def progress(console: Console, total: int) -> Iterator[Callable[[Counts], None]]:
    """Give a function that takes the counts so far, and show them.

    Args:
        console: where to.
        total: files in the source.
    """
    if not console.is_terminal:
        yield _lines(console, total)
        return
    started = time.monotonic()
    bar = Progress(
        TextColumn("classifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]} photos/s"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("photos", total=total, rate="-")

        def show(counts: Counts) -> None:
            rate = counts.found / max(time.monotonic() - started, 1e-3)
            bar.update(task, completed=counts.found, rate=f"{rate:.0f}")

        yield show


def _lines(console: Console, total: int) -> Callable[[Counts], None]:
    started = last = time.monotonic()

    def show(counts: Counts) -> None:
        nonlocal last
        if time.monotonic() - last < _SECONDS_BETWEEN_LINES:
            return
        last = time.monotonic()
        rate = counts.found / (last - started)
        left = (total - counts.found) / rate if rate else 0
        console.print(f"{counts.found} of {total} photos, {rate:.0f} a second, about {left / 60:.0f} min left")

    return show
