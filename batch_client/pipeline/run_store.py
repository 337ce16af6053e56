"""What a run reads from the results and writes to them."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from batch_client.pipeline.photo import Photo
from results import decision_rules, known_photos, photos, product_photos, runs
from results.database import Database
from results.decision_rules import ModelRule
from results.known_photos import Known
from results.lookalikes import Repeat
from results.orders import Order, Rule
from results.photos import Classified, Failed, PhotoKey
from results.product_photos import ProductPhoto
from results.purge import unreferenced
from results.runs import Counts
from service_client.responses import ServedModel

_THRESHOLDS = ("accept", "unknown", "match", "mismatch")

log = logging.getLogger("batch_client")


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
        self._rule: Rule | None = None

    def set_model(self, model: ServedModel, match_threshold: float | None) -> Rule | None:
        """Record which model answers; return the rule by which its predictions are decided.

        Args:
            model: that answers.
            match_threshold: overrides that of the model; None keeps it.

        Returns:
            The stored rule; None if the model has no order check, and the service decides.

        Raises:
            ThresholdRefused: calibration did not measure this threshold.
        """
        described = model_rule_of(model)
        rule = described.with_match_threshold(match_threshold) if described is not None else None
        with self._database.writing() as connection:
            runs.set_versions(connection, self.run_id, model.model_version, model.contract_version)
            if described is not None and rule is not None:
                rule = decision_rules.store_rule(connection, described, rule)
        self._rule = rule
        versions = {"model_version": model.model_version, "contract_version": model.contract_version}
        fields = {"run": self.run_id, **versions}
        log.info("run %d: model %s, contract %s", self.run_id, *versions.values(), extra={"fields": fields})
        return rule

    def stored_names(self, source: str, filenames: Collection[str]) -> set[str]:
        """Return those of some file names under which photos of a source are stored."""
        with self._database.reading() as connection:
            return known_photos.find_stored_names(connection, source, filenames)

    def look_up(
        self, keys: Sequence[PhotoKey], model: ServedModel
    ) -> tuple[dict[PhotoKey, Known], dict[str, dict[str, Any]]]:
        """Return the photos that are known, and by sha256 the predictions for the bytes of others."""
        versions = (model.model_version, model.contract_version)
        with self._database.reading() as connection:
            known = known_photos.find_known(connection, keys, *versions)
            return known, known_photos.find_answers(connection, [key for key in keys if key not in known], *versions)

    def keys_of(self, photo_ids: Collection[int]) -> dict[int, PhotoKey]:
        """Return what identifies stored photos, by id."""
        if not photo_ids:
            return {}
        with self._database.reading() as connection:
            return photos.keys_of(connection, photo_ids)

    def stored_products(self, source: str, paths: Sequence[str]) -> dict[str, ProductPhoto]:
        """Return what is stored of product photos of a source, by path."""
        with self._database.reading() as connection:
            return product_photos.find(connection, source, paths)

    def store_products(self, source: str, found: Sequence[ProductPhoto], replaced: Sequence[str]) -> list[str]:
        """Store what this run found out about product photos of a source.

        Returns:
            Those of the replaced hashes that nothing names any more.

        Raises:
            ResultsError: nothing was stored, or this run no longer owns the results.
        """

        def work(connection: Connection) -> list[str]:
            product_photos.store(connection, source, found)
            return unreferenced(connection, replaced)

        if not found:
            return []
        self._check_lock()
        return self._database.transact(work)

    def store_put_away(self, source: str, lines: Mapping[str, tuple[str, Order]]) -> list[str]:
        """Apply what the manifest says now to photos whose files are put away; see :func:`known_photos.store_put_away`.

        Raises:
            ResultsError: nothing was stored, or this run no longer owns the results.
        """
        if not lines:
            return []
        self._check_lock()
        return self._database.transact(
            lambda connection: known_photos.store_put_away(connection, source, lines, self._rule)
        )

    def store(
        self, known: Sequence[tuple[Photo, Known]], outcomes: Sequence[Classified | Failed], counts: Counts
    ) -> tuple[list[bool], list[Repeat | None]]:
        """Store photos and counts in one transaction, so that they agree whatever happens next.

        Returns:
            For each known photo whether a person looks at it, and for each outcome the earlier photo that it repeats.

        Raises:
            ResultsError: nothing was stored, or this run no longer owns the results: touch no file.
        """

        def work(connection: Connection) -> tuple[list[bool], list[Repeat | None]]:
            for_a_person = [
                known_photos.store_known(connection, self.run_id, record, photo.order, photo.key.return_id, self._rule)
                for photo, record in known
            ]
            repeats = photos.store(connection, self.run_id, *outcomes)
            runs.set_counts(connection, self.run_id, counts)
            return for_a_person, repeats

        self._check_lock()
        stored = self._database.transact(work)
        self._check_lock()
        return stored


def model_rule_of(model: ServedModel) -> ModelRule | None:
    """Return what the contract of a model says about decisions; None if it has no order check."""
    if not model.checks_orders:
        return None
    accept, unknown, match, mismatch = (model.thresholds[f"{name}_threshold"] for name in _THRESHOLDS)
    rule = Rule(model.classes, accept, unknown, match, mismatch)
    return ModelRule(model.model_version, model.contract_version, rule, model.match_threshold_range)
