"""A share of a source, for several clients that work on it at once."""

import zlib
from dataclasses import dataclass

from batch_client.errors import UsageError


@dataclass(frozen=True)
class Shard:
    """One of ``count`` shares.

    Attributes:
        index: from 0.
        count: of all shares.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``INDEX/COUNT``.

        Raises:
            UsageError: it is not two whole numbers with 0 <= INDEX < COUNT.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise UsageError(f"a shard is INDEX/COUNT with 0 <= INDEX < COUNT, found {text!r}")
        return cls(int(index), int(count))

    def holds(self, filename: str) -> bool:
        """Tell whether a file belongs to this share; the same for everybody, whatever else lies in the folder."""
        return zlib.crc32(filename.encode()) % self.count == self.index

    def __str__(self) -> str:
        """Return ``INDEX/COUNT``, empty for the whole."""
        return f"{self.index}/{self.count}" if self.count > 1 else ""
