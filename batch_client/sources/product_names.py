"""The product photos that a manifest names: which files of the source they are."""

from collections.abc import Collection
from dataclasses import dataclass

from batch_client.sources.order_words import folded
from batch_client.sources.source import SourceFile

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class ProductFile:
    """A product photo that a manifest names.

    Attributes:
        line: of the manifest, the first that names it.
        file: of the source; None if it was not listed.
    """

    line: int
    file: SourceFile | None


class ProductNames:
    """The product photos of a manifest while the files of the source are gone through.

    Names are compared as those of photos are: as they are written, then without regard to capitals and Unicode form.
    """

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}  # by the path as it is written
        self._files: dict[str, list[SourceFile]] = {}  # that may be meant, by the folded form of the path

    def add(self, path: str, line: int) -> None:
        """Take a path that a line of the manifest names."""
        if path not in self._lines:
            self._lines[path] = line
            self._files.setdefault(folded(path), [])

    def see(self, file: SourceFile) -> bool:
        """Take a file of the source; return whether it may be a product photo."""
        alike = self._files.get(folded(file.filename)) if self._files else None
        if alike is None:
            return False
        alike.append(file)
        return True

    def resolve(self, manifest: str, problems: list[str]) -> dict[str, tuple[str, ProductFile]]:
        """Return by written path how the source spells it, and the file.

        Args:
            manifest: its name, for messages.
            problems: gets a sentence for each path that may mean several files.
        """
        resolved: dict[str, tuple[str, ProductFile]] = {}
        for path, line in self._lines.items():
            alike = self._files[folded(path)]
            files = [file for file in alike if file.filename == path] or alike
            if len(files) > 1:
                shown = ", ".join(repr(file.filename) for file in files[:_NAMES_SHOWN])
                problems.append(f"{manifest} line {line}: the product photo {path!r} may mean any of {shown}")
            file = files[0] if len(files) == 1 else None
            resolved[path] = (file.filename if file is not None else path, ProductFile(line, file))
        return resolved


def contradictions(manifest: str, products: Collection[str], photos: Collection[str]) -> list[str]:
    """Return a sentence for each file that a manifest names as a photo and as a product photo; it stays a photo."""
    return [
        f"{manifest}: {path!r} stands there as a photo and as a product photo; it is classified as a photo"
        for path in sorted(set(products) & set(photos))
    ]
