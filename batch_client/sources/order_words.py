"""The words by which a shop calls what was ordered, and the categories of the model that they mean."""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batch_client.errors import UsageError
from batch_client.sources.csv_table import InvalidHeader, parse_table
from results.orders import SEPARATOR

COLUMNS = ("shop_category", "categories")
_LARGEST_BYTES = 16_000_000


@dataclass(frozen=True)
class _Line:
    """One line of a category map; the categories as they are written, by their folded names."""

    number: int
    word: str
    categories: Mapping[str, str]


class CategoryMap:
    """Which categories each word of the shop means.

    Args:
        name: of the file, for messages.
        lines: by word, without regard to capitals and outer spaces.
    """

    def __init__(self, name: str = "", lines: Mapping[str, _Line] | None = None) -> None:
        self.name = name
        self._lines = lines or {}

    @classmethod
    def read(cls, path: Path) -> "CategoryMap":
        """Read a map.

        Raises:
            UsageError: it cannot be read, or a line cannot be used; the message names line and remedy.
        """
        name = f"CATEGORY_MAP ({path})"
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                raise UsageError(f"{name} has more than {_LARGEST_BYTES} bytes; is it the right file?")
            table = parse_table(path.read_bytes(), COLUMNS, required=COLUMNS)
        except OSError as error:
            raise UsageError(f"{name} cannot be read: {error.strerror or error}. Correct or unset it.") from error
        except InvalidHeader as error:
            raise UsageError(
                f"{name} line {error.line}: the header must be {','.join(COLUMNS)}, each once, found {error.text!a}. "
                "Save the map as CSV UTF-8."
            ) from error
        lines: dict[str, _Line] = {}
        for number, cells in table.lines:
            if cells is None:
                raise UsageError(f"{name} line {number}: a quotation mark is not closed. Correct the line.")
            if any(map(str.strip, cells)):
                if any(cell.strip() for cell in cells[len(table.header) :]):
                    expected = f"{len(table.header)} cells expected, {len(cells)} found"
                    raise UsageError(f"{name} line {number}: {expected}. Separate several categories by {SEPARATOR}.")
                named = dict(zip(table.header, cells, strict=False))
                word, line = _read_line(name, number, named.get("shop_category", ""), named.get("categories", ""))
                earlier = lines.setdefault(word, line)
                if earlier.categories.keys() != line.categories.keys():
                    raise UsageError(
                        f"{name} lines {earlier.number} and {number}: {earlier.word!r} has two meanings. "
                        "Remove one of them."
                    )
        return cls(name, lines)

    def words(self) -> dict[str, str]:
        """Return the words as they are written, by their folded form."""
        return {key: line.word for key, line in self._lines.items()}

    def meanings(self, classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the categories of the model by word.

        Raises:
            UsageError: a line names a category that the model does not have; the message names line and remedy.
        """
        ours = {folded(name): name for name in classes}
        meanings: dict[str, tuple[str, ...]] = {}
        for word, line in self._lines.items():
            for category, written in line.categories.items():
                if category not in ours:
                    raise UsageError(
                        f"{self.name} line {line.number}: {written!r} is none of the model's categories"
                        f"{_nearest(category, ours)}. Correct the line, or remove it."
                    )
            meanings[word] = tuple(ours[category] for category in line.categories)
        return meanings


class OrderWords:
    """Reads what a manifest says was ordered, and counts the words that nobody knows.

    Args:
        classes: categories of the model.
        category_map: of the shop; our own names need no line in it.

    Raises:
        UsageError: the map names a category that the model does not have.
    """

    def __init__(self, classes: Sequence[str], category_map: CategoryMap | None = None) -> None:
        known = category_map or CategoryMap()
        self._places = {name: place for place, name in enumerate(classes)}
        self._meanings = {folded(name): (name,) for name in classes} | known.meanings(classes)
        self._shown = {folded(name): name for name in classes} | known.words()
        self._has_map = category_map is not None
        self._unknown: Counter[str] = Counter()  # by folded word
        self._spelling: dict[str, str] = {}  # of the unknown words, as they are written first

    def read(self, text: str, count: bool = True) -> str | None:
        """Return the categories that a cell means, in the order of the model and separated by ``|``.

        Args:
            text: one word, or several that are separated by ``|``.
            count: count the words that are not known.

        Returns:
            None for an empty cell and where a word is not known: an order of which only a part is known would make the
            other part a mismatch.
        """
        words = [text] if folded(text) in self._meanings else text.split(SEPARATOR)
        words = [word.strip() for word in words if word.strip()]
        meanings = [self._meanings.get(folded(word)) for word in words]
        if count:
            self._count({folded(word): word for word, meaning in zip(words, meanings, strict=True) if meaning is None})
        if not meanings or None in meanings:
            return None
        found = {category for meaning in meanings for category in meaning or ()}
        return SEPARATOR.join(sorted(found, key=self._places.__getitem__))

    def problems(self, manifest: str) -> list[str]:
        """Return a sentence for each unknown word, with the number of its lines and the nearest names."""
        none = "none of the categories" + (" and not in CATEGORY_MAP" if self._has_map else "")
        problems = []
        for word, lines in self._unknown.items():
            shown = self._spelling[word].encode("utf-8", "backslashreplace").decode()
            of_lines = f"{lines} line{'' if lines == 1 else 's'}"
            nearest = _nearest(word, self._shown)
            problems.append(f"{manifest}: expected_category {shown!r} is {none} ({of_lines}){nearest}")
        return problems

    def _count(self, unknown: Mapping[str, str]) -> None:
        self._unknown.update(unknown.keys())
        for key, word in unknown.items():
            self._spelling.setdefault(key, word)


def folded(word: str) -> str:
    """Return a word as it is compared: without regard to capitals and Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", word).casefold())


def _read_line(name: str, number: int, word: str, categories: str) -> tuple[str, _Line]:
    named = {folded(part.strip()): part.strip() for part in categories.split(SEPARATOR) if part.strip()}
    word = word.strip()
    if not word or not named:
        lacks = "categories" if word else "shop_category"
        raise UsageError(f"{name} line {number}: {lacks} is empty. Fill it in, or remove the line.")
    if any("\0" in text or "\ufffd" in text or _has_surrogates(text) for text in (word, categories)):
        raise UsageError(f"{name} line {number} holds bytes that are no UTF-8. Save the map as CSV UTF-8.")
    return folded(word), _Line(number, word, named)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _nearest(word: str, shown: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(folded(word), shown, n=3)
    return f"; the nearest are {', '.join(shown[name] for name in near)}" if near else ""
