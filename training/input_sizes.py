"""``python -m training input-sizes``: which side of the network's input, and which way to a square, sees most."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer

from handler.network import ResNet18
from training import pipeline
from training.console import spoken_errors
from training.data.dataset import Fit, load
from training.data.samples import Row
from training.fit import plots as training_plots
from training.fit import run_folder
from training.fit.loop import Training, TrainingSettings, predict, top1_by_domain
from training.model_folder import SHIPPED
from training.network.batch_statistics import settle
from training.network.initial_weights import Init, identity_of, start_from

_COMPARED: tuple[tuple[int, Fit], ...] = (
    (112, "squash"),
    (128, "squash"),
    (128, "letterbox"),
    (160, "squash"),
    (224, "squash"),
)


def input_sizes(
    data: Annotated[Path, typer.Option(help="Our parquet files, a folder for each category, or the Kaggle data set.")],
    run: Annotated[Path, typer.Option(help="Folder for progress and logs, one inside for each comparison.")],
    init: Annotated[Init, typer.Option(help="Where to start.")] = "scratch",
    model: Annotated[Path, typer.Option(help="Folder of the model that `--init checkpoint` starts from.")] = SHIPPED,
    epochs: Annotated[int, typer.Option(min=1)] = 8,
    photos_per_epoch: Annotated[int, typer.Option(min=64)] = 18_000,
    batch_size: Annotated[int, typer.Option(min=2)] = 64,
    learning_rate: Annotated[float, typer.Option(min=0)] = 0.1,
    ema_decay: Annotated[float, typer.Option(min=0, max=1)] = 0.998,
    wild_weight: Annotated[float, typer.Option(min=0)] = 3.0,
) -> None:
    """Train with as many photos at each size, from the same start, and print top-1 on the tuning rows."""
    with spoken_errors():
        found = pipeline.read_rows(data)
        trainings = []
        for size, fit in _COMPARED:
            settings = TrainingSettings(
                epochs, photos_per_epoch, batch_size, size, learning_rate, 5e-4, ema_decay, wild_weight, seed=1
            )
            folder = run / f"{size}-{fit}"
            start = identity_of(init, model)
            run_folder.claim(folder, {"fit": fit, "start": start, "settings": asdict(settings)}, found)
            trainings.append((folder, fit, settings))
        kept = pipeline.without_leaks(found, data)
        lines = []
        for folder, fit, settings in trainings:
            torch.manual_seed(settings.seed)
            network = ResNet18(pipeline.OUTPUTS)
            start_from(network, init, model)
            top1 = _top1(network, kept, folder, fit, settings)
            lines.append(f"{settings.input_size} px, {fit}: {_described(top1)}")
            typer.echo(lines[-1])
        typer.echo("\n" + "\n".join(lines))


def _top1(network: ResNet18, kept: Sequence[Row], run: Path, fit: Fit, settings: TrainingSettings) -> dict[str, float]:
    """Train a network in place; return top-1 of the tuning rows by domain."""
    training = load(pipeline.part_of(kept, "train"), round(settings.input_size * pipeline.ROOM_TO_MOVE), fit)
    tuning = load(pipeline.part_of(kept, "tune"), settings.input_size, fit)
    trained = Training(network, training, settings).run(tuning, run)
    settle(trained, load(pipeline.statistics_sample(kept), settings.input_size, fit).photos)
    training_plots.write_curves(run / "epochs.csv", run / "curves.png")
    return top1_by_domain(predict(trained, tuning.photos), tuning)


def _described(top1: dict[str, float]) -> str:
    return ", ".join(f"{domain} {value:.1%}" for domain, value in top1.items())
