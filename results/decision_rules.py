"""The rules by which predictions were decided, so that each decision can be traced to its thresholds."""

import json
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Row, select

from results.orders import Rule
from results.schema import decision_rules
from results.sql import insert_into, now

_THRESHOLDS = ("accept_threshold", "unknown_threshold", "match_threshold", "mismatch_threshold")
_rule = decision_rules.c


class ThresholdRefused(ValueError):
    """A match threshold was set that calibration did not measure; the message says what it measured."""


@dataclass(frozen=True)
class ModelRule:
    """What the contract of a model says about decisions.

    Attributes:
        model_version: of the model.
        contract_version: of its contract.
        rule: with the thresholds of the contract.
        match_threshold_range: lowest and highest match threshold that calibration measured; None in older contracts.
    """

    model_version: str
    contract_version: str
    rule: Rule
    match_threshold_range: tuple[float, float] | None

    def with_match_threshold(self, threshold: float | None) -> Rule:
        """Return the rule with another match threshold; None keeps that of the contract.

        Raises:
            ThresholdRefused: calibration did not measure this threshold.
        """
        if threshold is None:
            return self.rule
        model = f"model {self.model_version}, contract {self.contract_version}"
        if self.match_threshold_range is None:
            raise ThresholdRefused(
                f"MATCH_THRESHOLD is set, but the contract does not say which thresholds were measured ({model}). "
                "Build the archive again with a contract that has match_threshold_range, or unset MATCH_THRESHOLD."
            )
        low, high = self.match_threshold_range
        if not low <= threshold <= high:
            raise ThresholdRefused(
                f"MATCH_THRESHOLD {threshold:g} is outside {low:g} to {high:g}, which calibration measured ({model})"
            )
        return replace(self.rule, match_threshold=threshold)


def store_rule(connection: Connection, model: ModelRule, rule: Rule, of_older_model: bool = False) -> Rule:
    """Store a rule unless it is stored, and return it with its id.

    Args:
        connection: in a transaction.
        model: the contract that the rule comes from.
        rule: with the thresholds that decide.
        of_older_model: a newer model is in use, so this is not the rule that decides new photos.
    """
    low, high = model.match_threshold_range or (None, None)
    described = {
        "classes": json.dumps(rule.classes),
        "contract_match_threshold": model.rule.match_threshold,
        "lowest_match_threshold": low,
        "highest_match_threshold": high,
        "used_at": "" if of_older_model else now(),
    }
    identity = {
        "model_version": model.model_version,
        "contract_version": model.contract_version,
        **{name: getattr(rule, name) for name in _THRESHOLDS},
    }
    new = insert_into(connection.dialect.name, decision_rules)
    upsert = new.on_conflict_do_update(index_elements=list(identity), set_=described)
    connection.execute(new.on_conflict_do_nothing() if of_older_model else upsert, {**identity, **described})
    found = select(_rule.id).where(*(_rule[name] == value for name, value in identity.items()))
    return replace(rule, rule_id=int(connection.execute(found).scalar_one()))


def model_rules(connection: Connection) -> dict[tuple[str, str], ModelRule]:
    """Return for each model and contract version that a run has used what its contract says; that in use comes last."""
    found: dict[tuple[str, str], ModelRule] = {}
    for row in connection.execute(select(decision_rules).order_by(_rule.used_at, _rule.id)):
        versions = (row.model_version, row.contract_version)
        found.pop(versions, None)  # or the rule would keep the place of an older one
        found[versions] = _model_rule(row)
    return found


def newest_rule(connection: Connection) -> tuple[ModelRule, Rule] | None:
    """Return what the newest run decided by: what the contract says, and the rule; None if no run stored a rule."""
    row = connection.execute(select(decision_rules).order_by(_rule.used_at.desc(), _rule.id.desc()).limit(1)).first()
    if row is None:
        return None
    model = _model_rule(row)
    return model, replace(model.rule, match_threshold=row.match_threshold, rule_id=row.id)


def _model_rule(row: Row[tuple[object, ...]]) -> ModelRule:
    low, high = row.lowest_match_threshold, row.highest_match_threshold
    thresholds = {name: getattr(row, name) for name in _THRESHOLDS}
    rule = Rule(tuple(json.loads(row.classes)), **{**thresholds, "match_threshold": row.contract_match_threshold})
    measured = None if low is None or high is None else (low, high)
    return ModelRule(row.model_version, row.contract_version, rule, measured)
