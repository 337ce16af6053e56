"""The page that the returns team opens in the morning: one file, readable anywhere, with nothing to load."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Connection

from batch_client.pipeline.pictures import MediaStore
from batch_client.reports.morning_text import oldest_of, waited
from batch_client.reports.tables import atomic_write, existing_run
from results import reporting, runs
from results.morning import MorningSummary, summarize

_PICTURES = 200  # a page of some megabytes; what is beyond is for the review desk, not for a page
_LINES = 500
_FAILURES_IN_MAIL = 20


def write_html(connection: Connection, run: int, path: Path, media: Path | None, desk_url: str | None = None) -> None:
    """Write the report of a run as one HTML file; whole or not at all.

    Args:
        connection: for reading.
        run: its number.
        path: of the file; replaced if it is there.
        media: folder of the pictures kept for review; None for a page without them.
        desk_url: address of the review desk; None for a page without links.

    Raises:
        UsageError: there is no such run.
        OSError: the disk refuses.
    """
    page = html_report(connection, run, media, desk_url)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def html_report(connection: Connection, run: int, media: Path | None, desk_url: str | None) -> str:
    """Return the page that :func:`write_html` writes.

    Raises:
        UsageError: there is no such run.
    """
    row = existing_run(connection, run)
    summary = summarize(connection, row)
    categories = reporting.classes_of_run(connection, run)
    to_review = reporting.to_review(connection, run, _PICTURES)
    cards = [_card(photo, media) for photo in to_review.rows]
    page: str = _template("report.html").render(
        run=row,
        summary=summary,
        oldest=oldest_of(summary),
        waited=waited(summary, datetime.now(UTC)),
        desk_url=desk_url,
        times=_times(row),
        categories=categories,
        largest=max((entry["accept"] + entry["review"] for entry in categories), default=0),
        mismatches=[card for card in cards if card["mismatch"]],
        unsure=[card for card in cards if not card["mismatch"]],
        mismatches_in_all=reporting.count_mismatches(connection, run),
        to_review=to_review,
        repeats=reporting.repeats(connection, run, _LINES),
        failures=reporting.failures(connection, run, _LINES),
        notes=runs.notes_of_run(connection, run),
    )
    return page


def mail_body(report: dict[str, Any], summary: MorningSummary, desk_url: str | None) -> str:
    """Return the HTML of the mail about a run: no pictures and no style sheet, which mail programs leave out.

    Args:
        report: the columns of the run and its ``failures``.
        summary: of the run.
        desk_url: address of the review desk.
    """
    page: str = _template("mail.html").render(
        run=report,
        summary=summary,
        oldest=oldest_of(summary),
        waited=waited(summary, datetime.now(UTC)),
        desk_url=desk_url,
        failures=report["failures"][:_FAILURES_IN_MAIL],
    )
    return page


def _template(name: str) -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,  # file names, manifests and messages come from outside
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "percent": _percent, "width": _width, "minute": _minute}
    return environment.get_template(name)


def _card(photo: dict[str, Any], media: Path | None) -> dict[str, Any]:
    return {**photo, "top3": json.loads(photo["top3"]), "picture": _picture(photo["sha256"], media)}


def _picture(sha256: str, media: Path | None) -> str | None:
    """Return a photo's thumbnail as a data URI; None where there is none."""
    if media is None:
        return None
    try:
        data = MediaStore(media).thumbnail_path(sha256).read_bytes()
    except OSError:
        return None  # purged, or never drawn; the page stays useful without it
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _times(run: dict[str, Any]) -> dict[str, str | None]:
    """Return a run's ``duration`` and photos per second (``rate``) as text; None where they are not known.

    A run that was killed is closed by the next one, whose time says nothing about its own.
    """
    if run["finished_at"] is None or run["status"] == "interrupted":
        return {"duration": None, "rate": None}
    elapsed = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])
    seconds = elapsed.total_seconds()
    sent = run["classified"] + run["failed"]
    rate = f"{sent / seconds:,.1f}" if sent and seconds > 0 else None
    return {"duration": _duration(seconds), "rate": rate}


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _count(number: int) -> str:
    return f"{number:,}"


def _percent(share: float) -> str:
    """Return a share of 1 as the desk writes it: never 100% for what is not all."""
    return f"{100 if share >= 1 else min(share * 100, 99.9):.1f}%"


def _width(share: float) -> str:
    return f"{share:.1%}"


def _minute(timestamp: str) -> str:
    return f"{timestamp[:10]} {timestamp[11:16]} UTC"
