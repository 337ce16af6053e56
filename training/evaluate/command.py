"""``python -m training evaluate``: what the model archive makes of labelled photos."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from training.console import spoken_errors
from training.data import layouts
from training.data.samples import Row
from training.evaluate import plots as evaluation_plots
from training.evaluate import tables as evaluation_tables
from training.evaluate.outcomes import Outcome, by_group, figures_of, share
from training.evaluate.reference_model import CheckpointBeside, of_same_version
from training.evaluate.served import Served, serve
from training.model_folder import SHIPPED

ARCHIVE = Path("model_store") / "refund_classifier.mar"
_NAMED = 20  # unreadable photos that are listed; all are counted


@dataclass
class Evaluation:
    """What was found out so far.

    Attributes:
        outcomes: of the photos that could be classified.
        lost: by group, one number a photo of the 27: 1 where only the checkpoint was right, -1 where only the served
            model was, else 0.
        unreadable: the photos that could not be classified, each with the reason.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    lost: dict[str, list[int]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, dict[str, Any]]:
        """Return the figures by group."""
        return {
            group: {
                **figures_of(outcomes),
                "top1_lost_by_serving": share(sum(self.lost.get(group, [])), len(self.lost.get(group, []))),
            }
            for group, outcomes in by_group(self.outcomes).items()
        }


def evaluate(
    data: Annotated[Path, typer.Option(help="A CSV (file,accepts,group), or one of the layouts that `train` reads.")],
    json_file: Annotated[Path, typer.Option("--json", help="Where the figures go.")],
    archive: Annotated[Path, typer.Option(help="The model archive that is judged.")] = ARCHIVE,
    model: Annotated[Path, typer.Option(help="Folder with the checkpoint to hold serving against.")] = SHIPPED,
    plots: Annotated[Path | None, typer.Option(help="Folder for the pictures; default: beside the figures.")] = None,
) -> None:
    """Judge what is served: run the archive over labelled photos, print and write the figures, draw two pictures."""
    with spoken_errors():
        found = layouts.to_judge(data)
        with serve(archive) as served:
            described = served.description
            beside = of_same_version(model, described)
            typer.echo(f"judging model {described['model_version']} of {archive} ({described['graph']}) by {data}")
            result = judge(found.rows, served, beside)
        if not result.outcomes:
            raise ValueError(f"{data}: not one photo could be classified; the first: {result.unreadable[0]}")
        figures = result.figures()
        evaluation_tables.show(Console(width=evaluation_tables.width_for(len(figures))), result.outcomes, figures)
        if beside is None:
            found.notes.append(f"top-1 lost by serving: {model} does not hold model {described['model_version']}")
        _say_what_is_left_out(found.notes, result.unreadable)
        json_file.parent.mkdir(parents=True, exist_ok=True)
        report = {"model_version": described["model_version"], "groups": figures}
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        drawn = evaluation_plots.write(result.outcomes, plots or json_file.parent, json_file.stem)
        typer.echo(f"written: {', '.join(str(path) for path in (json_file, *drawn))}")


def judge(rows: list[Row], served: Served, beside: CheckpointBeside | None) -> Evaluation:
    """Let the served model classify rows, batch by batch, so that memory does not grow with the photos.

    Args:
        rows: what to classify.
        served: the archive.
        beside: its checkpoint, where there is one.
    """
    result = Evaluation()
    starts = range(0, len(rows), served.batch_size)
    for start in track(starts, "classifying", total=len(starts)):
        _judge_batch(rows[start : start + served.batch_size], served, beside, result)
    return result


def _judge_batch(rows: list[Row], served: Served, beside: CheckpointBeside | None, result: Evaluation) -> None:
    photos = []
    for row in rows:
        try:
            photos.append((row, row.photo()))
        except OSError as error:
            result.unreadable.append(f"{row.name}: {error.strerror}")
    judged = []
    for (row, _), answered in zip(photos, served.answers([photo for _, photo in photos]), strict=True):
        if answered["status"] != 200:
            refusal = answered["answer"]["error"]
            result.unreadable.append(f"{row.name}: {refusal['code']}, {refusal['message']}")
            continue
        judged.append((row, _outcome(row, answered["answer"])))
    result.outcomes += [outcome for _, outcome in judged]
    if beside is not None:
        known = [(row, outcome) for row, outcome in judged if outcome.known]
        for (row, outcome), theirs in zip(known, beside.likeliest([row for row, _ in known]), strict=True):
            result.lost.setdefault(outcome.group, []).append((theirs in row.accepts) - outcome.right)


def _outcome(row: Row, answer: dict[str, Any]) -> Outcome:
    return Outcome(
        group=row.domain,
        accepts=row.accepts,
        top=tuple(entry["class"] for entry in answer["top"]),
        confidence=answer["confidence"],
        accepted=answer["decision"] == "accept",
        taken_for_unknown=answer.get("reason") == "unknown_item",
    )


def _say_what_is_left_out(notes: list[str], unreadable: list[str]) -> None:
    for note in notes:
        typer.echo(f"note: {note}")
    if unreadable:
        typer.echo(f"note: {len(unreadable)} photos could not be classified and count nowhere above:")
        for line in unreadable[:_NAMED]:
            typer.echo(f"  {line}")
        if len(unreadable) > _NAMED:
            typer.echo(f"  and {len(unreadable) - _NAMED} more")
