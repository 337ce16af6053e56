"""The manifest as a file: which one it is, whether it is whole, and its cells."""

import time
from dataclasses import dataclass

from batch_client.sources.csv_table import InvalidHeader, Table, parse_table
from batch_client.sources.source import Source, SourceFile

FILE_NAME = "manifest.csv"
COLUMNS = ("filename", "return_id", "expected_category", "product_photo")
# What Windows and office programs make of the name. Such a file is meant as the manifest and cannot be read as one.
_NEAR_NAMES = ("manifest.csv.txt", "manifest.txt", "manifest.tsv", "manifest.xlsx", "manifest.xls", "manifest.ods")
STABLE_SECONDS = 5.0  # longer than a pause between two blocks that are copied
_LONGEST_WAIT_SECONDS = 60.0
_LARGEST_BYTES = 64_000_000


class ManifestUnusable(RuntimeError):
    """Nothing can be read from the manifest; the message says why and what to do."""


@dataclass(frozen=True)
class ManifestText:
    """The text of a manifest.

    Attributes:
        name: of the file.
        table: its cells.
        ends_early: the last line has no line break and the file is young: it may be half of one.
    """

    name: str
    table: Table
    ends_early: bool


def is_manifest_name(path: str) -> bool:
    """Return True if a file at this path, relative to the source, is the manifest or seems to be meant as it."""
    return path.lower() in (FILE_NAME, *_NEAR_NAMES)


def read_text(source: Source, settle_seconds: float) -> ManifestText | None:
    """Return the manifest's text once nobody is writing it; None if there is no manifest.

    Args:
        source: of the photos.
        settle_seconds: a file that ends without a line break counts as half-written while it is younger.

    Raises:
        SourceLost: the source can no longer be reached.
        ManifestUnusable: there is a manifest, and it cannot be read, is still being written, or has another header.
        OSError: it cannot be read.
    """
    file = _find(source)
    if file is None:
        return None
    data = _read_whole(file)
    age = file.age()
    ends_early = not data.endswith((b"\n", b"\r", b"\n\0", b"\r\0")) and age is not None and abs(age) < settle_seconds
    return _parse(file.filename, data, ends_early)


def _find(source: Source) -> SourceFile | None:
    files = source.manifests()
    named = [file for file in files if file.filename.lower() == FILE_NAME]
    if len(named) > 1:
        names = ", ".join(file.filename for file in named)
        raise ManifestUnusable(f"there are {len(named)} manifests: {names}. Keep one of them.")
    if files and not named:
        raise ManifestUnusable(
            f"{files[0].filename} is not read, and may be meant as the manifest. Save it as {FILE_NAME}, or remove it."
        )
    return named[0] if named else None


def _read_whole(file: SourceFile) -> bytes:
    """Read a file that has not changed for some seconds, and did not while it was read."""
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    before, seconds = file.watch(STABLE_SECONDS)
    while True:
        time.sleep(seconds)
        if file.state() == before:
            data = _read(file)
            if file.state() == before:
                return data
        if time.monotonic() > deadline:
            raise ManifestUnusable(f"{file.filename} is still being written; the next run reads it.")
        before, seconds = file.state(), STABLE_SECONDS


def _read(file: SourceFile) -> bytes:
    data = bytearray()
    for chunk in file.chunks():
        data += chunk
        if len(data) > _LARGEST_BYTES:
            raise ManifestUnusable(f"{file.filename} has more than {_LARGEST_BYTES} bytes. Split the folder.")
    return bytes(data)


def _parse(name: str, data: bytes, ends_early: bool) -> ManifestText:
    try:
        table = parse_table(data, COLUMNS, required=COLUMNS[:1])
    except InvalidHeader as error:
        header = f"{name} line {error.line}: the header must be {','.join(COLUMNS)}"
        if error.is_repeated:
            raise ManifestUnusable(f"{header}, each once, found {error.text!a}.") from error
        raise ManifestUnusable(f"{header}, found {error.text!a}. Save it as CSV UTF-8, or remove it.") from error
    return ManifestText(name, table, ends_early)
