"""What a run reads from the results and writes to them."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection

from batch_client.pipeline.photo import Photo
from results import photos, runs
from results.database import Database
from results.lookalikes import Repeat
from results.photos import Classified, Failed, Known, PhotoKey
from results.runs import Counts
from service_client.responses import ServedModel


class RunStore:
    """The results, as one run uses them.

    Args:
        database: the results.
        run_id: of the run.
        check_lock: raises ResultsError if this run no longer owns the results.

    Attributes:
        run_id: of the run.
    """

    def __init__(self, database: Database, run_id: int, check_lock: Callable[[], None]) -> None:
        self.run_id = run_id
        self._database = database
        self._check_lock = check_lock

    def set_model(self, model: ServedModel) -> None:
        """Record which model answers."""
        with self._database.writing() as connection:
            runs.set_versions(connection, self.run_id, model.model_version, model.contract_version)

    def stored_names(self, source: str, filenames: Collection[str]) -> set[str]:
        """Return those of some file names under which photos of a source are stored."""
        with self._database.reading() as connection:
            return photos.find_stored_names(connection, source, filenames)

    def look_up(
        self, keys: Sequence[PhotoKey], model: ServedModel
    ) -> tuple[dict[PhotoKey, Known], dict[str, dict[str, Any]]]:
        """Return the photos that are known, and by sha256 the predictions for the bytes of others."""
        versions = (model.model_version, model.contract_version)
        with self._database.reading() as connection:
            known = photos.find_known(connection, keys, *versions)
            return known, photos.find_answers(connection, [key for key in keys if key not in known], *versions)

    def store(
        self, known: Sequence[tuple[Photo, Known]], outcomes: Sequence[Classified | Failed], counts: Counts
    ) -> list[Repeat | None]:
        """Store photos and counts in one transaction, so that they agree whatever happens next.

        Returns:
            For each outcome, the earlier photo that it repeats.

        Raises:
            ResultsError: nothing was stored, or this run no longer owns the results: touch no file.
        """

        def work(connection: Connection) -> list[Repeat | None]:
            for photo, record in known:
                photos.store_known(connection, self.run_id, record, photo.expected_category)
            repeats = photos.store(connection, self.run_id, *outcomes)
            runs.set_counts(connection, self.run_id, counts)
            return repeats

        self._check_lock()
        repeats = self._database.transact(work)
        self._check_lock()
        return repeats
