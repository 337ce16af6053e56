"""The contract: everything about a trained model that is not its weights."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "contract.json"


@dataclass(frozen=True)
class Contract:
    """The numbers that training decided and serving obeys.

    Attributes:
        model_version: version of the weights, as ``MAJOR.MINOR.PATCH``.
        contract_version: version of everything else in this file: training writes ``1`` beside each new model version;
            whoever changes a number by hand raises it, so that known photos are asked about again.
        classes: category names in the order of the class index.
        input_size: height and width of the network's input, pixels.
        mean: mean per channel, RGB, on pixels scaled to [0, 1].
        std: standard deviation per channel, likewise.
        temperature: divisor of the logits that makes the probabilities calibrated.
        accept_threshold: least calibrated probability at which a prediction is accepted unseen.
        unknown_threshold: outlier probability from which a photo is taken for none of the classes.
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
        for name in ("accept_threshold", "unknown_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"contract: {name!r} must lie in [0, 1], found {getattr(self, name)}")

    @property
    def outputs(self) -> int:
        """Logits per photo: one a class, then the outlier logit."""
        return len(self.classes) + 1


def check_version(model_version: str) -> None:
    """Refuse what is no version of a model.

    Raises:
        ValueError: it is not MAJOR.MINOR.PATCH.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", model_version):
        raise ValueError(f"model version must be MAJOR.MINOR.PATCH, three numbers, found {model_version!r}")


def from_dict(fields: dict[str, Any]) -> Contract:
    """Build a contract from parsed JSON; fields that belong to the model card only are ignored.

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
        )
    except KeyError as missing:
        raise ValueError(f"contract: field {missing} is missing") from None
    except TypeError as error:
        raise ValueError(f"contract: a field has the wrong type: {error}") from None


def load(folder: Path) -> Contract:
    """Read ``contract.json`` of a folder.

    Raises:
        FileNotFoundError: there is none; the message names the folder.
        ValueError: it is not a valid contract.
    """
    if not (folder / FILE_NAME).is_file():
        raise FileNotFoundError(f"{folder} holds no model: {FILE_NAME} is missing. Name the folder of a trained model.")
    return from_dict(json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))


def _three(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
