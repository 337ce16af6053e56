"""What a person reads after a run, and what a program reads."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape as without_markup
from rich.table import Table

from batch_client.pipeline.run import RunSummary
from batch_client.reports.morning_text import summary_lines
from batch_client.reports.tables import existing_run
from batch_client.sources.names import visible
from results import reporting, runs
from results.database import Database
from results.morning import summarize

_FAILURES_SHOWN = 20
_NOTES_SHOWN = 20


def report_of_run(database: Database, run: int, desk_url: str | None) -> dict[str, Any]:
    """Return what the JSON report and the webhook hold.

    Args:
        database: the results.
        run: number of the run.
        desk_url: address of the review desk.

    Returns:
        The columns of the run, its ``failures`` and ``notes``, the morning summary as ``summary`` and as ``text``, and
        of the summary once more ``repeats`` and ``manifest_problems``.

    Raises:
        UsageError: there is no such run.
    """
    with database.reading() as connection:
        columns = existing_run(connection, run)
        failures = reporting.failures_by_name(connection, run)
        notes = runs.notes_of_run(connection, run)
        summary = summarize(connection, columns)
    return {
        **columns,
        "failures": failures,
        "repeats": {"exact": summary.exact_repeats, "near": summary.near_repeats},
        "notes": notes,
        "manifest_problems": list(summary.manifest_problems),
        "summary": summary.as_dict(),
        "text": "\n".join(summary_lines(summary, desk_url)),
    }


def print_summary(console: Console, database: Database, summary: RunSummary, report: dict[str, Any]) -> None:
    """Print what the returns team wants to know at 8 AM."""
    with database.reading() as connection:
        by_class = reporting.classes_of_run(connection, summary.run_id)
    if by_class:
        console.print(_table_of_classes(by_class))
        console.print()
    print_failures(console, report["failures"])
    _print_notes(console, report["notes"])
    counts = summary.counts
    console.print(
        f"run {summary.run_id}: found {counts.found} = classified {counts.classified} + known {counts.known} "
        f"+ failed {counts.failed} + left {counts.left}"
    )
    rate = f", {summary.sent / summary.seconds:.0f} photos per second" if summary.sent else ", nothing to send"
    console.print(f"{summary.seconds:.1f} s{rate}; results in {escape(database.name)}")
    if summary.message:
        what = "stopped early" if report["status"] == "stopped" else "to be mended"
        console.print(f"[bold red]{what}:[/] {escape(summary.message)}")
    console.print(f"exit code {summary.exit_code:d} ({_MEANING[summary.exit_code]})")
    console.print()
    _print_morning_summary(console, report)


_MEANING = {
    0: "every photo is classified or known, or still being written",
    2: "source or manifest cannot be used; the photos left are taken up by the next run",
    3: "the service is away; the photos left are taken up by the next run",
    4: "finished, some photos newly failed",
    5: "finished, but files of stored photos could not be put away",
    6: "the time limit; the photos left are taken up by the next run",
    130: "interrupted; what was answered is stored, the rest is taken up by the next run",
}


def print_failures(console: Console, failures: list[dict[str, Any]]) -> None:
    """List failed photos with their reasons, not more than fit a screen."""
    if not failures:
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("failed photo", overflow="fold")
    table.add_column("code")
    table.add_column("reason")
    for failure in failures[:_FAILURES_SHOWN]:
        table.add_row(escape(failure["filename"]), failure["code"], escape(failure["message"]))
    console.print(table)
    if len(failures) > _FAILURES_SHOWN:
        console.print(f"and {len(failures) - _FAILURES_SHOWN} more: `batch-client show RUN --json`")
    console.print()


def print_runs(console: Console, rows: list[dict[str, Any]]) -> None:
    """List runs, newest first; narrow enough for a terminal of 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("run", justify="right")
    table.add_column("started (UTC)", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("exit", justify="right")
    table.add_column("found", justify="right")
    table.add_column("classified+known+failed+left", no_wrap=True)
    for row in rows:
        sums = " + ".join(str(row[name]) for name in ("classified", "known", "failed", "left"))
        code = "" if row["exit_code"] is None else str(row["exit_code"])
        started = row["started_at"][:16].replace("T", " ")
        table.add_row(str(row["id"]), started, row["status"], code, str(row["found"]), f"= {sums}")
    console.print(table)


def print_run(console: Console, report: dict[str, Any]) -> None:
    """Show one run with everything that is known of it."""
    print_runs(console, [report])
    model = f"model {report['model_version']}" if report["model_version"] else "no model answered"
    console.print(f"{escape(report['source'])}, {model}")
    if report["message"]:
        console.print(f"[bold red]stopped early:[/] {escape(report['message'])}")
    print_failures(console, report["failures"])
    _print_notes(console, report["notes"])
    _print_morning_summary(console, report)


def _print_notes(console: Console, notes: list[dict[str, str]]) -> None:
    """Print what there is to say besides the counts; what needs somebody stands out."""
    for note in notes[:_NOTES_SHOWN]:
        text = escape(note["message"])
        console.print(f"[bold red]{text}[/]" if note["kind"] in ("warning", "manifest") else text)
    if len(notes) > _NOTES_SHOWN:
        console.print(f"and {len(notes) - _NOTES_SHOWN} more notes: `batch-client show RUN --json`")


def _print_morning_summary(console: Console, report: dict[str, Any]) -> None:
    for line in report["text"].splitlines():
        console.print(escape(line))


def _table_of_classes(by_class: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_footer=True)
    total = {name: sum(entry[name] for entry in by_class) for name in ("accept", "review")}
    table.add_column("category", "all")
    for name in ("accept", "review"):
        table.add_column(name, str(total[name]), justify="right")
    table.add_column("photos", str(sum(total.values())), justify="right")
    for entry in by_class:
        photos_of_class = entry["accept"] + entry["review"]
        table.add_row(entry["predicted_class"], str(entry["accept"]), str(entry["review"]), str(photos_of_class))
    return table


def escape(text: str) -> str:
    """Return a text that comes from outside as it may be printed: no markup, no control characters."""
    return without_markup(visible(text))
