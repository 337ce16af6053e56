"""Find pictures and put away files that no photo record refers to: left by a purge that was interrupted, or older."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from sqlalchemy import select

from batch_client.purging.originals import note_of
from batch_client.settings import BatchSettings
from batch_client.sources.local import FoundFile
from batch_client.sources.source import sha256_of
from results.database import Database
from results.media_layout import FOLDERS, is_sha256
from results.purge import unreferenced
from results.schema import photos
from results.verify import Problem

_MOST_LISTED = 100
_AT_ONCE = 500
_YOUNG_SECONDS = 3600  # a run may be just writing such a temporary file
_BESIDE = re.compile(r"(.*)\.[0-9a-f]{12}(\.[^.]*)?", re.DOTALL)  # the name of a file beside another photo's


def find_strays(database: Database, settings: BatchSettings) -> list[Problem]:
    """Return the files that nothing refers to, at most a hundred of each folder.

    Raises:
        OSError: a folder cannot be read.
    """
    found: list[Problem] = []
    for variable, paths in (
        ("MEDIA_DIR", _pictures(database, settings.media_dir)),
        ("PROCESSED_DIR", _put_away(database, settings.processed_dir)),
        ("QUARANTINE_DIR", _put_away(database, settings.quarantine_dir)),
    ):
        listed = list(islice(paths, _MOST_LISTED + 1))
        found += [Problem("stray", f"{variable}: no photo refers to {path}") for path in listed[:_MOST_LISTED]]
        if len(listed) > _MOST_LISTED:
            found.append(Problem("stray", f"{variable}: more than {_MOST_LISTED} such files; the rest are not listed"))
    return found


def _pictures(database: Database, media: Path) -> Iterator[Path]:
    """Yield the files of ``MEDIA_DIR`` that belong to no photo."""
    for folder in (media / name for name in FOLDERS):
        if not folder.is_dir():
            continue
        by_sha256: dict[str, list[Path]] = {}
        for path in sorted(folder.iterdir()):
            by_sha256.setdefault(path.name.lstrip(".")[:64], []).append(path)
        with database.reading() as connection:
            nobodys = set(unreferenced(connection, [name for name in by_sha256 if is_sha256(name)]))
        for name, paths in by_sha256.items():
            if name in nobodys or not is_sha256(name):
                yield from paths


def _put_away(database: Database, folder: Path) -> Iterator[Path]:
    """Yield the files that runs put away and that belong to no photo; only those of an unknown name are read."""
    walk = iter(_walk(folder))
    while paths := list(islice(walk, _AT_ONCE)):
        files = [path for path in paths if not _belongs_to_another(path)]
        names = {path: _possible_names(path.relative_to(folder).as_posix()) for path in files}
        with database.reading() as connection:
            wanted = sorted({name for possible in names.values() for name in possible})
            known = set(connection.execute(select(photos.c.filename).where(photos.c.filename.in_(wanted))).scalars())
        unknown = {path: sha256_of(FoundFile(path, path.name))[0] for path in files if known.isdisjoint(names[path])}
        with database.reading() as connection:
            nobodys = set(unreferenced(connection, sorted(set(unknown.values()))))
        yield from (path for path, sha256 in unknown.items() if sha256 in nobodys)
        yield from (path for path in paths if path not in names and not _is_wanted_beside(path))


def _walk(folder: Path) -> Iterable[Path]:
    """Yield the regular files of a folder, depth first, without following links."""
    if not folder.is_dir():
        return
    stack = [folder]
    while stack:
        entries: Sequence[Path] = sorted(stack.pop().iterdir())
        stack += [entry for entry in reversed(entries) if entry.is_dir() and not entry.is_symlink()]
        yield from (entry for entry in entries if entry.is_file() and not entry.is_symlink())


def _belongs_to_another(path: Path) -> bool:
    """Return whether a file is the reason beside a photo, or a copy that was not finished."""
    return path.suffix == ".reason" or (path.name.startswith(".") and path.suffix == ".part")


def _is_wanted_beside(path: Path) -> bool:
    if path.suffix == ".reason":
        return path.with_suffix("").exists() and note_of(path.with_suffix("")) == path
    return time.time() - path.stat().st_mtime < _YOUNG_SECONDS


def _possible_names(place: str) -> set[str]:
    """Return the names in the source that a file at this place may have had."""
    *parents, name = place.split("/")
    beside = _BESIDE.fullmatch(name)
    names = {name} if beside is None else {name, f"{beside[1]}{beside[2] or ''}"}
    folders = {"/".join(parents), "/".join(part.removesuffix(".folder") for part in parents)}
    return {f"{folder}/{each}".lstrip("/") for folder in folders for each in names}
