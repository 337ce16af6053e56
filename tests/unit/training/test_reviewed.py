"""Figures by labels that people gave after they had looked at the photos, and how far two passes agree."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from training.data.categories import UNKNOWN
from training.data.csv_files import read_labels
from training.evaluate import accept_thresholds, report, tables
from training.evaluate.agreement import agreement, control_labels, kappa, read_review
from training.evaluate.outcomes import Outcome, figures_of
from training.evaluate.reviewed import relabelled, worst_mistakes
from training.model_folder import SHIPPED


def outcome(key: str, accepts: str, called: str, confidence: float = 0.9) -> Outcome:
    return Outcome("mine", (accepts,), (called, "Belts", "Bra"), confidence, True, False, key=key)


@pytest.fixture
def outcomes() -> list[Outcome]:
    """Two right answers, two wrong ones, and a trunk that the data set calls unknown."""
    return [
        outcome("1", "Heels", "Heels"),
        outcome("2", "Flats", "Heels", 0.6),
        outcome("3", "Tops", "Socks", 0.8),
        outcome("4", "Socks", "Socks"),
        outcome("5", UNKNOWN, "Briefs", 0.99),
    ]


@pytest.fixture
def review(tmp_path: Path) -> Path:
    """The heels may also be flats, nobody can judge photo 4, and the trunk counts as briefs."""
    path = tmp_path / "review.csv"
    path.write_text("id,accepts,reason\n2,Heels;Flats,low heel\n4,,blurred\n5,Briefs,a trunk\n9,Belts,not here\n")
    return path


def test_both_sets_of_labels_give_figures(outcomes: list[Outcome], review: Path) -> None:
    before = figures_of(outcomes)
    assert (before["n"], before["top1"], before["unknown_n"]) == (4, 0.5, 1)
    judged, written = report.by_reviewed_labels(outcomes, review, contract={})
    assert [each.key for each in judged] == ["1", "2", "3", "5"]
    assert written["undecidable"] == 1
    after = written["groups"]["mine"]
    assert (after["n"], after["top1"], after["unknown_n"]) == (4, 0.75, 0)
    assert [each["photo"] for each in written["worst_mistakes"]] == ["3"]
    assert outcomes[1].accepts == ("Flats",), "the outcomes by the data set's labels stay as they are"


def test_the_most_confident_mistakes_come_first(outcomes: list[Outcome]) -> None:
    mistakes = worst_mistakes(outcomes)
    assert [(each["photo"], each["called"]) for each in mistakes] == [("3", "Socks"), ("2", "Heels")]
    assert [each["photo"] for each in worst_mistakes(outcomes, most=1)] == ["3"]
    console = Console(width=120, record=True)
    console.print(tables.mistakes_table(mistakes))
    assert "80.0%" in console.export_text()


def test_other_accept_thresholds() -> None:
    outcomes = [
        outcome("1", "Heels", "Heels", 0.95),
        outcome("2", "Flats", "Heels", 0.7),
        replace(outcome("3", "Tops", "Socks", 0.99), taken_for_unknown=True),
        outcome(UNKNOWN, UNKNOWN, "Briefs", 0.9),
    ]
    strict, loose = accept_thresholds.by_threshold(outcomes, (0.95, 0.6))
    assert (strict["accepted_n"], strict["wrong_n"], strict["unknown_accepted"]) == (1, 0, 0)
    assert (loose["accepted_n"], loose["wrong_n"], loose["unknown_accepted"]) == (2, 1, 1)
    assert loose["accepted_share"] == round(2 / 3, 4), "a photo taken for unknown is reviewed at any confidence"
    console = Console(width=120, record=True)
    console.print(tables.accept_table("mine", [strict, loose]))
    assert "66.7%" in console.export_text()


def test_labels_of_other_photos_are_refused(outcomes: list[Outcome]) -> None:
    with pytest.raises(ValueError, match=r"r\.csv: none of its 1 photos is among the 5 that were measured"):
        relabelled(outcomes, {"99": ("Socks",)}, "r.csv")


def test_the_column_of_photos_has_two_names(review: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(review.read_text().replace("id,", "photo,", 1))
    assert read_labels(review) == read_labels(other)
    assert read_labels(review)["2"] == ("Heels", "Flats")


def photo(label: str, offered: str, first: str, second: str, chosen: str = "answer differs") -> str:
    return f"0,studio,{chosen},{label},{offered},{first},{second},,why\n"


def written_review(folder: Path, *rows: str) -> Path:
    path = folder / "passes.csv"
    path.write_text("id,domain,chosen,label,offered,first,second,accepts,reason\n" + "".join(rows), encoding="utf-8")
    return path


def test_agreement_of_two_passes(tmp_path: Path) -> None:
    path = written_review(
        tmp_path,
        photo("Heels", "Flats", "Heels", "Heels"),
        photo("Heels", "Flats", "Heels;Flats", "Flats"),
        photo("Heels", "Flats", "Flats", "Flats"),
        photo("Heels", "Flats", "Flats", "Heels"),
        photo("Heels", "Flats", "Heels", ""),  # judged once, so it does not count
    )
    figures = agreement(read_review(path))
    assert (figures["photos"], figures["same_set"], figures["common"]) == (4, 0.5, 0.75)
    # The label: yes yes, yes no, no no, no yes. Half agree, and half would by chance.
    assert figures["kappa_label"] == 0
    # The other category: no no, yes yes, yes yes, yes no. By chance 3/4 x 1/2 + 1/4 x 1/2.
    assert figures["kappa_offered"] == pytest.approx((0.75 - 0.5) / 0.5)
    assert 0 < figures["kappa_category"] < 1, "the 26 other categories are refused in both passes"


def test_agreement_with_an_independent_judge(tmp_path: Path) -> None:
    path = tmp_path / "judges.csv"
    path.write_text(
        "id,domain,chosen,label,offered,first,second,other_judge,accepts\n"
        "1,studio,control,Heels,Flats,Heels,Heels,Heels;Flats,Heels\n"
        "2,studio,control,Heels,Flats,Flats,Flats,Flats,Flats\n"
        "3,studio,control,Heels,Flats,Heels,Heels,,Heels\n"  # the other judge did not see it
    )
    photos = read_review(path)
    assert agreement(photos)["photos"] == 3
    other = agreement(photos, "other_judge")
    assert (other["photos"], other["same_set"], other["common"]) == (2, 0.5, 1.0)
    assert (other["kappa_label"], other["kappa_offered"]) == (1, 0)


def test_kappa_at_its_limits() -> None:
    assert kappa([(True, True), (False, False)]) == 1
    assert kappa([(True, False), (False, True)]) == -1
    assert kappa([(True, True)]) is kappa([]) is None


def test_wrong_labels_of_the_control_photos(tmp_path: Path) -> None:
    path = written_review(
        tmp_path,
        photo("Heels", "Flats", "Flats", "Flats", "control"),
        photo("Heels", "Flats", "Flats", "Heels;Flats", "wrong claim passes; control"),
        photo("Heels", "Flats", "Flats", "Flats", "answer differs"),
    )
    rates = control_labels(read_review(path))
    assert set(rates) == {"studio"}
    assert (rates["studio"]["photos"], rates["studio"]["wrong"]) == (2, 1)
    assert rates["studio"]["low"] < 0.5 < rates["studio"]["high"]


def test_a_fault_of_a_review_is_named_with_its_line(tmp_path: Path) -> None:
    path = written_review(tmp_path, photo("Heels", "Flats", "Heals", "Heels"))
    with pytest.raises(ValueError, match=r"line 2: 'Heals' is none .* did you mean 'Heels'"):
        read_review(path)


def test_the_shipped_review_accepts_what_either_pass_accepts() -> None:
    """Items that the data set calls unknown and a pass calls one of the 27 too have an empty `accepts`."""
    path = SHIPPED / "label_review.csv"
    accepted = read_labels(path)
    for each, accepts in zip(read_review(path), accepted.values(), strict=True):
        either = each.first | each.second
        named = either - {UNKNOWN}
        in_doubt = UNKNOWN in either and bool(named)
        assert set(accepts) == ((set() if UNKNOWN in each.label else named) if in_doubt else either)


def test_the_card_quotes_the_review() -> None:
    card = (SHIPPED / "README.md").read_text(encoding="utf-8")
    photos = read_review(SHIPPED / "label_review.csv")
    for figures in (agreement(photos), agreement(photos, "other_judge")):
        assert f"{figures['photos']} photos" in card
        assert f"{figures['same_set'] * 100:.0f}%" in card
        for name in ("kappa_label", "kappa_offered", "kappa_category"):
            assert f"{figures[name]:.2f}" in card, name
