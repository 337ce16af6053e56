"""The optional manifest of a source: which return a photo belongs to, and what was ordered."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from batch_client.sources.manifest_file import COLUMNS, FILE_NAME, ManifestText, ManifestUnusable, read_text
from batch_client.sources.order_words import CategoryMap, OrderWords, folded
from batch_client.sources.product_names import ProductFile, ProductNames, contradictions
from batch_client.sources.source import Source, SourceFile, SourceLost
from results.orders import NO_ORDER, Order

_LONGEST_RETURN_ID = 200  # characters; an index of PostgreSQL takes some 2,700 bytes a row
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff\ufffd]")  # what PostgreSQL refuses, and bytes that could not be decoded
_LONGEST_PATH = 1_000  # characters of a product photo's path; PostgreSQL bounds its index, too
_NAMES_SHOWN = 5
SETTLE_SECONDS = 600.0
StoredNames = Callable[[Collection[str]], Collection[str]]


@dataclass(frozen=True)
class ManifestEntry:
    """What the manifest says of one photo.

    Attributes:
        return_id: of the return it belongs to; empty if none is given.
        order: what was ordered.
    """

    return_id: str = ""
    order: Order = NO_ORDER


@dataclass(frozen=True)
class Manifest:
    """What a manifest says of the photos of its source.

    Attributes:
        entries: by file name, as the file is called in the source.
        waiting: names of photos whose line could not be used. Without their return they would be other records, and
            doubled once the line is mended.
        unnamed_wait: the line of some photo cannot be read or has not come yet, and nobody knows whose: photos that
            no line names wait too.
        problems: a sentence for each line or kind of line that could not be used.
        without_photo: lines that name no photo of the source, nor one that an earlier run has stored.
        put_away: names of photos that an earlier run has stored, and that are gone from the source.
        unnamed: photos that no line names.
        product_photos: the shop's pictures of what was ordered, by their path in the source.
        not_photos: those of them that lie among the photos and are not classified.
        name: of the file.
    """

    entries: Mapping[str, ManifestEntry] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    unnamed_wait: bool = False
    problems: tuple[str, ...] = ()
    without_photo: int = 0
    put_away: tuple[str, ...] = ()
    unnamed: int = 0
    product_photos: Mapping[str, ProductFile] = field(default_factory=dict)
    not_photos: frozenset[str] = frozenset()
    name: str = FILE_NAME

    def entry(self, filename: str) -> ManifestEntry | None:
        """Return what is said of a photo; an empty entry if nothing is; None if the photo has to wait."""
        if filename in self.waiting:
            return None
        if filename in self.entries:
            return self.entries[filename]
        return None if self.unnamed_wait else ManifestEntry()


def read_manifest(
    source: Source,
    classes: Sequence[str],
    settle_seconds: float = SETTLE_SECONDS,
    stored_names: StoredNames | None = None,
    category_map: CategoryMap | None = None,
) -> Manifest:
    """Read a source's manifest; a bad cell costs only itself, a bad line only its own photo.

    If there is a manifest and nothing of it can be used, its photos must wait: without their return they would be
    other records, and doubled once the manifest is mended.

    Args:
        source: of the photos.
        classes: categories that may be expected.
        settle_seconds: a manifest that ends without a line break counts as half-written while it is younger.
        stored_names: returns those of some file names that an earlier run has stored; None if nobody knows.
        category_map: what the shop's own words mean.

    Raises:
        UsageError: the map names a category that the model does not have.
        SourceLost: the source can no longer be reached.
        ManifestUnusable: there is a manifest, and it cannot be read, is still being written, or has another header.
    """
    words = OrderWords(classes, category_map)
    try:
        text = read_text(source, settle_seconds)
    except SourceLost:
        raise
    except OSError as error:
        raise ManifestUnusable(f"the manifest cannot be read: {error.strerror or error}. Mend or remove it.") from error
    if text is None:
        return Manifest()
    lines = _Lines(text, words)
    return lines.matched(source.files(), stored_names)


class _Lines:
    """The lines of a manifest while they are read."""

    def __init__(self, text: ManifestText, words: OrderWords) -> None:
        self._text = text
        self._table = text.table
        self._words = words
        self._entries: dict[str, ManifestEntry] = {}
        self._numbers: dict[str, int] = {}  # of the line, by the name written in it; refused lines too
        self._products = ProductNames()
        self._unreadable = False  # a line of which not even the file name is known
        self.problems: list[str] = []
        self._check_columns()
        numbered = [
            (number, cells) for number, cells in text.table.lines if cells is None or any(map(str.strip, cells))
        ]
        for index, (number, cells) in enumerate(numbered):
            if text.ends_early and index == len(numbered) - 1:
                self._refuse(number, None, "it has no line break, and the file is new: it may be half a line")
            else:
                self._read(number, cells)
        self.problems += words.problems(text.name)

    def matched(self, files: Iterable[SourceFile], stored_names: StoredNames | None) -> Manifest:
        """Return the manifest of a source with these files."""
        exact, alike, unnamed = set[str](), dict[str, list[str]](), 0
        alike_names: dict[str, list[str]] = {}
        for name in self._numbers:
            alike_names.setdefault(folded(name), []).append(name)
        may_be_products: list[str] = []
        for filename, may_be_product in ((file.filename, self._products.see(file)) for file in files):
            if filename in self._numbers:
                exact.add(filename)
            elif (key := folded(filename)) in alike_names:
                alike.setdefault(key, []).append(filename)
            elif may_be_product:
                may_be_products.append(filename)
            else:
                unnamed += 1
        entries = dict(self._entries)
        waiting = {name for name in exact if name not in self._entries}
        found = set(exact)
        for key, names in alike.items():
            written = [name for name in alike_names[key] if name not in exact]
            if len(written) == 1 and len(names) == 1:
                if entry := self._entries.get(written[0]):
                    entries[names[0]] = entry
                else:
                    waiting.add(names[0])
            elif written:
                self.problems.append(
                    f"{self._text.name} line {self._numbers[written[0]]}: {written[0]!r} may mean any of "
                    f"{', '.join(map(repr, names[:_NAMES_SHOWN]))}: they differ in capitals or Unicode form only"
                )
                waiting.update(names)
            else:
                unnamed += len(names)
            found.update(written)
        missing = [name for name in self._numbers if name not in found]
        stored = set(stored_names(missing)) if missing and stored_names is not None else set()
        without_photo = self._tell_missing([name for name in missing if name not in stored])
        resolved = self._products.resolve(self._text.name, self.problems)
        products = dict(resolved.values())
        self.problems += contradictions(self._text.name, products, entries.keys() | waiting)
        not_photos = frozenset(products.keys() - entries.keys() - waiting)
        unnamed += sum(name not in not_photos for name in may_be_products)
        entries = {name: _with_product(entry, resolved) for name, entry in entries.items()}
        unnamed_wait = self._unreadable or self._text.ends_early
        if unnamed and unnamed_wait:
            self.problems.append(
                f"{unnamed} photos that no line of {self._text.name} names wait: a line above may be theirs"
            )
        return Manifest(
            entries,
            frozenset(waiting),
            unnamed_wait,
            tuple(self.problems),
            without_photo,
            tuple(sorted(stored & entries.keys())),
            unnamed,
            products,
            not_photos,
            self._text.name,
        )

    def _read(self, number: int, cells: list[str] | None) -> None:
        if cells is None:
            self._refuse(number, None, "it is no CSV: a quotation mark is not closed, or stands within a cell")
            return
        width = len(self._table.header)
        named = dict(zip(self._table.header, map(str.strip, cells), strict=False))
        filename = _path(named.get("filename", ""))
        return_id = named.get("return_id", "")
        if not filename:
            self._refuse(number, None, "the file name is empty")
        elif _NO_TEXT.search(filename):
            self._refuse(number, None, "it holds a zero or bytes that are no UTF-8. Save it as CSV UTF-8")
        elif any(cell.strip() for cell in cells[width:]):
            self._refuse(number, filename, f"{width} cells expected, {len(cells)} found")
        elif _NO_TEXT.search(return_id):
            self._refuse(
                number, filename, "its return_id holds a zero or bytes that are no UTF-8. Save it as CSV UTF-8"
            )
        elif len(return_id) > _LONGEST_RETURN_ID:
            limit = f"the limit is {_LONGEST_RETURN_ID}"
            self._refuse(number, filename, f"return_id has {len(return_id)} characters, {limit}")
        elif filename in self._numbers:
            self._tell_twice(number, filename, ManifestEntry(return_id, self._order(named)))
        else:
            self._numbers[filename] = number
            self._entries[filename] = ManifestEntry(return_id, self._order(named, number))

    def _refuse(self, number: int, filename: str | None, reason: str) -> None:
        self.problems.append(f"{self._text.name} line {number}: {reason}")
        if filename is None:
            self._unreadable = True
        elif filename not in self._numbers:
            self._numbers[filename] = number

    def _tell_twice(self, number: int, filename: str, entry: ManifestEntry) -> None:
        if self._entries.get(filename) == entry:
            return  # the same line again says nothing new
        self.problems.append(f"{self._text.name} line {number}: {filename!r} stands there twice")

    def _order(self, named: Mapping[str, str], first_at: int | None = None) -> Order:
        """Return what the cells of a line say was ordered.

        Args:
            named: the cells by column.
            first_at: number of the line whose problems are to be told; None tells none.
        """
        word = named.get("expected_category", "")
        shown = word.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
        product = _path(named.get("product_photo", ""))
        if product and (reason := _refusal(product)) is not None:
            if first_at is not None:
                self.problems.append(f"{self._text.name} line {first_at}: its product_photo {reason}")
            product = ""
        elif product and first_at is not None:
            self._products.add(product, first_at)
        return Order(self._words.read(word, count=first_at is not None), shown or None, product or None)

    def _tell_missing(self, news: list[str]) -> int:
        """Tell which lines name no photo of the source, nor one that an earlier run has put away."""
        if news:
            shown = ", ".join(f"{name!r} (line {self._numbers[name]})" for name in news[:_NAMES_SHOWN])
            more = f" and {len(news) - _NAMES_SHOWN} more" if len(news) > _NAMES_SHOWN else ""
            what = "line names" if len(news) == 1 else "lines name"
            self.problems.append(f"{self._text.name}: {len(news)} {what} no photo in the source: {shown}{more}")
        return len(news)

    def _check_columns(self) -> None:
        for name in self._table.unused:
            near = difflib.get_close_matches(name.casefold(), COLUMNS, n=1, cutoff=0.75)
            if near and near[0] not in self._table.header:
                self.problems.append(f"{self._text.name}: the column {name!r} is not used; is it {near[0]}?")


def _path(text: str) -> str:
    """Return a file name as the source writes it: ``/`` between folders, and relative."""
    path = re.sub(r"/+", "/", text.replace("\\", "/"))
    while path.startswith("./"):
        path = path[2:]
    return path.removeprefix("/")


def _refusal(product_photo: str) -> str | None:
    """Return why a path can be no product photo; None if it can."""
    if _NO_TEXT.search(product_photo):
        return "holds a zero or bytes that are no UTF-8. Save it as CSV UTF-8"
    if {".", ".."} & set(product_photo.split("/")):
        return "leads out of the source. Name a path in the source"
    if len(product_photo) > _LONGEST_PATH:
        return f"has {len(product_photo)} characters, the limit is {_LONGEST_PATH}"
    return None


def _with_product(entry: ManifestEntry, resolved: Mapping[str, tuple[str, ProductFile]]) -> ManifestEntry:
    """Spell an entry's product photo as the source does."""
    written = entry.order.product_photo
    if written is None or resolved[written][0] == written:
        return entry
    return replace(entry, order=replace(entry.order, product_photo=resolved[written][0]))
