"""``python -m training``: train, calibrate, measure, and write the model folder."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from handler import checkpoint
from handler.network import ResNet18
from training import calibration, dataset, rows
from training.evaluate import figures_of
from training.initial_weights import start_from
from training.loop import TrainingSettings, predict, train
from training.model_folder import next_version, refuse_reused_version, write_model

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Train the classifier and measure it.")

# Training photos are decoded this much larger than the input, so that crops and rotations have pixels to use.
_ROOM_TO_MOVE = 9 / 7


@app.command()
def train_command(
    data: Annotated[Path, typer.Option(help="Folder with catalog.parquet and wild.parquet.")],
    run: Annotated[Path, typer.Option(help="Folder for progress and logs; a killed training resumes from it.")],
    out: Annotated[Path, typer.Option(help="Where the checkpoint and the contract go.")] = Path("model"),
    init: Annotated[Literal["scratch", "imagenet", "checkpoint"], typer.Option(help="Where to start.")] = "scratch",
    model_version: Annotated[
        str | None, typer.Option(help="Version of the new weights; default: one minor above the model in --out.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 14,
    photos_per_epoch: Annotated[int, typer.Option(min=64)] = 18_000,
    batch_size: Annotated[int, typer.Option(min=2)] = 64,
    input_size: Annotated[int, typer.Option(min=32)] = 112,
    learning_rate: Annotated[float, typer.Option(min=0)] = 0.1,
    weight_decay: Annotated[float, typer.Option(min=0)] = 5e-4,
    ema_decay: Annotated[float, typer.Option(min=0, max=1)] = 0.998,
    wild_weight: Annotated[float, typer.Option(min=0)] = 3.0,
    seed: int = 1,
) -> None:
    """Train, calibrate on the tuning rows, read the test rows once, and write the model folder."""
    settings = TrainingSettings(
        epochs,
        photos_per_epoch,
        batch_size,
        input_size,
        learning_rate,
        weight_decay,
        ema_decay,
        wild_weight,
        seed,
    )
    try:
        _train(data, run, out, init, model_version or next_version(out), settings)
    except (OSError, ValueError) as error:
        raise SystemExit(f"training: {error}") from error


def _train(data: Path, run: Path, out: Path, init: str, model_version: str, settings: TrainingSettings) -> None:
    refuse_reused_version(out, model_version)
    torch.manual_seed(settings.seed)
    network = ResNet18(len(rows.CLASSES) + 1)
    typer.echo(start_from(network, init, out))
    read = rows.read(data)
    _claim_run(run, {"settings": asdict(settings), "init": init, "data": _digest(read)})
    kept = dataset.without_near_duplicates(read)
    if {"train", "tune", "test"} - {row.part for row in kept}:
        raise ValueError(f"{data}: no rows to train on, or none to judge by; the column `split` says train or val")
    typer.echo(f"{len(read) - len(kept)} training rows left out: near-duplicates of judged rows")
    judged = dataset.load([row for row in kept if row.part != "train"], settings.input_size)
    room = round(settings.input_size * _ROOM_TO_MOVE)
    training = dataset.load([row for row in kept if row.part == "train"], room)
    tuning, test = judged.part("tune"), judged.part("test")
    typer.echo(f"{len(training.rows)} rows to train, {len(tuning.rows)} to tune, {len(test.rows)} to test")
    trained = train(network, training, tuning, settings, run)
    checkpoint.save(trained, run / checkpoint.FILE_NAME)
    checkpoint.load(trained, run / checkpoint.FILE_NAME)  # judge what is shipped: float16 weights
    decisions = calibration.calibrate(predict(trained, tuning.photos), tuning)
    figures = figures_of(predict(trained, test.photos), test, decisions)
    write_model(out, run / checkpoint.FILE_NAME, settings, decisions, figures, model_version)
    typer.echo(json.dumps(figures, indent=2))
    typer.echo(f"model {model_version} is in {out}")


def _claim_run(run: Path, identity: dict[str, object]) -> None:
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
