"""``python -m training``: train, and measure."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from handler.network import ResNet18
from training import calibration, checkpoint, dataset, rows
from training.evaluate import figures_of
from training.initial_weights import start_from
from training.loop import TrainingSettings, predict, train
from training.model_folder import write_model

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Train the classifier and measure it.",
)

# Training photos are decoded this much larger than the input, so that crops and rotations have pixels to use.
_ROOM_TO_MOVE = 9 / 7


@app.command("train")
def train_command(
    data: Annotated[Path, typer.Option(help="Folder with catalog.parquet and wild.parquet.")],
    run: Annotated[Path, typer.Option(help="Folder for progress and logs; a killed training resumes from it.")],
    out: Annotated[Path, typer.Option(help="Where the checkpoint and the contract go.")] = Path("model"),
    init: Annotated[Literal["scratch", "imagenet", "checkpoint"], typer.Option(help="Where to start.")] = "scratch",
    model_version: Annotated[str, typer.Option(help="Version of the new weights.")] = "1.0.0",
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
    torch.manual_seed(seed)
    read = rows.read(data)
    kept = dataset.without_near_duplicates(read)
    typer.echo(f"{len(read) - len(kept)} training rows left out: near-duplicates of judged rows")
    judged = dataset.load([row for row in kept if row.part != "train"], input_size)
    training = dataset.load([row for row in kept if row.part == "train"], round(input_size * _ROOM_TO_MOVE))
    tuning, test = judged.part("tune"), judged.part("test")
    typer.echo(f"{len(training.rows)} rows to train, {len(tuning.rows)} to tune, {len(test.rows)} to test")
    network = ResNet18(len(rows.CLASSES) + 1)
    typer.echo(start_from(network, init, out))
    run.mkdir(parents=True, exist_ok=True)
    (run / "settings.json").write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")
    trained = train(network, training, tuning, settings, run)
    checkpoint.save(trained, run / "checkpoint.safetensors")
    checkpoint.load(trained, run / "checkpoint.safetensors")  # judge what is shipped: float16 weights
    decisions = calibration.calibrate(predict(trained, tuning.photos), tuning)
    figures = figures_of(predict(trained, test.photos), test, decisions)
    write_model(out, run / "checkpoint.safetensors", settings, decisions, figures, model_version)
    typer.echo(json.dumps(figures, indent=2))
