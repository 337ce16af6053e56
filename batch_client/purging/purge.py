"""Delete photos with everything that is kept of them, and say what cannot be reached."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import ColumnElement

from batch_client.pipeline.pictures import MediaStore
from batch_client.purging.originals import Originals
from batch_client.purging.traces import Traces, find_traces, remove_traces, search_for
from batch_client.reports.html import write_html
from batch_client.reports.summary import report_of_run
from batch_client.reports.tables import atomic_write
from batch_client.settings import BatchSettings
from results import purge, runs
from results.database import Database
from results.name_search import NameSearch
from results.retention import Doomed, count_selected, kept_names, list_selected
from results.schema import photos as photos_table
from results.write_ahead_log import empty_write_ahead_log

# So that the review desk never waits long for a purge: SQLite has one writer at a time, and the desk asks it for its
# turn every 100 ms at last (sqliteDefaultBusyCallback in its main.c); between transactions in a row it finds no gap.
_PHOTOS_A_TRANSACTION = 500
_PHOTOS_A_SLICE = 50_000  # whose names are searched for at once: some 50 MB
_PAUSE_SECONDS = 0.15
_NEVER_REACHED = (
    "lines of the manifests in the sources",
    "backups and snapshots, on whatever disk or service",
    "exports written with --output, and folders of `export-training`",
    "reports and decisions already sent to WEBHOOK_URL and RETURNS_WEBHOOK_URL",
)


@dataclass
class Outcome:
    """What a purge removed, or would remove.

    Attributes:
        removed: rows, by kind.
        pictures: files in ``MEDIA_DIR``.
        originals: files in ``PROCESSED_DIR`` and ``QUARANTINE_DIR``, and in a local source if that was asked for.
        traces: what named the photos.
        not_reached: sentences about what stays.
    """

    removed: purge.Purged = field(default_factory=purge.Purged)
    pictures: int = 0
    originals: list[Path] = field(default_factory=list)
    traces: Traces = field(default_factory=Traces)
    not_reached: list[str] = field(default_factory=list)


class Purge:
    """A purge of the photos that a condition selects.

    The order lets an interrupted purge be repeated: the rows, which alone say what is to go, go last. Reports are
    written again after that.

    Args:
        settings: of the program.
        database: the results; the caller holds their lock.
        condition: of :mod:`results.retention`.
        removes_from_source: remove the originals in a local source, too.
    """

    def __init__(
        self, settings: BatchSettings, database: Database, condition: ColumnElement[bool], removes_from_source: bool
    ) -> None:
        self._settings = settings
        self._database = database
        self._condition = condition
        self._media = MediaStore(settings.media_dir)
        self._originals = Originals((settings.processed_dir, settings.quarantine_dir), removes_from_source)

    def count(self) -> int:
        """Return how many photos are selected."""
        with self._database.reading() as connection:
            return count_selected(connection, self._condition)

    def preview(self) -> Outcome:
        """Find everything that :meth:`run` would remove, and change nothing.

        Raises:
            OSError: a file cannot be read.
        """
        outcome = Outcome()
        for photos, files in self._slices():
            outcome.originals += files
            outcome.removed = outcome.removed.plus(purge.Purged(photos=len(photos)))
            outcome.traces.add(self._find_traces(search_for(photos)))
        outcome.not_reached = self._not_reached(outcome, log_is_empty=True)
        return outcome

    def run(self) -> Outcome:
        """Remove the photos.

        Raises:
            OSError: a file cannot be read or removed. What is still recorded can be purged again.
            ResultsError: the results refuse. What is still recorded can be purged again.
        """
        outcome = Outcome()
        for photos, files in self._slices():
            for path in files:
                self._originals.remove(path)
            outcome.originals += files
            names = search_for(photos)
            found = self._find_traces(names)
            remove_traces(found, names)
            outcome.traces.add(found)
            self._remove_rows(outcome, self._condition & (photos_table.c.id <= photos[-1].id), names)
        for number in sorted(outcome.traces.reports):
            self._write_report(number)
        outcome.not_reached = self._not_reached(outcome, empty_write_ahead_log(self._database))
        return outcome

    def _slices(self) -> Iterator[tuple[list[Doomed], list[Path]]]:
        """Yield the selected photos with their original files, as many at once as memory is meant to hold."""
        last = 0
        while True:
            photos: list[Doomed] = []
            files: list[Path] = []
            while len(photos) < _PHOTOS_A_SLICE:
                with self._database.reading() as connection:
                    group = list_selected(connection, self._condition, last, _PHOTOS_A_TRANSACTION)
                    kept = kept_names(connection, self._condition, group)
                if not group:
                    break
                photos += group
                files += self._originals.find(group, kept)
                last = group[-1].id
            if not photos:
                return
            yield photos, files

    def _remove_rows(self, outcome: Outcome, condition: ColumnElement[bool], names: NameSearch) -> None:
        """Remove rows and pictures in transactions of bounded size."""
        while True:
            with self._database.writing() as connection:
                part = purge.purge(connection, condition, most=_PHOTOS_A_TRANSACTION)
                # Inside the transaction: if a file cannot be removed, the rows come back and can be purged again.
                outcome.pictures += self._media.remove(part.sha256s)
                if is_last := part.photos < _PHOTOS_A_TRANSACTION:
                    purge.forget_names(connection, names)
            outcome.removed = outcome.removed.plus(part)
            if is_last:
                return
            time.sleep(_PAUSE_SECONDS)

    def _find_traces(self, names: NameSearch) -> Traces:
        return find_traces(names, self._settings.report_dir, self._settings.log_dir)

    def _write_report(self, number: int) -> None:
        """Write the report of a run again, as far as the run is still recorded."""
        folder = self._settings.report_dir
        with self._database.reading() as connection:
            if folder is None or runs.find_run(connection, number) is None:
                return
            page = folder / f"run-{number}.html"
            write_html(connection, number, page, self._settings.media_dir, self._settings.desk_address)
        report = report_of_run(self._database, number, self._settings.desk_address)
        with atomic_write(folder / f"run-{number}.json") as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")

    def _not_reached(self, outcome: Outcome, log_is_empty: bool) -> list[str]:
        left = self._originals.left
        sentences = [
            f"{count} originals in {source}: the next run would classify them again. Delete them, or use --from-source"
            for source, count in left.local.items()
        ]
        sentences += [
            f"originals of {count} photos in {source}, with older versions that the store keeps"
            for source, count in left.remote.items()
        ]
        sentences += [f"{path}: it names a photo, or cannot be searched" for path in outcome.traces.unreached]
        if self._database.engine.dialect.name != "sqlite":
            sentences.append(
                "PostgreSQL's files until VACUUM and new rows overwrite them, its WAL archive and replicas"
            )
        elif not log_is_empty:
            sentences.append(f"{self._database.name}-wal: other programs use it; it is emptied when the last one ends")
        return [*sentences, *_NEVER_REACHED]
