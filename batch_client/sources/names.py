"""What a file's name says: how it is shown, and whether the file is left out."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from itertools import groupby
from typing import TypeVar

# Patterns of file and folder names, in any case. What is in such a folder is left out with it.
IGNORED = (
    # Hidden, temporary, still being uploaded (WinSCP, browsers, editors, office programs).
    *(".*", "*.tmp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.download", "*.opdownload"),
    *("*.!ut", "*.inprogress", "*.uploading", "*.swp", "*~", "~$*"),
    # Added by a NAS: Synology, QNAP, Linux.
    *("@eaDir", "SYNO*_THUMB_*", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "lost+found"),
    # Added by Windows and macOS.
    *("Thumbs.db", "ehthumbs.db", "desktop.ini", "Picasa.ini", "$RECYCLE.BIN", "RECYCLER"),
    *("System Volume Information", "*:Zone.Identifier", "__MACOSX"),
    # Added by a phone or a photo program beside the photo.
    *("*.aae", "*.xmp"),
)
LIVE_VIDEO = "*.mov of a Live Photo"
_PHOTO_SUFFIXES = ("heic", "heif", "jpg", "jpeg")

Item = TypeVar("Item")


class IgnoreRules:
    """The name patterns of files and folders that are no photos.

    Args:
        more: patterns besides the built-in ones, with ``*``, ``?`` and ``[...]`` as in a shell.
    """

    def __init__(self, *more: str) -> None:
        patterns = (*IGNORED, *more)
        self._patterns = [(pattern, re.compile(translate(pattern), re.IGNORECASE)) for pattern in patterns]
        self._any = re.compile("|".join(translate(pattern) for pattern in patterns), re.IGNORECASE)

    def match(self, name: str) -> str | None:
        """Return the pattern that a file or folder name matches; None if it is to be read."""
        if self._any.match(name) is None:
            return None
        return next(pattern for pattern, compiled in self._patterns if compiled.match(name))

    def match_path(self, path: str) -> str | None:
        """Return the pattern that a part of a path matches."""
        return next((pattern for part in path.split("/") if (pattern := self.match(part))), None)


def without_live_videos(items: Iterable[Item], name: Callable[[Item], str], ignored: "Counter[str]") -> Iterator[Item]:
    """Leave out the video of an iPhone's Live Photo, which has the name of the photo beside it.

    Args:
        items: sorted by name.
        name: returns an item's name or path.
        ignored: counts what is left out.
    """

    def stem(item: Item) -> str:
        before, _, suffix = name(item).rpartition(".")
        return before if suffix.lower() in ("mov", *_PHOTO_SUFFIXES) else name(item)

    for _, group in groupby(items, stem):
        beside = list(group)
        suffixes = [name(item).rpartition(".")[2].lower() for item in beside]
        has_photo = any(suffix in _PHOTO_SUFFIXES for suffix in suffixes)
        for item, suffix in zip(beside, suffixes, strict=True):
            if suffix == "mov" and has_photo:
                ignored[LIVE_VIDEO] += 1
            else:
                yield item


def printable(name: str) -> str:
    """Return a name with bytes that are not UTF-8 as ``\\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


# Control characters, line separators, and what reverses the direction of text: a name with them could write lines of
# its own into a log, or commands to a terminal. Source: OWASP ASVS 7.3.1.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Return a text for a log or a terminal on one line, with control characters as ``\\xNN`` or ``\\uNNNN``."""
    return UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
