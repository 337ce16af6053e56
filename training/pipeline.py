"""From labelled photos to a model folder: the steps that the commands share.

Everything here raises ImportError, OSError or ValueError with a message that says what to do.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import typer

from handler import activation_ranges, checkpoint
from handler import contract as contracts
from handler.network import ResNet18
from training import activation_ranges as measured_ranges
from training import calibration
from training.data import label_file, layouts, samples
from training.data.dataset import Dataset, load, without_near_duplicates
from training.evaluate.outcomes import by_group, figures_of, outcomes_of
from training.fit import plots as training_plots
from training.fit import run_folder
from training.fit.loop import TeacherOf, Training, TrainingSettings, predict
from training.model_folder import read_figures, refuse_reused_version, write_model
from training.network import teacher as teachers
from training.network.batch_statistics import settle
from training.network.initial_weights import Init, identity_of, start_from

OUTPUTS = len(samples.CLASSES) + 1
# Training photos are decoded this much larger than the input, so that crops and rotations have pixels to use.
ROOM_TO_MOVE = 9 / 7
# Every so many training photos are looked at again when the network is trained.
_RANGE_SAMPLE = 20  # for the activation ranges
_STATISTICS_SAMPLE = 8  # for the statistics of batch normalisation


@dataclass(frozen=True)
class Order:
    """What a command asks for.

    Attributes:
        data: folder of labelled photos.
        run: folder for progress and logs.
        out: folder of the model to write.
        model_version: of the model to write.
        taught_by: files of teachers.
        settings: of the training.
        fuse: as :class:`training.fit.loop.Training`.
        labels: as :func:`training.data.layouts.to_train`.
    """

    data: Path
    run: Path
    out: Path
    model_version: str
    taught_by: Sequence[Path]
    settings: TrainingSettings
    fuse: bool = False
    labels: Path | None = None


def train_teacher(
    data: Path, run: Path, start: teachers.NetworkName | Path, settings: TrainingSettings, labels: Path | None = None
) -> Path:
    """Train a teacher; return the file that it was written to.

    Args:
        data: folder of labelled photos.
        run: folder for progress, logs and the teacher.
        start: which network, from its ImageNet weights; or the file of a teacher that goes on.
        settings: of the training.
        labels: as :func:`training.data.layouts.to_train`.
    """
    torch.manual_seed(settings.seed)
    if isinstance(start, Path):
        begun, origin = teachers.load(start, OUTPUTS)[0], run_folder.file_digest(start)
    else:
        begun, origin = teachers.Teacher(OUTPUTS, start), start
    kept = claimed_rows(data, run, {"teacher": asdict(settings), "network": origin}, labels=labels)
    training = load(part_of(kept, "train"), round(settings.input_size * ROOM_TO_MOVE))
    trained = Training(begun, training, settings).run(load(part_of(kept, "tune"), settings.input_size), run)
    teachers.save(trained, run / teachers.FILE_NAME, settings.input_size)
    training_plots.write_curves(run / "epochs.csv", run / "curves.png")
    return run / teachers.FILE_NAME


def train_model(order: Order, init: Init) -> dict[str, Any]:
    """Train, calibrate on the tuning rows, read the test rows once, write the model; return the figures by domain."""
    refuse_reused_version(order.model_version, order.out)
    torch.manual_seed(order.settings.seed)
    network = ResNet18(OUTPUTS)
    typer.echo(start_from(network, init, order.out))
    masters = _masters(order)
    kept = claimed_rows(order.data, order.run, _identity(order, identity_of(init, order.out)), labels=order.labels)
    tuning = _train(network, masters, kept, order)
    test = load(part_of(kept, "test"), order.settings.input_size)
    decisions = calibration.calibrate(predict(network, tuning.photos), tuning)
    outcomes = outcomes_of(predict(network, test.photos), test, decisions)
    figures = {domain: figures_of(members) for domain, members in by_group(outcomes).items()}
    if order.labels:
        given = label_file.read(order.labels)
        pairs = zip(test.rows, outcomes, strict=True)
        finer = [replace(outcome, accepts=given[row.key]) for row, outcome in pairs if given.get(row.key)]
        figures["by the label file"] = figures_of(finer)
    training_plots.write_confusion(outcomes, order.run / "confusion.png")
    _write(network, kept, order, decisions, {"test": figures})
    return figures


def refit_model(order: Order, measured: Path, start: Path) -> None:
    """Let a model go on with the rows that were held out to measure one; write the model to be shipped.

    Held out stay the tuning rows and their twins, which calibrate it, and of our parquet files the test half of
    ``val``, of other layouts the test part. The twins of these are learned from, so no figure is taken: those of the
    measured model are kept, under its own version.

    Args:
        order: what the command asks for.
        measured: folder of the model that was measured.
        start: folder of the model to go on from: the measured one, or one that came from it the same way.
    """
    refuse_reused_version(order.model_version, order.out, measured, start)
    torch.manual_seed(order.settings.seed)
    network = ResNet18(OUTPUTS)
    typer.echo(start_from(network, "checkpoint", start))
    masters = _masters(order)
    origin = read_figures(measured)
    identity = _identity(order, identity_of("checkpoint", start))
    kept = claimed_rows(order.data, order.run, identity, hold_out=False, labels=order.labels)
    tuning = _train(network, masters, kept, order)
    decisions = calibration.calibrate(predict(network, tuning.photos), tuning)
    itself = {"model_version": contracts.load(measured).model_version, "training": origin["training"]}
    figures = {"test": origin["test"], "test_of": origin.get("test_of", itself)}
    _write(network, kept, order, decisions, figures)


def claimed_rows(
    data: Path, run: Path, identity: dict[str, Any], hold_out: bool = True, labels: Path | None = None
) -> list[samples.Row]:
    """Read the rows, claim the run folder for this training, and leave out what would leak.

    Args:
        data: folder of labelled photos.
        run: folder to claim.
        identity: what the training is told by, besides its rows.
        hold_out: whether the twins of test rows, and what :func:`training.data.samples.read` says, are held out.
        labels: as :func:`training.data.layouts.to_train`.
    """
    found = read_rows(data, hold_out, labels)
    run_folder.claim(run, identity, found)
    return without_leaks(found, data, hold_out)


def read_rows(data: Path, hold_out: bool = True, labels: Path | None = None) -> list[samples.Row]:
    """Read the rows of all parts and say what was left out; the arguments are those of :func:`claimed_rows`."""
    found = layouts.to_train(data, hold_out, labels)
    for note in found.notes:
        typer.echo(f"note: {note}")
    return found.rows


def without_leaks(found: Sequence[samples.Row], data: Path, hold_out: bool = True) -> list[samples.Row]:
    """Leave out what would leak, and refuse what cannot be trained on; the arguments are as in :func:`claimed_rows`."""
    judged_by: tuple[samples.Part, ...] = ("tune", "test") if hold_out else ("tune",)
    kept = without_near_duplicates(found, judged_by)
    counts = ", ".join(f"{len(part_of(kept, part))} to {part}" for part in samples.PARTS)
    if set(samples.PARTS) - {row.part for row in kept}:
        raise ValueError(f"{data}: no rows to train on, or none to judge by: {counts}")
    if all(samples.UNKNOWN in row.accepts for row in part_of(kept, "tune")):
        raise ValueError(f"{data}: no photo of the {len(samples.CLASSES)} categories among those to tune by")
    if not any(samples.UNKNOWN in row.accepts for row in part_of(kept, "train")):
        typer.echo("note: no items outside the categories to train on: the model will not know them for such")
    typer.echo(f"rows: {counts}; {len(found) - len(kept)} left out, near-duplicates of test rows")
    return kept


def part_of(kept: Sequence[samples.Row], part: samples.Part) -> list[samples.Row]:
    """Return the rows of one part."""
    return [row for row in kept if row.part == part]


def statistics_sample(kept: Sequence[samples.Row]) -> list[samples.Row]:
    """Return the training rows by which the statistics of batch normalisation are settled."""
    return part_of(kept, "train")[::_STATISTICS_SAMPLE]


def ranges_on(learned: Sequence[samples.Row], network: ResNet18, input_size: int) -> activation_ranges.Ranges:
    """Measure activation ranges on a sample of the training rows, decoded at the size that is served."""
    return measured_ranges.measure(network, load(learned[::_RANGE_SAMPLE], input_size).photos)


def _identity(order: Order, start: str) -> dict[str, Any]:
    taught_by = [run_folder.file_digest(path) for path in order.taught_by]
    return {"settings": asdict(order.settings), "start": start, "teachers": taught_by}


def _masters(order: Order) -> list[TeacherOf]:
    masters = [TeacherOf(*teachers.load(path, OUTPUTS)) for path in order.taught_by]
    for path, master in zip(order.taught_by, masters, strict=True):
        typer.echo(f"learning from {path} at {master.input_size} px")
    return masters


def _train(network: ResNet18, masters: Sequence[TeacherOf], kept: Sequence[samples.Row], order: Order) -> Dataset:
    """Train a network in place; return the tuning rows. Its weights are those that are shipped, rounded to float16."""
    settings = order.settings
    largest = max(settings.input_size, *(master.input_size for master in masters), 0)
    tuning = load(part_of(kept, "tune"), settings.input_size)
    training = load(part_of(kept, "train"), round(largest * ROOM_TO_MOVE))
    trained = Training(network, training, settings, masters, order.fuse).run(tuning, order.run)
    settle(trained, load(statistics_sample(kept), settings.input_size).photos)
    checkpoint.save(trained, order.run / checkpoint.FILE_NAME)
    checkpoint.load(network.cpu(), order.run / checkpoint.FILE_NAME)
    training_plots.write_curves(order.run / "epochs.csv", order.run / "curves.png")
    return tuning


def _write(
    network: ResNet18,
    kept: Sequence[samples.Row],
    order: Order,
    decisions: calibration.Decisions,
    figures: dict[str, Any],
) -> None:
    measured = ranges_on(part_of(kept, "train"), network, order.settings.input_size)
    saved = order.run / checkpoint.FILE_NAME
    write_model(order.out, saved, order.settings, decisions, measured, figures, order.model_version)
    run_folder.finish(order.run, order.model_version, order.out)
