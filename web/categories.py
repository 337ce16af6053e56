"""The categories that a person can choose from."""

import time

from results.database import Database
from results.review_queue import waiting_categories
from web.inference import Service

_KNOWN_SECONDS = 10.0


class Categories:
    """The model's categories in alphabetical order.

    Args:
        service: knows the categories. While it is away, its last answer counts.
        database: has the categories of the photos that wait, for as long as the service never answered.
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
        """Return True if the model has no such category. Until the service answers once, every name may be one."""
        described = self._service.last_described()
        return described is not None and name not in described.classes
