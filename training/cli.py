"""``python -m training``: train by a recipe, calibrate, measure, and write the model folder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from handler import activation_ranges, checkpoint
from handler import contract as contracts
from handler.network import ResNet18
from training import chain, config, pipeline
from training.data import layouts
from training.evaluate import label_issues as issues
from training.evaluate.agreement import agreement, control_labels, read_review
from training.evaluate.command import evaluate
from training.held_out import issues_of_held_out_labels
from training.input_sizes import input_sizes
from training.model_folder import SHIPPED, next_version
from training.recalibration import recalibrate

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Train the classifier, measure it."
)
app.command()(evaluate)
app.command()(input_sizes)

DataOption = Annotated[
    Path, typer.Option(help="Our parquet files, a folder for each category, or the Kaggle data set.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the recipe; may be repeated.")
]


def main() -> None:
    """Run a command; print a known fault in one line, without a traceback."""
    try:
        app()
    except (OSError, ValueError, ImportError) as error:
        raise SystemExit(f"training: {error}") from error


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or teacher, student or refit.")],
    data: DataOption,
    run: Annotated[Path, typer.Option(help="Folder for progress and logs; a killed training resumes from it.")],
    out: Annotated[Path, typer.Option(help="Folder of the model to write; a teacher goes to --run.")] = SHIPPED,
    model_version: Annotated[
        str | None, typer.Option(help="Version of the new model; default: one minor above the existing models.")
    ] = None,
    change: SetOption = None,
) -> None:
    """Train by a recipe: a teacher, the served network, or the release build of a measured model."""
    chosen = config.read(config.find(recipe), config.parse_changes(change or [])).placed(run.parent)
    if isinstance(chosen, config.TeacherRecipe):
        typer.echo(f"the teacher is {pipeline.train_teacher(chosen, data, run)}")
        return
    version = model_version or next_version(out, *chosen.model_folders())
    job = pipeline.TrainingJob(chosen, data, run, out, version)
    if isinstance(chosen, config.StudentRecipe):
        typer.echo(json.dumps(pipeline.train_student(job, chosen), indent=2))
        typer.echo(f"model {version} is in {out}")
    else:
        pipeline.refit(job, chosen)
        typer.echo(f"model {version} is in {out}, with the figures of the model in {chosen.measured}")


@app.command()
def reproduce(
    data: DataOption,
    runs: Annotated[Path, typer.Option(help="Folder for the run folders, one for each recipe.")],
    recipes: Annotated[Path, typer.Option(help="Folder of recipes; they run in the order of their names.")] = (
        config.RECIPES / "shipped"
    ),
    change: SetOption = None,
) -> None:
    """Run the recipes that made the shipped model; what is finished is not repeated."""
    typer.echo(f"the model is in {chain.run(recipes, data, runs, config.parse_changes(change or []))}")


@app.command()
def calibrate_match(
    data: DataOption,
    model: Annotated[Path, typer.Option(help="Folder of the model; its contract gets the thresholds.")] = SHIPPED,
) -> None:
    """Choose the thresholds of the order check again for a trained model, on the tuning rows that it did not learn."""
    thresholds, version = recalibrate(model, data)
    typer.echo(f"{model}: match from {thresholds.match_threshold:g}, mismatch below {thresholds.mismatch_threshold:g}")
    typer.echo(f"contract version {version}; the figures are in {model / 'figures.json'}")


@app.command()
def ranges(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the model.")] = SHIPPED,
) -> None:
    """Measure the activation ranges of a trained model again, on training photos; export quantises by them."""
    described = contracts.load(out)
    network = ResNet18(described.outputs)
    checkpoint.load(network, out / checkpoint.FILE_NAME)
    learned = pipeline.part_of(layouts.to_train(data).samples, "train")
    measured = pipeline.ranges_on(learned, network, described.input_size)
    activation_ranges.save(measured, described.model_version, out)
    typer.echo(f"activation ranges of model {described.model_version} are in {out}")


@app.command()
def label_review(
    labels: Annotated[Path, typer.Option(help="The CSV of the review.")] = SHIPPED / "label_review.csv",
) -> None:
    """Print how far the passes and judges of a label review agree, and how often a control photo has a wrong label."""
    photos = read_review(labels)
    figures = {
        "agreement": agreement(photos),
        "other_judge": agreement(photos, "other_judge"),
        "control": control_labels(photos),
    }
    typer.echo(json.dumps(figures, indent=2))


@app.command()
def label_issues(
    data: DataOption,
    csv_file: Annotated[Path, typer.Option("--csv", help="Where the photos go, the surest first.")],
    model: Annotated[Path, typer.Option(help="Folder of a model that learned from the data.")] = SHIPPED,
) -> None:
    """List labels that are probably wrong, by confident learning, among the rows that a model did not learn."""
    found, rows = issues_of_held_out_labels(model, data)
    issues.write(found, csv_file)
    typer.echo(f"of {rows} rows {len(found)} have a label that is probably wrong; they are in {csv_file}")
