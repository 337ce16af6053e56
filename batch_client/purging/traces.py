"""Find and remove what reports, exports and logs say about photos."""

import csv
import html
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from batch_client.reports.tables import atomic_write
from batch_client.sources.names import UNSAFE, visible
from results.name_search import NameSearch
from results.retention import Doomed
from results.spreadsheet import BYTE_ORDER_MARK, escape_formula

_REPORT = re.compile(r"run-([0-9]+)\.(?:html|json)")
_PICTURE = re.compile(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]*")  # base64 names nobody and is most of a report
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".parquet")  # names in these cannot be seen


@dataclass
class Traces:
    """What names the photos.

    Attributes:
        reports: numbers of the runs whose report names one; it is written again without them.
        report_files: of these runs.
        tables: CSV files in ``REPORT_DIR`` with rows of them.
        logs: log files, and how many names each contains.
        unreached: files that name one, or may, and that are left as they are.
    """

    reports: set[int] = field(default_factory=set)
    report_files: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    logs: dict[Path, int] = field(default_factory=dict)
    unreached: list[Path] = field(default_factory=list)

    def add(self, more: "Traces") -> None:
        """Add what was found for further photos."""
        self.reports |= more.reports
        self.report_files += more.report_files
        self.tables += more.tables
        self.logs = {path: self.logs.get(path, 0) + more.logs.get(path, 0) for path in {**self.logs, **more.logs}}
        self.unreached = list(dict.fromkeys([*self.unreached, *more.unreached]))


def search_for(doomed: Iterable[Doomed]) -> NameSearch:
    """Return a search for all names of photos, as texts, HTML, JSON and logs write them."""
    return NameSearch(
        written
        for photo in doomed
        for name in {photo.filename, f"{photo.source.rstrip('/')}/{photo.filename}", photo.return_id, photo.sha256}
        for written in _spellings(name)
    )


def find_traces(names: NameSearch, report_dir: Path | None, log_dir: Path) -> Traces:
    """Look for names in the reports and logs.

    Raises:
        OSError: a file cannot be read.
    """
    traces = Traces()
    for path in _files(report_dir):
        report = _REPORT.fullmatch(path.name)
        if path.suffix in _COMPRESSED:
            traces.unreached.append(path)
        elif not names.finds(_PICTURE.sub("", path.read_text(encoding="utf-8", errors="surrogateescape"))):
            continue
        elif report is not None:
            traces.reports.add(int(report[1]))
            traces.report_files.append(path)
        elif path.suffix == ".csv":
            traces.tables.append(path)
        else:
            traces.unreached.append(path)
    for path in _files(log_dir):
        if path.suffix in _COMPRESSED:
            traces.unreached.append(path)
        elif count := sum(sum(1 for _ in names.spans(line)) for _, line in _lines(path)):
            traces.logs[path] = count
    return traces


def remove_traces(traces: Traces, names: NameSearch) -> None:
    """Mask names in logs, remove rows of tables, and delete reports, which somebody has to write again.

    Raises:
        OSError: the disk refuses.
    """
    for path in traces.logs:
        _mask(path, names)
    for path in traces.tables:
        _remove_rows(path, names)
    for path in traces.report_files:
        path.unlink(missing_ok=True)


def _mask(path: Path, names: NameSearch) -> None:
    """Overwrite names in a log with asterisks.

    The file keeps its length and its inode, so that a program that is just writing to it can go on.

    Raises:
        OSError: the disk refuses.
    """
    with path.open("r+b") as file:
        for position, line in _lines(path):
            masked = names.masked(line)
            if masked != line:
                os.pwrite(file.fileno(), masked.encode("utf-8", "surrogateescape"), position)
        os.fsync(file.fileno())


def _remove_rows(path: Path, names: NameSearch) -> None:
    """Write a CSV file again without the rows that name a photo.

    Raises:
        OSError: the disk refuses; the file is as it was.
    """
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file, atomic_write(path) as temporary:
        mark = file.read(1)
        if mark != BYTE_ORDER_MARK:
            file.seek(0)
        with temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as target:
            target.write(mark if mark == BYTE_ORDER_MARK else "")
            writer = csv.writer(target)
            writer.writerows(row for row in csv.reader(file) if not any(names.finds(cell) for cell in row))


def _spellings(name: str) -> Iterator[str]:
    """Yield a name as it is, and as our reports and logs escape it."""
    yield name
    yield visible(name)
    yield str(escape_formula(name))
    yield html.escape(name).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")  # as Jinja2 does
    yield json.dumps(name)[1:-1]
    yield UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(name, ensure_ascii=False)[1:-1])


def _files(folder: Path | None) -> list[Path]:
    """Return the regular files directly in a folder, sorted."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the position in bytes and the text of each line."""
    position = 0
    with path.open("rb") as file:
        for line in file:
            yield position, line.decode("utf-8", "surrogateescape")
            position += len(line)
