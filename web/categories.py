"""The categories that a person can choose from."""

import time

from results.database import Database
from results.review_queue import waiting_categories
from web.inference import Service

_KNOWN_SECONDS = 10.0


class Categories:
    """The model's categories in alphabetical order.

    Args:
        service: says them; what it said once counts while it is away.
        database: for the time before it ever answered: what waits has a category, too.
    """

    def __init__(self, service: Service, database: Database) -> None:
        self._service = service
        self._database = database
        self._waiting: tuple[float, list[str]] | None = None

    def names(self) -> list[str]:
        """Return the names."""
        described = self._service.last_described()
        if described is not None:
            return sorted(str(name) for name in described.classes)
        if self._waiting is None or time.monotonic() - self._waiting[0] > _KNOWN_SECONDS:
            with self._database.reading() as connection:
                names = sorted(name for name, _ in waiting_categories(connection, 1))
            self._waiting = (time.monotonic(), names)
        return self._waiting[1]

    def is_unknown(self, name: str) -> bool:
        """Tell whether this is no category; while the model never answered, nobody knows, and a guess of it may be."""
        described = self._service.last_described()
        return described is not None and name not in described.classes
