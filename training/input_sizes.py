"""``python -m training input-sizes``: compare input sizes, and ways to make a photo square, by top-1."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer

from handler.network import ResNet18
from training import config, pipeline
from training.config import TrainingSettings
from training.data.categories import OUTPUTS
from training.data.dataset import Fit, load
from training.data.samples import Sample
from training.fit import plots as training_plots
from training.fit import resume
from training.fit.loop import Training, predict, top1_by_domain
from training.network.batch_statistics import reestimate_statistics
from training.network.initial_weights import identity_of, start_from

_COMPARED: tuple[tuple[int, Fit], ...] = (
    (112, "squash"),
    (128, "squash"),
    (128, "letterbox"),
    (160, "squash"),
    (224, "squash"),
)


def input_sizes(
    data: Annotated[Path, typer.Option(help="Our parquet files, a folder for each category, or the Kaggle data set.")],
    run: Annotated[Path, typer.Option(help="Folder for progress and logs, with one folder for each comparison.")],
    recipe: Annotated[str, typer.Option(help="A TOML file, or the name of a student recipe.")] = "student",
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the recipe.")
    ] = None,
) -> None:
    """Train with the same number of photos at each size, from the same start, and print top-1 on the tuning rows."""
    chosen = config.read(config.find(recipe), config.parse_changes(change or [])).placed(run.parent)
    if not isinstance(chosen, config.StudentRecipe):
        raise ValueError(f"{recipe} is a {chosen.step} recipe; input sizes need a student recipe")
    found = pipeline.read_samples(data)
    trainings = []
    for size, fit in _COMPARED:
        settings = chosen.settings(input_size=size)
        folder = run / f"{size}-{fit}"
        identity = {"fit": fit, "start": identity_of(chosen.start), "settings": settings.model_dump()}
        resume.claim(folder, identity, found)
        trainings.append((folder, fit, settings))
    kept = pipeline.without_leaks(found, data)
    lines = []
    for folder, fit, settings in trainings:
        torch.manual_seed(settings.seed)
        network = ResNet18(OUTPUTS)
        start_from(network, chosen.start)
        top1 = _top1(network, kept, folder, fit, settings)
        shares = ", ".join(f"{domain} {value:.1%}" for domain, value in top1.items())
        lines.append(f"{settings.input_size} px, {fit}: {shares}")
        typer.echo(lines[-1])
    typer.echo("\n" + "\n".join(lines))


def _top1(
    network: ResNet18, kept: Sequence[Sample], run: Path, fit: Fit, settings: TrainingSettings
) -> dict[str, float]:
    """Train a network in place; return top-1 of the tuning rows by domain."""
    training = load(pipeline.part_of(kept, "train"), round(settings.input_size * pipeline.CROP_MARGIN), fit)
    tuning = load(pipeline.part_of(kept, "tune"), settings.input_size, fit)
    trained = Training(network, training, settings).run(tuning, run)
    reestimate_statistics(trained, load(pipeline.statistics_sample(kept), settings.input_size, fit).photos)
    training_plots.write_curves(run / "epochs.csv", run / "curves.png")
    return top1_by_domain(predict(trained, tuning.photos), tuning)
