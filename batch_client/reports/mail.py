"""The report of a run as a mail message."""

from email.message import EmailMessage
from email.utils import localtime, make_msgid
from typing import Any

from batch_client.reports.html import mail_body
from batch_client.sources.names import visible
from results.morning import MorningSummary

_FAILURES = 20


def report_mail(
    report: dict[str, Any], summary: MorningSummary, desk_url: str | None, sender: str, recipients: str
) -> EmailMessage:
    """Return a message with the report as plain text and as HTML.

    Source: RFC 5322; RFC 2046, 5.1.4: the last part of ``multipart/alternative`` is the preferred one.

    Args:
        report: of :func:`batch_client.reports.summary.report_of_run`.
        summary: of the same run.
        desk_url: address of the review desk.
        sender: for the field ``From``.
        recipients: for the field ``To``, separated by commas; empty leaves the field out, and the mail program is told.
    """
    message = EmailMessage()
    day = report["started_at"][:10]
    message["Subject"] = (
        f"Returns of {day}: {summary.cleared} cleared, {summary.hold} on hold, {summary.open} to decide"
    )
    message["From"] = sender
    if recipients:
        message["To"] = recipients
    message["Date"] = localtime()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("> "))
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: absence notices do not answer it
    message.set_content(report_text(report))
    message.add_alternative(mail_body(report, summary, desk_url), subtype="html")
    return message


def report_text(report: dict[str, Any]) -> str:
    """Return the report of a run as plain text."""
    counts = " + ".join(f"{name} {report[name]}" for name in ("classified", "known", "failed", "left"))
    lines = [
        f"Run {report['id']} of {report['started_at'][:16].replace('T', ' ')} UTC: {report['status']}",
        f"found {report['found']} = {counts}",
        "",
        *report["text"].splitlines(),
    ]
    if report["message"]:
        lines += ["", report["message"]]
    needs = [note["message"] for note in report["notes"] if note["kind"] in ("warning", "manifest")]
    if needs:
        lines += ["", "Needs a person:", *(f"- {message}" for message in needs)]
    failures = report["failures"]
    if failures:
        lines += ["", f"Failed: {len(failures)}"]
        lines += [f"- {failure['filename']}: {failure['message']}" for failure in failures[:_FAILURES]]
        if len(failures) > _FAILURES:
            lines.append(f"and {len(failures) - _FAILURES} more: batch-client show {report['id']}")
    return "\n".join(map(visible, lines)) + "\n"
