"""Training settings, and recipes: one TOML file for each training."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Share = Annotated[float, Field(ge=0, le=1)]
RECIPES = Path(__file__).parent / "recipes"
RESOLVED = "recipe.toml"  # in a run folder: the recipe with all values
RUNS_PLACE = "{runs}"  # in a recipe's paths: the folder that holds the run folders
_SHOWN_ERRORS = 5


class TrainingSettings(BaseModel):
    """The settings of a training. Data, start and teachers are not among them.

    Attributes:
        epochs: number of passes over ``photos_per_epoch`` drawn photos.
        photos_per_epoch: photos drawn per epoch, with replacement.
        batch_size: photos per step.
        input_size: side of the network's input, pixels.
        learning_rate: highest rate of the one-cycle schedule.
        weight_decay: L2 penalty of SGD, decoupled decay of AdamW.
        ema_decay: share of the averaged weights that each step keeps.
        wild_weight: probability of drawing a phone photo, relative to a studio photo.
        seed: of all random numbers.
        optimizer: ``sgd`` for a network from random weights, ``adamw`` for fine-tuning.
        head_learning_rate_factor: learning rate of the last layer, relative to the other layers.
        distillation_weight: share of the teachers' predictions in the loss, if there are teachers.
        distillation_temperature: softens the teachers' predictions.
        label_smoothing: share of a label's loss that is spread over all classes.
        mixup: share of a batch that shows a blend of two photos.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(ge=1)
    photos_per_epoch: int = Field(ge=64)
    batch_size: int = Field(ge=2)
    input_size: int = Field(ge=32)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    ema_decay: Share
    wild_weight: float = Field(ge=0)
    seed: int
    optimizer: Literal["sgd", "adamw"] = "sgd"
    head_learning_rate_factor: float = Field(default=1.0, gt=0)
    distillation_weight: Share = 0.7
    distillation_temperature: float = Field(default=2.0, ge=0.1)
    label_smoothing: Share = 0.05
    mixup: Share = 0.0


class _Recipe(TrainingSettings):
    """The fields that every recipe has, in addition to the settings.

    Attributes:
        labels: CSV ``photo,accepts`` of labels that replace the data set's own.
        fuse: compile the network; it takes a minute and pays on a GPU.
    """

    labels: Path | None = None
    fuse: bool = False

    def settings(self, **changes: Any) -> TrainingSettings:
        """Return the settings alone, with changes."""
        fields = {name: getattr(self, name) for name in TrainingSettings.model_fields}
        return TrainingSettings(**{**fields, **changes})

    def placed(self, runs: Path) -> Self:
        """Return the recipe with the folder of runs in the place of ``{runs}``."""
        fields = {name: _placed(value, str(runs)) for name, value in self.model_dump(mode="json").items()}
        return type(self).model_validate(fields)


class TeacherRecipe(_Recipe):
    """Train a teacher.

    Attributes:
        start: name of an EfficientNet-Lite, from its ImageNet weights; or the ``teacher.pt`` of an earlier run.
    """

    step: Literal["teacher"]
    start: str = "lite0"
    optimizer: Literal["sgd", "adamw"] = "adamw"


class StudentRecipe(_Recipe):
    """Train the served network, calibrate it, and measure it on the test rows.

    Attributes:
        start: ``scratch``, ``imagenet``, or the folder of a model.
        teachers: ``teacher.pt`` files; their predictions are averaged.
    """

    step: Literal["student"]
    start: str = "scratch"
    teachers: tuple[Path, ...] = ()

    def model_folders(self) -> list[Path]:
        """Return the folders of the models that this training builds on."""
        return [Path(self.start)]


class RefitRecipe(_Recipe):
    """Continue training a measured model on the held-out rows as well; this is the release build.

    Attributes:
        measured: folder of the model whose figures the release keeps.
        start: folder of the model to continue from; default: the measured one.
        teachers: ``teacher.pt`` files; their predictions are averaged.
        input_size: of the measured model, always.
    """

    step: Literal["refit"]
    measured: Path
    start: Path | None = None
    teachers: tuple[Path, ...] = ()
    input_size: int = Field(default=128, ge=32)

    def model_folders(self) -> list[Path]:
        """Return the folders of the models that this training builds on."""
        return [self.measured, self.start or self.measured]


Recipe = TeacherRecipe | StudentRecipe | RefitRecipe
_ANY: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="step")])
_BY_STEP: dict[str, type[Recipe]] = {"teacher": TeacherRecipe, "student": StudentRecipe, "refit": RefitRecipe}


def find(name: str) -> Path:
    """Return the file of a recipe: a path, or the name of one in ``training/recipes``.

    Raises:
        FileNotFoundError: there is no such recipe; the message lists those that exist.
    """
    for path in (Path(name), RECIPES / f"{name}.toml"):
        if path.is_file():
            return path
    names = ", ".join(sorted(path.stem for path in RECIPES.glob("*.toml")))
    raise FileNotFoundError(f"there is no recipe {name}. Name a TOML file, or one of: {names}")


def read(path: Path, changes: Mapping[str, Any], lenient: bool = False) -> Recipe:
    """Read a recipe and apply changes.

    Args:
        path: the TOML file.
        changes: values that replace the file's, by field.
        lenient: ignore changes of fields that this kind of recipe does not have.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no TOML, or a value is missing, unknown or out of range; the message names it.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}") from error
    if lenient:
        known = fields_of(fields)
        changes = {name: value for name, value in changes.items() if name in known}
    try:
        return _ANY.validate_python({**fields, **changes})
    except ValidationError as error:
        raise ValueError(f"{path}: {_one_line(error)}") from error


def fields_of(fields: Mapping[str, Any]) -> set[str]:
    """Return the names of all fields that a recipe of this step may have; empty where the step is unknown."""
    kind = _BY_STEP.get(str(fields.get("step")))
    return set(kind.model_fields) if kind else set()


def parse_changes(settings: Sequence[str]) -> dict[str, Any]:
    """Parse ``key=value`` texts; a value is TOML (``3``, ``true``, ``["a.pt"]``), else a plain text.

    Raises:
        ValueError: a text has no ``=``.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise ValueError(f"--set {setting}: write --set KEY=VALUE, for example --set epochs=3")
        try:
            changes[name.strip().replace("-", "_")] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            changes[name.strip().replace("-", "_")] = value.strip()
    return changes


def save(recipe: Recipe, path: Path) -> None:
    """Write a resolved recipe, every field included, so that the same training can run again."""
    path.write_text(as_toml(recipe), encoding="utf-8")


def as_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML, every field included."""
    fields = recipe.model_dump(mode="json", exclude_none=True)
    # A JSON text, number, boolean or list of texts is also valid TOML. Source: toml.io/en/v1.0.0.
    lines = [f"{name} = {json.dumps(fields[name])}" for name in sorted(fields, key=lambda name: (name != "step", name))]
    return "\n".join(lines) + "\n"


def _placed(value: Any, runs: str) -> Any:
    if isinstance(value, list):
        return [_placed(each, runs) for each in value]
    return value.replace(RUNS_PLACE, runs) if isinstance(value, str) else value


def _one_line(error: ValidationError) -> str:
    """Return the first few faults, each with its field."""
    faults = []
    for fault in error.errors()[:_SHOWN_ERRORS]:
        place = ".".join(str(each) for each in fault["loc"] if each not in _BY_STEP) or "step"
        faults.append(f"{place}: {fault['msg']}")
    return "; ".join(faults)
