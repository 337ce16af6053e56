"""A source behind a URL, as a test sees it."""

from collections.abc import Callable

IGNORED = (".hidden.jpg", ".git/e.jpg", "f.jpg.part", "sub/Thumbs.db", "half.tmp/g.jpg")  # no run takes these


class Place:
    """A source behind a URL, and the way to its files that is not ours."""

    def __init__(
        self,
        url: str,
        shown: str,
        write: Callable[[str, bytes], object],
        remove: Callable[[str], object],
        names: Callable[[], set[str]],
    ) -> None:
        self.url = url
        self.shown = shown
        self.write = write
        self.remove = remove
        self.names = names

    def add(self, *names: str) -> None:
        for name in names:
            self.write(name, f"photo {name}".encode())
