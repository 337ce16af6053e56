"""``python -m training evaluate``: measure a model archive on labelled photos."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from training.data import layouts
from training.data.categories import CLASSES
from training.data.dataset import without_twins
from training.data.samples import Sample
from training.evaluate import plots as evaluation_plots
from training.evaluate import report as reports
from training.evaluate.outcomes import Outcome, by_group, figures_of, share
from training.evaluate.reference_model import ReferenceModel, of_same_version
from training.evaluate.served import Served, serve
from training.model_folder import SHIPPED

ARCHIVE = Path("model_store") / "refund_classifier.mar"
_NAMED = 20  # unreadable photos that are listed; all are counted


@dataclass
class Evaluation:
    """The results of an evaluation.

    Attributes:
        outcomes: of the photos that could be classified.
        lost: by group, one number for each photo of the 27: 1 where only the checkpoint is right, -1 where only the
            served model is right, else 0.
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
    archive: Annotated[Path, typer.Option(help="The model archive to measure.")] = ARCHIVE,
    model: Annotated[Path, typer.Option(help="Folder of the checkpoint to compare with.")] = SHIPPED,
    plots: Annotated[Path | None, typer.Option(help="Folder for the plots; default: beside the figures.")] = None,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="Only test rows that a release build never learned, nor twins of them.")
    ] = False,
    unlearned: Annotated[
        bool, typer.Option("--unlearned", help="As --unseen, and with the twins of rows that a release build learned.")
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(help="A CSV (photo or id, accepts) of reviewed labels; the figures are also given by them."),
    ] = None,
) -> None:
    """Measure the served model: run the archive over labelled photos, print and write the figures, draw the plots."""
    found = not_learned_by_a_release(data, unlearned) if unseen or unlearned else layouts.to_judge(data)
    with serve(archive) as served:
        described = served.description
        reference = of_same_version(model, described)
        typer.echo(f"measuring model {described['model_version']} of {archive} ({described['graph']}) on {data}")
        result = judge(found.samples, served, reference)
    if not result.outcomes:
        raise ValueError(f"{data}: not one photo could be classified; the first: {result.unreadable[0]}")
    order = reports.order_report(result.outcomes, served.contract)
    report: dict[str, Any] = {
        "groups": result.figures(),
        "accept_thresholds": reports.accept_report(result.outcomes),
        "order_check": order,
    }
    reports.show(result.outcomes, report)
    if order is None:
        found.notes.append(f"order check: {archive} has none; `python -m training calibrate-match` gives a model one")
    if reference is None:
        found.notes.append(f"top-1 lost by serving: {model} does not hold model {described['model_version']}")
    folder = plots or json_file.parent
    drawn = evaluation_plots.write(result.outcomes, folder, json_file.stem, order)
    if labels is not None:
        judged, report["reviewed"] = reports.by_reviewed_labels(result.outcomes, labels, served.contract)
        reports.show(judged, report["reviewed"])
        stem = f"{json_file.stem}-reviewed"
        drawn += evaluation_plots.write(judged, folder, stem, report["reviewed"]["order_check"])
    _say_what_is_left_out(found.notes, result.unreadable)
    json_file.parent.mkdir(parents=True, exist_ok=True)
    written = {"model_version": described["model_version"], **report}
    json_file.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"written: {', '.join(str(path) for path in (json_file, *drawn))}")


def not_learned_by_a_release(folder: Path, twins: bool) -> layouts.LabelledPhotos:
    """Read the test rows that a release build (`make refit`) never learned.

    Args:
        folder: in a layout that `train` reads.
        twins: keep those that look like a row that it learned or that tunes it.

    Raises:
        FileNotFoundError, ValueError: see :func:`training.data.layouts.to_train`.
    """
    read = layouts.to_train(folder, hold_out=False)
    test = [sample for sample in read.samples if sample.part == "test"]
    if twins:
        return layouts.LabelledPhotos(test, [*read.notes, f"{len(test)} test rows that a release build never learned"])
    kept = without_twins(test, [sample for sample in read.samples if sample.part != "test"])
    note = f"of {len(test)} test rows {len(test) - len(kept)} left out, near-duplicates of rows that train or tune"
    return layouts.LabelledPhotos(kept, [*read.notes, note])


def judge(samples: list[Sample], served: Served, reference: ReferenceModel | None) -> Evaluation:
    """Classify samples with the served model, batch by batch, so that memory does not grow with their number.

    Args:
        samples: to classify.
        served: the archive.
        reference: its checkpoint, if it is at hand.
    """
    result = Evaluation()
    starts = range(0, len(samples), served.batch_size)
    for start in track(starts, "classifying", total=len(starts)):
        _judge_batch(samples[start : start + served.batch_size], served, reference, result)
    return result


def _judge_batch(samples: list[Sample], served: Served, reference: ReferenceModel | None, result: Evaluation) -> None:
    photos = []
    for sample in samples:
        try:
            photos.append((sample, sample.photo()))
        except OSError as error:
            result.unreadable.append(f"{sample.name}: {error.strerror}")
    judged = []
    for (sample, _), answered in zip(photos, served.answers([photo for _, photo in photos]), strict=True):
        if answered["status"] != 200:
            refusal = answered["answer"]["error"]
            result.unreadable.append(f"{sample.name}: {refusal['code']}, {refusal['message']}")
            continue
        judged.append((sample, _outcome(sample, answered["answer"])))
    result.outcomes += [outcome for _, outcome in judged]
    if reference is not None:
        known = [(sample, outcome) for sample, outcome in judged if outcome.known]
        for (sample, outcome), theirs in zip(known, reference.top1([sample for sample, _ in known]), strict=True):
            result.lost.setdefault(outcome.group, []).append((theirs in sample.accepts) - outcome.right)


def _outcome(sample: Sample, answer: dict[str, Any]) -> Outcome:
    return Outcome(
        group=sample.group,
        accepts=sample.accepts,
        top=tuple(entry["class"] for entry in answer["top"]),
        confidence=answer["confidence"],
        accepted=answer["decision"] == "accept",
        taken_for_unknown=answer.get("reason") == "unknown_item",
        probabilities=_probabilities(answer),
        key=sample.key,
    )


def _probabilities(answer: dict[str, Any]) -> tuple[float, ...] | None:
    """Return the probabilities of the 27 categories, then of the outlier output; None if the archive gives none."""
    given = answer.get("probabilities")
    return None if given is None else (*(float(given[name]) for name in CLASSES), float(answer["outlier_probability"]))


def _say_what_is_left_out(notes: list[str], unreadable: list[str]) -> None:
    for note in notes:
        typer.echo(f"note: {note}")
    if unreadable:
        typer.echo(f"note: {len(unreadable)} photos could not be classified and count nowhere above:")
        for line in unreadable[:_NAMED]:
            typer.echo(f"  {line}")
        if len(unreadable) > _NAMED:
            typer.echo(f"  and {len(unreadable) - _NAMED} more")
