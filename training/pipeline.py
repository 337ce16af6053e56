"""The steps of a training, from labelled photos to a model folder.

Each function raises ImportError, OSError or ValueError with a message that says what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import typer

from handler import activation_ranges, checkpoint
from handler import contract as contracts
from handler.network import ResNet18
from training import calibration, config, measured_ranges
from training.config import RefitRecipe, StudentRecipe, TeacherRecipe, TrainingSettings
from training.data import csv_files, layouts
from training.data.categories import CLASSES, OUTPUTS, UNKNOWN
from training.data.dataset import Dataset, load, without_near_duplicates
from training.data.samples import Sample
from training.data.splits import PARTS, Part
from training.evaluate.outcomes import by_group, figures_of, outcomes_of
from training.fit import plots as training_plots
from training.fit import resume
from training.fit.loop import LoadedTeacher, Training, predict
from training.model_folder import read_figures, refuse_reused_version, write_model
from training.network import teacher as teachers
from training.network.batch_statistics import reestimate_statistics
from training.network.initial_weights import identity_of, start_from

# Training photos are decoded this much larger than the input, so that crops and rotations have pixels to use.
CROP_MARGIN = 9 / 7
# After training, every n-th training photo is used again.
_RANGE_SAMPLE = 20  # for the activation ranges
_STATISTICS_SAMPLE = 8  # for the statistics of batch normalisation


@dataclass(frozen=True)
class TrainingJob:
    """One training of the served network.

    Attributes:
        recipe: settings, start and teachers.
        data: folder of labelled photos.
        run: folder for progress and logs.
        out: folder of the model to write.
        model_version: of the model to write.
    """

    recipe: StudentRecipe | RefitRecipe
    data: Path
    run: Path
    out: Path
    model_version: str


def train_teacher(recipe: TeacherRecipe, data: Path, run: Path) -> Path:
    """Train a teacher; return its file.

    Args:
        recipe: settings and start.
        data: folder of labelled photos.
        run: folder for progress, logs and the teacher.
    """
    settings = recipe.settings()
    torch.manual_seed(settings.seed)
    name = teachers.network_named(recipe.start)
    if name is None:
        network, origin = teachers.load(Path(recipe.start), OUTPUTS)[0], resume.file_digest(Path(recipe.start))
    else:
        network, origin = teachers.Teacher(OUTPUTS, name), name
    found = read_samples(data, labels=recipe.labels)
    resume.claim(run, {"teacher": settings.model_dump(), "network": origin}, found)
    config.save(recipe, run / config.RESOLVED)
    kept = without_leaks(found, data)
    training = load(part_of(kept, "train"), round(settings.input_size * CROP_MARGIN))
    trained = Training(network, training, settings).run(load(part_of(kept, "tune"), settings.input_size), run)
    teachers.save(trained, run / teachers.FILE_NAME, settings.input_size)
    training_plots.write_curves(run / "epochs.csv", run / "curves.png")
    resume.finish(run, f"has written {run / teachers.FILE_NAME}")
    return run / teachers.FILE_NAME


def train_student(job: TrainingJob, recipe: StudentRecipe) -> dict[str, Any]:
    """Train, calibrate on the tuning rows, measure once on the test rows, and write the model.

    Returns:
        The figures by group.
    """
    refuse_reused_version(job.model_version, job.out)
    settings = recipe.settings()
    network, kept, tuning = _train(job, settings, recipe.start)
    test = load(part_of(kept, "test"), settings.input_size)
    decisions = calibration.calibrate(predict(network, tuning.photos), tuning)
    outcomes = outcomes_of(predict(network, test.photos), test, decisions)
    figures = {group: figures_of(members) for group, members in by_group(outcomes).items()}
    if recipe.labels:
        given = csv_files.read_labels(recipe.labels)
        pairs = zip(test.samples, outcomes, strict=True)
        finer = [replace(outcome, accepts=given[sample.key]) for sample, outcome in pairs if given.get(sample.key)]
        figures["by the label file"] = figures_of(finer)
    training_plots.write_confusion(outcomes, job.run / "confusion.png")
    _write(network, kept, job, settings, decisions, {"test": figures})
    return figures


def refit(job: TrainingJob, recipe: RefitRecipe) -> None:
    """Continue training a model on the rows that were held out to measure one; write the release model.

    The tuning rows and their twins stay held out, because they calibrate the model. Of our parquet files the odd half
    of ``val`` stays held out too, of other layouts the test part; but their twins train. So no figures are measured:
    the model keeps those of the measured model, under that model's version.
    """
    start = recipe.start or recipe.measured
    refuse_reused_version(job.model_version, job.out, recipe.measured, start)
    measured = contracts.load(recipe.measured)
    origin = read_figures(recipe.measured)
    settings = recipe.settings(input_size=measured.input_size)
    network, kept, tuning = _train(job, settings, str(start), hold_out=False)
    decisions = calibration.calibrate(predict(network, tuning.photos), tuning)
    itself = {"model_version": measured.model_version, "training": origin["training"]}
    figures = {"test": origin["test"], "test_of": origin.get("test_of", itself)}
    _write(network, kept, job, settings, decisions, figures)


def read_samples(data: Path, hold_out: bool = True, labels: Path | None = None) -> list[Sample]:
    """Read the samples of all parts, and print what was left out.

    Args:
        data: folder of labelled photos.
        hold_out: see :func:`training.data.samples.read`.
        labels: see :func:`training.data.layouts.to_train`.
    """
    found = layouts.to_train(data, hold_out, labels)
    for note in found.notes:
        typer.echo(f"note: {note}")
    return found.samples


def without_leaks(found: Sequence[Sample], data: Path, hold_out: bool = True) -> list[Sample]:
    """Drop training samples that would leak, and refuse data that cannot train a model.

    Args:
        found: samples of all parts.
        data: their folder, for messages.
        hold_out: drop the twins of test rows too, not only those of tuning rows.
    """
    judged_by: tuple[Part, ...] = ("tune", "test") if hold_out else ("tune",)
    kept = without_near_duplicates(found, judged_by)
    counts = ", ".join(f"{len(part_of(kept, part))} to {part}" for part in PARTS)
    if set(PARTS) - {sample.part for sample in kept}:
        raise ValueError(f"{data}: no rows to train on, or none to judge by: {counts}")
    if all(UNKNOWN in sample.accepts for sample in part_of(kept, "tune")):
        raise ValueError(f"{data}: no photo of the {len(CLASSES)} categories among those to tune by")
    if not any(UNKNOWN in sample.accepts for sample in part_of(kept, "train")):
        typer.echo(
            "note: no training photo shows an item outside the categories: the model cannot recognise such items"
        )
    typer.echo(f"rows: {counts}; {len(found) - len(kept)} left out, near-duplicates of test rows")
    return kept


def part_of(kept: Sequence[Sample], part: Part) -> list[Sample]:
    """Return the samples of one part."""
    return [sample for sample in kept if sample.part == part]


def statistics_sample(kept: Sequence[Sample]) -> list[Sample]:
    """Return the training samples that re-estimate the statistics of batch normalisation."""
    return part_of(kept, "train")[::_STATISTICS_SAMPLE]


def ranges_on(learned: Sequence[Sample], network: ResNet18, input_size: int) -> activation_ranges.Ranges:
    """Measure activation ranges on some of the training samples, decoded at the served size."""
    return measured_ranges.measure(network, load(learned[::_RANGE_SAMPLE], input_size).photos)


def _train(
    job: TrainingJob, settings: TrainingSettings, start: str, hold_out: bool = True
) -> tuple[ResNet18, list[Sample], Dataset]:
    """Train a network; return it with the samples of all parts and the decoded tuning rows.

    Its weights are those of the checkpoint, which is rounded to float16.
    """
    torch.manual_seed(settings.seed)
    network = ResNet18(OUTPUTS)
    typer.echo(start_from(network, start))
    loaded = [_loaded(path, path.stat().st_mtime_ns if path.exists() else 0) for path in job.recipe.teachers]
    for path, teacher in zip(job.recipe.teachers, loaded, strict=True):
        typer.echo(f"learning from {path} at {teacher.input_size} px")
    found = read_samples(job.data, hold_out, job.recipe.labels)
    resume.claim(job.run, _identity(job, settings, start), found)
    config.save(job.recipe, job.run / config.RESOLVED)
    kept = without_leaks(found, job.data, hold_out)
    largest = max([settings.input_size, *(teacher.input_size for teacher in loaded)])
    tuning = load(part_of(kept, "tune"), settings.input_size)
    training = load(part_of(kept, "train"), round(largest * CROP_MARGIN))
    trained = Training(network, training, settings, loaded, job.recipe.fuse).run(tuning, job.run)
    reestimate_statistics(trained, load(statistics_sample(kept), settings.input_size).photos)
    checkpoint.save(trained, job.run / checkpoint.FILE_NAME)
    checkpoint.load(network.cpu(), job.run / checkpoint.FILE_NAME)
    training_plots.write_curves(job.run / "epochs.csv", job.run / "curves.png")
    return network, kept, tuning


@cache
def _loaded(path: Path, _changed_ns: int) -> LoadedTeacher:
    return LoadedTeacher(*teachers.load(path, OUTPUTS))


def _identity(job: TrainingJob, settings: TrainingSettings, start: str) -> dict[str, Any]:
    digests = [resume.file_digest(path) for path in job.recipe.teachers]
    return {"settings": settings.model_dump(), "start": identity_of(start), "teachers": digests}


def _write(
    network: ResNet18,
    kept: Sequence[Sample],
    job: TrainingJob,
    settings: TrainingSettings,
    decisions: calibration.Decisions,
    figures: dict[str, Any],
) -> None:
    measured = ranges_on(part_of(kept, "train"), network, settings.input_size)
    saved = job.run / checkpoint.FILE_NAME
    write_model(job.out, saved, settings, decisions, measured, figures, job.model_version)
    resume.finish(job.run, f"has written model {job.model_version} into {job.out}")
