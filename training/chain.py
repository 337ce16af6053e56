"""Run a folder of recipes one after the other: each may use the results of those before it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from training import config, pipeline
from training.fit import resume
from training.model_folder import next_version
from training.network import teacher as teachers

MODEL = "model"  # folder of a step's model, in its run folder


def run(recipes: Path, data: Path, runs: Path, changes: Mapping[str, Any]) -> Path:
    """Run all recipes of a folder, in the order of their names; return the last result.

    A finished step is not repeated, and a killed one resumes. A reproduced model has other weights than the original,
    so each model gets a version of its own, above those that exist.

    Args:
        recipes: folder of TOML files.
        data: folder of labelled photos.
        runs: each step gets a run folder here, named after its recipe.
        changes: values that replace those of each recipe that has the field.

    Raises:
        FileNotFoundError: the folder holds no recipe.
        ValueError: no recipe has the field of a change, or a finished step had another recipe.
    """
    paths = sorted(recipes.glob("*.toml"))
    if not paths:
        raise FileNotFoundError(f"{recipes} holds no recipe (*.toml)")
    steps = {path.stem: config.read(path, changes, lenient=True).placed(runs) for path in paths}
    strays = set(changes) - {name for recipe in steps.values() for name in type(recipe).model_fields}
    if strays:
        raise ValueError(f"no recipe of {recipes} has {', '.join(sorted(strays))}")
    for number, (name, recipe) in enumerate(steps.items(), start=1):
        folder = runs / name
        if _is_done(recipe, folder):
            typer.echo(f"step {number} of {len(steps)}, {name}: finished before")
            continue
        typer.echo(f"step {number} of {len(steps)}, {name}")
        _run_step(recipe, data, folder, runs)
    return folder / (teachers.FILE_NAME if isinstance(recipe, config.TeacherRecipe) else MODEL)


def _is_done(recipe: config.Recipe, folder: Path) -> bool:
    """Return True if a run folder holds the result of this very recipe.

    Raises:
        ValueError: it holds the result of another one.
    """
    if not resume.is_finished(folder):
        return False
    if (folder / config.RESOLVED).read_text(encoding="utf-8") != config.as_toml(recipe):
        raise ValueError(f"{folder} is finished, by another recipe ({config.RESOLVED}); name another folder of runs")
    return True


def _run_step(recipe: config.Recipe, data: Path, folder: Path, runs: Path) -> None:
    if isinstance(recipe, config.TeacherRecipe):
        pipeline.train_teacher(recipe, data, folder)
        return
    job = pipeline.TrainingJob(recipe, data, folder, folder / MODEL, next_version(*runs.glob(f"*/{MODEL}")))
    if isinstance(recipe, config.StudentRecipe):
        pipeline.train_student(job, recipe)
    else:
        pipeline.refit(job, recipe)
