"""Find labels that are probably wrong, by confident learning on rows that the model did not learn.

Source: Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, 2021.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training.data.categories import CLASSES, UNKNOWN
from training.data.samples import Sample


@dataclass(frozen=True)
class LabelIssue:
    """A photo whose label is probably wrong.

    Attributes:
        photo: key of the sample.
        domain: ``studio`` or ``phone``.
        label: category of the data set.
        suggested: category that the model is confident of.
        label_probability: calibrated, of the label.
        suggested_probability: calibrated, of the suggested category.
    """

    photo: str
    domain: str
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float


def confident_classes(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return for each row the class that the model is confident of, int64 [N]; -1 where it is confident of none.

    The model is confident of a class where its probability reaches the mean probability of that class over the rows
    with that label. Of several such classes the most probable one counts. A class that no row is labelled with is never
    suggested.

    Args:
        probabilities: float [N, K], of rows that the model did not learn.
        labels: int64 [N].
    """
    counts = torch.bincount(labels, minlength=probabilities.shape[1])
    own = probabilities.gather(1, labels[:, None]).squeeze(1)
    means = torch.zeros(probabilities.shape[1]).index_add(0, labels, own) / counts
    thresholds = torch.where(counts > 0, means, torch.inf)
    reached = probabilities >= thresholds
    best = torch.where(reached, probabilities, -1.0).argmax(dim=1)
    return torch.where(reached.any(dim=1), best, -1)


def find(samples: Sequence[Sample], probabilities: Tensor) -> list[LabelIssue]:
    """Return the photos with one category whose label is probably wrong, the surest first.

    They are ordered by the distance between the probabilities of the suggested category and of the label. Photos with
    several accepted categories are left out.

    Args:
        samples: rows that the model did not learn.
        probabilities: float [N, C + 1], calibrated, the outlier output last.
    """
    names = (*CLASSES, UNKNOWN)
    rows = [row for row, sample in enumerate(samples) if len(sample.accepts) == 1]
    labels = torch.tensor([names.index(samples[row].accepts[0]) for row in rows], dtype=torch.int64)
    judged = probabilities[rows]
    issues = [
        LabelIssue(
            samples[row].key,
            samples[row].domain,
            names[label],
            names[suggested],
            round(float(own[label]), 4),
            round(float(own[suggested]), 4),
        )
        for row, label, suggested, own in zip(
            rows, labels.tolist(), confident_classes(judged, labels).tolist(), judged, strict=True
        )
        if suggested not in (-1, label)
    ]
    return sorted(issues, key=lambda issue: issue.label_probability - issue.suggested_probability)


def write(issues: Sequence[LabelIssue], path: Path) -> None:
    """Write issues to a CSV file; a person adds the column ``accepts`` and gives it to ``--set labels=FILE``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        written = csv.writer(file, lineterminator="\n")
        written.writerow(LabelIssue.__dataclass_fields__)
        for issue in issues:
            written.writerow(vars(issue).values())
