"""Confident learning: which labels of held-out rows are probably wrong."""

import csv
from pathlib import Path

import torch

from training.data.categories import CLASSES, OUTPUTS, UNKNOWN
from training.data.samples import Sample
from training.evaluate import label_issues
from training.evaluate.label_issues import confident_classes


def sample(key: str, *accepts: str) -> Sample:
    return Sample("studio", key, accepts[0], accepts, "tune", b"")


def probabilities(**by_name: float) -> list[float]:
    given = {(*CLASSES, UNKNOWN).index(name): value for name, value in by_name.items()}
    rest = (1 - sum(given.values())) / (OUTPUTS - len(given))
    return [given.get(number, rest) for number in range(OUTPUTS)]


def test_a_class_needs_the_mean_probability_of_its_own_rows() -> None:
    rows = torch.tensor([[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.5, 0.5, 0.0]])
    labels = torch.tensor([0, 0, 0, 1, 1])
    # The means: (0.9 + 0.7 + 0.2) / 3 = 0.6 of class 0, and (0.6 + 0.5) / 2 = 0.55 of class 1.
    assert confident_classes(rows, labels).tolist() == [0, 0, 1, 1, -1]


def test_a_class_without_rows_is_never_suggested() -> None:
    rows = torch.tensor([[0.1, 0.9], [0.1, 0.9]])
    assert confident_classes(rows, torch.tensor([0, 0])).tolist() == [0, 0]


def test_the_surest_issue_comes_first_and_coarse_labels_are_left_out(tmp_path: Path) -> None:
    samples = [
        *(sample(f"heels {number}", "Heels") for number in range(4)),
        *(sample(f"flats {number}", "Flats") for number in range(4)),
        sample("both", "Heels", "Flats"),
        sample("sure", "Heels"),
        sample("likely", "Flats"),
    ]
    heels, flats = probabilities(Heels=0.9), probabilities(Flats=0.8)
    given = [heels] * 4 + [flats] * 4 + [flats, probabilities(Flats=0.95), probabilities(Heels=0.75, Flats=0.2)]
    issues = label_issues.find(samples, torch.tensor(given))
    assert [(issue.photo, issue.label, issue.suggested) for issue in issues] == [
        ("sure", "Heels", "Flats"),
        ("likely", "Flats", "Heels"),
    ]
    label_issues.write(issues, tmp_path / "out" / "issues.csv")
    with (tmp_path / "out" / "issues.csv").open(encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert written[0]["photo"] == "sure"
    assert float(written[0]["suggested_probability"]) == 0.95
