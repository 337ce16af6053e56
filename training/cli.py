"""``python -m training``: train a teacher, train the served network, calibrate, measure, write the model folder."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer

from handler import activation_ranges, checkpoint
from handler import contract as contracts
from handler.network import ResNet18
from training import calibration, dataset, layouts, measured_ranges, rows, training_plots
from training import teacher as teachers
from training.console import spoken_errors
from training.evaluate import by_group, figures_of, outcomes_of
from training.evaluation import evaluate
from training.initial_weights import start_from
from training.loop import TeacherOf, Training, TrainingSettings, predict
from training.model_folder import next_version, refuse_reused_version, write_model

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Train the classifier and measure it.")

# Training photos are decoded this much larger than the input, so that crops and rotations have pixels to use.
_ROOM_TO_MOVE = 9 / 7
_RANGE_SAMPLE = 20  # every so many training photos, for the activation ranges
_OUTPUTS = len(rows.CLASSES) + 1

app.command()(evaluate)

DataOption = Annotated[
    Path, typer.Option(help="Our parquet files, a folder for each category, or the Kaggle data set.")
]
RunOption = Annotated[Path, typer.Option(help="Folder for progress and logs; a killed training resumes from it.")]
EpochsOption = Annotated[int, typer.Option(min=1)]
PhotosOption = Annotated[int, typer.Option(min=64)]
BatchOption = Annotated[int, typer.Option(min=2)]
SideOption = Annotated[int, typer.Option(min=32)]
RateOption = Annotated[float, typer.Option(min=0)]
ShareOption = Annotated[float, typer.Option(min=0, max=1)]


@app.command()
def teacher(
    data: DataOption,
    run: RunOption,
    epochs: EpochsOption = 6,
    photos_per_epoch: PhotosOption = 12_000,
    batch_size: BatchOption = 64,
    input_size: SideOption = 128,
    learning_rate: RateOption = 8e-4,
    head_learning_rate_factor: RateOption = 4.0,
    weight_decay: RateOption = 0.02,
    ema_decay: ShareOption = 0.995,
    wild_weight: RateOption = 6.0,
    seed: int = 1,
) -> None:
    """Train the teacher from its ImageNet weights into RUN/teacher.pt."""
    settings = TrainingSettings(
        epochs=epochs,
        photos_per_epoch=photos_per_epoch,
        batch_size=batch_size,
        input_size=input_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        ema_decay=ema_decay,
        wild_weight=wild_weight,
        seed=seed,
        optimizer="adamw",
        head_learning_rate_factor=head_learning_rate_factor,
    )
    with spoken_errors():
        torch.manual_seed(seed)
        start = teachers.Teacher(_OUTPUTS)
        kept = _claimed_rows(data, run, {"teacher": asdict(settings)})
        training, judged = _decoded(kept, input_size, input_size)
        trained = Training(start, training, settings).run(judged.part("tune"), run)
        teachers.save(trained, run / teachers.FILE_NAME, input_size)
        training_plots.write_curves(run / "epochs.csv", run / "curves.png")
        typer.echo(f"the teacher is {run / teachers.FILE_NAME}")


@app.command()
def train(
    data: DataOption,
    run: RunOption,
    out: Annotated[Path, typer.Option(help="Where the checkpoint and the contract go.")] = Path("model"),
    init: Annotated[Literal["scratch", "imagenet", "checkpoint"], typer.Option(help="Where to start.")] = "scratch",
    teacher: Annotated[Path | None, typer.Option(help="A trained teacher.pt to learn from as well.")] = None,
    model_version: Annotated[
        str | None, typer.Option(help="Version of the new weights; default: one minor above the model in --out.")
    ] = None,
    epochs: EpochsOption = 14,
    photos_per_epoch: PhotosOption = 18_000,
    batch_size: BatchOption = 64,
    input_size: SideOption = 112,
    learning_rate: RateOption = 0.1,
    weight_decay: RateOption = 5e-4,
    ema_decay: ShareOption = 0.998,
    wild_weight: RateOption = 3.0,
    distillation_weight: Annotated[float, typer.Option(min=0, max=1, help="Share of the teacher in the loss.")] = 0.7,
    seed: int = 1,
) -> None:
    """Train, calibrate on the tuning rows, read the test rows once, and write the model folder."""
    settings = TrainingSettings(
        epochs=epochs,
        photos_per_epoch=photos_per_epoch,
        batch_size=batch_size,
        input_size=input_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        ema_decay=ema_decay,
        wild_weight=wild_weight,
        seed=seed,
        distillation_weight=distillation_weight,
    )
    with spoken_errors():
        _train(data, run, out, init, teacher, model_version or next_version(out), settings)


@app.command()
def ranges(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("model"),
) -> None:
    """Measure the activation ranges of a trained model again, from training photos; export rounds by them."""
    with spoken_errors():
        described = contracts.load(out)
        network = ResNet18(described.outputs)
        checkpoint.load(network, out / checkpoint.FILE_NAME)
        learned = [row for row in layouts.to_train(data).rows if row.part == "train"]
        measured = _ranges_on(learned, network, described.input_size)
        activation_ranges.save(measured, described.model_version, out)
        typer.echo(f"activation ranges of model {described.model_version} are in {out}")


def _train(
    data: Path,
    run: Path,
    out: Path,
    init: str,
    teacher: Path | None,
    model_version: str,
    settings: TrainingSettings,
) -> None:
    refuse_reused_version(out, model_version)
    torch.manual_seed(settings.seed)
    network = ResNet18(_OUTPUTS)
    typer.echo(start_from(network, init, out))
    master = None
    if teacher is not None:
        master = TeacherOf(*teachers.load(teacher, _OUTPUTS))
        typer.echo(f"learning from {teacher} at {master.input_size} px")
    kept = _claimed_rows(data, run, {"settings": asdict(settings), "init": init, "teacher": _file_digest(teacher)})
    largest = max(settings.input_size, master.input_size if master else 0)
    training, judged = _decoded(kept, largest, settings.input_size)
    tuning, test = judged.part("tune"), judged.part("test")
    trained = Training(network, training, settings, master).run(tuning, run)
    checkpoint.save(trained, run / checkpoint.FILE_NAME)
    checkpoint.load(trained, run / checkpoint.FILE_NAME)  # judge what is shipped: float16 weights
    decisions = calibration.calibrate(predict(trained, tuning.photos), tuning)
    outcomes = outcomes_of(predict(trained, test.photos), test, decisions)
    figures = {domain: figures_of(members) for domain, members in by_group(outcomes).items()}
    measured = _ranges_on(training.rows, trained, settings.input_size)
    write_model(out, run / checkpoint.FILE_NAME, settings, decisions, measured, figures, model_version)
    training_plots.write_curves(run / "epochs.csv", run / "curves.png")
    training_plots.write_confusion(outcomes, run / "confusion.png")
    typer.echo(json.dumps(figures, indent=2))
    typer.echo(f"model {model_version} is in {out}")


def _ranges_on(learned: Sequence[rows.Row], network: ResNet18, input_size: int) -> activation_ranges.Ranges:
    """Measure activation ranges on a sample of the training rows, decoded at the size that is served."""
    return measured_ranges.measure(network, dataset.load(learned[::_RANGE_SAMPLE], input_size).photos)


def _claimed_rows(data: Path, run: Path, identity: dict[str, Any]) -> list[rows.Row]:
    """Read the rows, claim the run folder for this training, and leave out what would leak.

    Raises:
        ValueError: the run folder holds another training, or the data lacks a part.
    """
    found = layouts.to_train(data)
    read = found.rows
    for note in found.notes:
        typer.echo(f"note: {note}")
    _claim_run(run, {**identity, "data": _digest(read)})
    kept = dataset.without_near_duplicates(read)
    if {"train", "tune", "test"} - {row.part for row in kept}:
        raise ValueError(f"{data}: no rows to train on, or none to judge by: {_parts(kept)}")
    typer.echo(f"{len(read) - len(kept)} training rows left out: near-duplicates of test rows")
    return kept


def _parts(kept: Sequence[rows.Row]) -> str:
    return ", ".join(f"{sum(row.part == part for row in kept)} {part}" for part in ("train", "tune", "test"))


def _decoded(kept: Sequence[rows.Row], training_size: int, judged_size: int) -> tuple[dataset.Dataset, dataset.Dataset]:
    """Decode the rows to train on, with room to move, and those to judge by."""
    judged = dataset.load([row for row in kept if row.part != "train"], judged_size)
    training = dataset.load([row for row in kept if row.part == "train"], round(training_size * _ROOM_TO_MOVE))
    parts = (len(judged.part("tune").rows), len(judged.part("test").rows))
    typer.echo(f"{len(training.rows)} rows to train, {parts[0]} to tune, {parts[1]} to test")
    return training, judged


def _claim_run(run: Path, identity: dict[str, Any]) -> None:
    """Record what a run folder trains.

    Raises:
        ValueError: it holds another training, which resuming would mix up with this one.
    """
    run.mkdir(parents=True, exist_ok=True)
    path = run / "training.json"
    text = json.dumps(identity, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ValueError(f"{run} holds a training with other settings, start or data; name another with RUN=FOLDER")
    path.write_text(text, encoding="utf-8")


def _digest(read: list[rows.Row]) -> str:
    """Return what tells one set of rows from another."""
    digest = hashlib.sha256()
    for row in read:
        digest.update(f"{row.domain} {row.key} {row.part} {row.accepts}\n".encode())
    return digest.hexdigest()


def _file_digest(path: Path | None) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else None
