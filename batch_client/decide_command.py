"""``batch-client decide``: the present rules and orders decide about known photos, without the service."""

import json
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from batch_client import logs
from batch_client.console import Json, fail, open_results, read_settings
from batch_client.errors import UsageError
from batch_client.exit_codes import ExitCode
from batch_client.reports.returns_webhook import deliver
from batch_client.reports.summary import escape
from batch_client.reports.tables import existing_run
from batch_client.returns_commands import webhook_of
from batch_client.settings import BatchSettings
from batch_client.sources.order_words import CategoryMap, OrderWords
from results.database import Database
from results.deciding import Applied, Present, apply_to_known, count_verdicts, verdict_of
from results.decision_rules import ThresholdRefused, model_rules, store_rule
from results.lock import run_lock
from results.redecide import Change, Versions

_EXAMPLES = 10


@dataclass
class _Report:
    """What all groups changed together."""

    dry_run: bool
    photos: int = 0
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    orders: int = 0
    returns: Counter[tuple[str, str]] = field(default_factory=Counter)
    photo_examples: list[Change] = field(default_factory=list)
    return_examples: list[dict[str, str]] = field(default_factory=list)

    def add(self, applied: Applied) -> None:
        self.photos += applied.photos
        self.verdicts += count_verdicts(applied.changes)
        self.orders += sum(change.expected_was != change.expected_category for change in applied.changes)
        self.returns += Counter((change.was, change.is_now) for change in applied.returns)
        self.photo_examples += applied.changes[: _EXAMPLES - len(self.photo_examples)]
        for change in applied.returns[: _EXAMPLES - len(self.return_examples)]:
            self.return_examples.append({"return_key": change.return_key, "from": change.was, "to": change.is_now})

    def as_json(self) -> dict[str, Any]:
        return {
            "dry_run": self.dry_run,
            "photos": self.photos,
            "changed": sum(self.verdicts.values()),
            "verdicts": _counts(self.verdicts),
            "orders_changed": self.orders,
            "returns_changed": sum(self.returns.values()),
            "returns": _counts(self.returns),
            "photo_examples": [_example(change) for change in self.photo_examples],
            "return_examples": self.return_examples,
        }


def decide(
    run: Annotated[
        int | None, typer.Argument(metavar="[RUN]", min=1, max=2**62, help="Only photos that this run classified.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All photos.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Decide again about known photos, by the stored orders, CATEGORY_MAP and the present thresholds."""
    if (run is None) != everything:
        fail(ExitCode.USAGE, "name either a run or --all")
    settings = read_settings()
    logs.set_up(settings.log_dir, settings.log_format, to_terminal=False)
    report = _Report(dry_run)
    interrupted = False
    with open_results(settings) as database:
        if run is not None:
            with database.reading() as connection:
                existing_run(connection, run)
        with nullcontext() if dry_run else run_lock(database) as lock:
            present = _present(database, settings, dry_run)
            check = lock.check if lock is not None else _no_check
            try:
                with _sigterm_interrupts():
                    for applied in apply_to_known(database, run, present, dry_run, check):
                        report.add(applied)
            except KeyboardInterrupt:
                interrupted = True
        if not dry_run and not interrupted and (webhook := webhook_of(settings)) is not None:
            deliver(database, webhook)
    if as_json:
        typer.echo(json.dumps({**report.as_json(), "interrupted": interrupted}))
    else:
        _print(Console(), report, interrupted)
    raise SystemExit(ExitCode.INTERRUPTED if interrupted else ExitCode.OK)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does: the group in work is rolled back, and those before stay."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _no_check() -> None:
    """A dry run needs no lock."""


def _present(database: Database, settings: BatchSettings, dry_run: bool) -> Present:
    """Return by what photos are decided now.

    Raises:
        UsageError: MATCH_THRESHOLD or CATEGORY_MAP cannot be used, or no run has stored a rule.
    """
    with database.reading() as connection:
        models = model_rules(connection)
    if not models:
        raise UsageError("no run has stored the thresholds of a model yet. Start a run once, then decide.")
    *_, in_use = models  # MATCH_THRESHOLD is meant for this model; others keep that of their contract
    rules = {versions: model.rule for versions, model in models.items()}
    try:
        rules[in_use] = models[in_use].with_match_threshold(settings.match_threshold)
    except ThresholdRefused as error:
        raise UsageError(str(error)) from error
    if not dry_run:
        with database.writing() as connection:
            rules = {
                versions: store_rule(connection, models[versions], rule, of_older_model=versions != in_use)
                for versions, rule in rules.items()
            }
    if settings.category_map is None:
        return Present(rules, audit_share=settings.audit_share)
    words = CategoryMap.read(settings.category_map)
    readers = {versions: OrderWords(rule.classes, words) for versions, rule in rules.items()}

    @cache
    def read_order(word: str, versions: Versions) -> str | None:
        return readers[versions].read(word, count=False)

    return Present(rules, read_order, settings.audit_share)


def _counts(counted: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    ordered = sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))
    return [{"from": was, "to": now, "count": number} for (was, now), number in ordered]


def _example(change: Change) -> dict[str, Any]:
    return {
        "filename": change.filename,
        "from": verdict_of(change.was),
        "to": verdict_of(change.is_now),
        "expected_category": change.expected_category,
        "expected_before": change.expected_was,
        "match_probability": change.is_now.match_probability,
    }


def _print(console: Console, report: _Report, interrupted: bool) -> None:
    would = "would change" if report.dry_run else "changed"
    changed = sum(report.verdicts.values())
    console.print(
        f"{report.photos} photos: {changed} decisions and {report.orders} orders {would}; "
        f"{sum(report.returns.values())} returns {would} their state"
    )
    if interrupted:
        console.print("Interrupted. What is stored stays; the same command does the rest.")
    for title, counted in (("photos", report.verdicts), ("returns", report.returns)):
        if counted:
            table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
            for name in (title, "from", "to"):
                table.add_column(name)
            for entry in _counts(counted):
                table.add_row(str(entry["count"]), entry["from"], entry["to"])
            console.print(table)
    for change in report.photo_examples:
        ordered = f" ({change.expected_category.replace('|', ' or ')})" if change.expected_category else ""
        line = f"{change.filename}{ordered}: {verdict_of(change.was)} -> {verdict_of(change.is_now)}"
        console.print(escape(line), soft_wrap=True)
    if changed > len(report.photo_examples):
        console.print(f"The first {len(report.photo_examples)} photos are shown.")
