"""Read the contract: everything about a trained model except its weights."""

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE_NAME = "contract.json"


@dataclass(frozen=True)
class Contract:
    """The numbers that training chooses and serving uses.

    Attributes:
        model_version: version of the weights, as ``MAJOR.MINOR.PATCH``.
        contract_version: version of everything else in this file. Training writes ``1`` for each new model version.
            Raise it when you change a number by hand, so that known photos are classified again.
        classes: category names in the order of the class index.
        input_size: height and width of the network's input, pixels.
        mean: mean per channel, RGB, on pixels scaled to [0, 1].
        std: standard deviation per channel, RGB, on pixels scaled to [0, 1].
        temperature: divisor of the logits that makes the probabilities calibrated.
        accept_threshold: least calibrated probability at which a prediction is accepted without a person.
        unknown_threshold: outlier probability from which a photo shows none of the classes.
        match_threshold: least probability of the ordered categories at which a photo matches its order; None in models
            without an order check.
        mismatch_threshold: probability of the ordered categories below which a photo contradicts its order.
        match_threshold_range: lowest and highest match threshold at which calibration measured the order check; None
            in models without it. It decides nothing, so it makes no other contract.
    """

    model_version: str
    contract_version: str
    classes: tuple[str, ...]
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    temperature: float
    accept_threshold: float
    unknown_threshold: float
    match_threshold: float | None = None
    mismatch_threshold: float | None = None
    match_threshold_range: tuple[float, float] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_version(self.model_version)
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise ValueError("contract: 'classes' must be a non-empty list of different names")
        if self.input_size < 32:
            raise ValueError(f"contract: 'input_size' is {self.input_size}, the network needs at least 32")
        if min(self.std) <= 0:
            raise ValueError(f"contract: 'std' must be positive, found {self.std}")
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"contract: 'temperature' must be positive, found {self.temperature}")
        for name in ("accept_threshold", "unknown_threshold", "match_threshold", "mismatch_threshold"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"contract: {name!r} must lie in [0, 1], found {value}")
        match, mismatch = self.match_threshold, self.mismatch_threshold
        if (match is None) != (mismatch is None):
            raise ValueError("contract: 'match_threshold' and 'mismatch_threshold' must be given together")
        if match is not None and mismatch is not None and mismatch > match:
            raise ValueError(f"contract: 'mismatch_threshold' {mismatch} must not be above 'match_threshold' {match}")
        if self.match_threshold_range is not None:
            low, high = self.match_threshold_range
            if match is None or not 0 <= low <= match <= high <= 1:
                raise ValueError(
                    f"contract: 'match_threshold_range' [{low}, {high}] must hold 'match_threshold' {match}"
                )

    @property
    def outputs(self) -> int:
        """Logits per photo: one for each class, then the outlier logit."""
        return len(self.classes) + 1

    @property
    def thresholds(self) -> dict[str, float]:
        """The thresholds by name; those of the order check only if the model has one."""
        names = ("accept_threshold", "unknown_threshold", "match_threshold", "mismatch_threshold")
        values = {name: getattr(self, name) for name in names}
        return {name: float(value) for name, value in values.items() if value is not None}


def check_version(model_version: str) -> None:
    """Check a model version.

    Raises:
        ValueError: it is not of the form MAJOR.MINOR.PATCH.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", model_version):
        raise ValueError(f"model version must be MAJOR.MINOR.PATCH, three numbers, found {model_version!r}")


def from_dict(fields: dict[str, Any]) -> Contract:
    """Build a contract from parsed JSON; fields for the model card are ignored.

    Raises:
        ValueError: a field is missing or holds an impossible value; the message names it.
    """
    try:
        return Contract(
            model_version=str(fields["model_version"]),
            contract_version=str(fields["contract_version"]),
            classes=tuple(fields["classes"]),
            input_size=int(fields["input_size"]),
            mean=_three(fields["mean"]),
            std=_three(fields["std"]),
            temperature=float(fields["temperature"]),
            accept_threshold=float(fields["accept_threshold"]),
            unknown_threshold=float(fields["unknown_threshold"]),
            match_threshold=_optional(fields.get("match_threshold")),
            mismatch_threshold=_optional(fields.get("mismatch_threshold")),
            match_threshold_range=_range(fields.get("match_threshold_range")),
        )
    except KeyError as missing:
        raise ValueError(f"contract: field {missing} is missing") from None
    except TypeError as error:
        raise ValueError(f"contract: a field has the wrong type: {error}") from None


def load(folder: Path) -> Contract:
    """Read ``contract.json`` of a folder.

    Raises:
        FileNotFoundError: the file is missing; the message names the folder.
        ValueError: the file is not a valid contract.
    """
    if not (folder / FILE_NAME).is_file():
        raise FileNotFoundError(f"{folder} holds no model: {FILE_NAME} is missing. Name the folder of a trained model.")
    return from_dict(json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))


def _optional(value: float | None) -> float | None:
    return None if value is None else float(value)


def _range(values: list[float] | None) -> tuple[float, float] | None:
    if values is None:
        return None
    if len(values) != 2:
        raise ValueError(f"contract: 'match_threshold_range' needs two numbers, found {len(values)}")
    return float(values[0]), float(values[1])


def _three(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
