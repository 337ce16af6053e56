"""Find the names of photos and returns in texts that name them: logs, reports, notes."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

_KEY = 8  # characters of a name by which it is looked up; a shorter name is looked up as a whole
# A name does not begin or end inside a longer one: a.jpg is not found in sub/a.jpg, but at the end of a sentence.
_STARTS = re.compile(r"(?<![\w./\\-])(?=[^\n])")
_GOES_ON = re.compile(r"[\w/\\-]|\.\w")


class NameSearch:
    """Find any of many names; the time for a text does not depend on their number.

    Args:
        names: to find; empty ones are left out.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name for name in names if name)
        lengths: dict[str, set[int]] = defaultdict(set)
        for name in self._names:
            lengths[name[:_KEY]].add(len(name))
        self._lengths = {key: sorted(found, reverse=True) for key, found in lengths.items()}
        self._key_lengths = sorted({len(key) for key in lengths}, reverse=True)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield start and end of each name in a text; the longest where several begin, and none inside another."""
        end = 0
        for start in (match.start() for match in _STARTS.finditer(text)):
            if start >= end and (length := self._length_at(text, start)):
                end = start + length
                yield start, end

    def finds(self, text: str) -> bool:
        """Return True if the text contains one of the names."""
        return next(self.spans(text), None) is not None

    def masked(self, text: str) -> str:
        """Return the text with an asterisk for each byte of a name, so that its length in UTF-8 stays the same."""
        parts, last = [], 0
        for start, end in self.spans(text):
            width = len(text[start:end].encode("utf-8", "surrogateescape"))
            parts += [text[last:start], "*" * width]
            last = end
        return "".join((*parts, text[last:]))

    def _length_at(self, text: str, start: int) -> int:
        """Return the length of the longest name that begins here; 0 if none does."""
        for key_length in self._key_lengths:
            for length in self._lengths.get(text[start : start + key_length], ()):
                end = start + length
                if text[start:end] in self._names and _GOES_ON.match(text, end) is None:
                    return length
        return 0
