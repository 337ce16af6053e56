"""The order check: its figures, and the thresholds that keep the promises."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from training.data.categories import CLASSES, OUTPUTS, UNKNOWN
from training.data.dataset import Dataset, accept_targets
from training.data.samples import Domain, Sample
from training.evaluate import order_check, order_tables, plots
from training.evaluate.outcomes import Outcome, judged_of
from training.match_calibration import MatchThresholds, calibrate_match

HEELS, FLATS, SOCKS = (CLASSES.index(name) for name in ("Heels", "Flats", "Socks"))
OUTLIER = OUTPUTS - 1


def probabilities(**by_number: float) -> list[float]:
    """Give some outputs a probability, and divide the rest among the others."""
    given = {int(name.removeprefix("of")): value for name, value in by_number.items()}
    rest = (1 - sum(given.values())) / (OUTPUTS - len(given))
    return [given.get(number, rest) for number in range(OUTPUTS)]


def outcome(accepts: tuple[str, ...], given: list[float]) -> Outcome:
    return Outcome("all", accepts, ("Heels", "Flats", "Socks"), 0.5, True, False, tuple(given))


@pytest.fixture
def photos() -> list[Outcome]:
    """Ten heels, of which four pass as flats and one as nothing; ten socks; a shoe that may be two; and a hat."""
    sure, torn, lost = (
        probabilities(**{f"of{HEELS}": 0.9}),
        probabilities(**{f"of{HEELS}": 0.5, f"of{FLATS}": 0.4}),
        probabilities(**{f"of{HEELS}": 0.001, f"of{OUTLIER}": 0.9}),
    )
    heels = [outcome(("Heels",), given) for given in [sure] * 5 + [torn] * 4 + [lost]]
    socks = [outcome(("Socks",), probabilities(**{f"of{SOCKS}": 0.95}))] * 10
    either = outcome(("Heels", "Flats"), probabilities(**{f"of{HEELS}": 0.15, f"of{FLATS}": 0.15, f"of{SOCKS}": 0.6}))
    hat = outcome((UNKNOWN,), probabilities(**{f"of{SOCKS}": 0.3, f"of{OUTLIER}": 0.6}))
    return [*heels, *socks, either, hat]


def test_the_figures_count_each_claim(photos: list[Outcome]) -> None:
    figures = order_check.figures_of(judged_of(photos), 0.2, 0.01)
    assert (figures["right_n"], figures["any_n"], figures["wrong_n"], figures["unknown_n"]) == (20, 21, 21, 1)
    assert figures["right_match"] == pytest.approx(19 / 20)
    assert figures["right_mismatch"] == pytest.approx(1 / 20)
    assert figures["any_match"] == pytest.approx(20 / 21, abs=1e-5), "0.15 and 0.15 together match"
    assert figures["wrong_match"] == pytest.approx((4 / 26 + 1 / 25) / 21, abs=1e-5)
    assert figures["unknown_match"] == pytest.approx(1 / 27, abs=1e-5)
    assert figures["unknown_mismatch"] == pytest.approx(26 / 27, abs=1e-5)
    assert figures["right_match_error"] == pytest.approx((0.95 * 0.05 / 20) ** 0.5, abs=1e-5)


def test_categories_and_pairs(photos: list[Outcome]) -> None:
    judged = judged_of(photos)
    rows = {row["category"]: row for row in order_check.by_category(judged, 0.2, 0.01)}
    assert rows["Heels"] == {
        "category": "Heels",
        "photos": 10,
        "right_match": 0.9,
        "right_mismatch": 0.1,
        "wrong_match": 0.0,
    }
    assert rows["Flats"]["wrong_match"] == pytest.approx(4 / 20)
    assert rows["Belts"]["right_match"] is None
    assert order_check.look_alikes(judged, 0.2) == [{"shown": "Heels", "ordered": "Flats", "photos": 10, "passed": 0.4}]


def test_the_report_is_printed_and_drawn(photos: list[Outcome], tmp_path: Path) -> None:
    judged = judged_of(photos)
    group = {
        **order_check.figures_of(judged, 0.2, 0.01),
        "by_category": order_check.by_category(judged, 0.2, 0.01),
        "look_alikes": order_check.look_alikes(judged, 0.2),
    }
    report = {"match_threshold": 0.2, "mismatch_threshold": 0.01, "groups": {"all": group}}
    console = Console(width=100, record=True)
    order_tables.show(console, report)
    printed = console.export_text()
    assert "95.00% ± 4.87" in printed
    assert ["Heels", "Flats", "10", "40.0%"] in [line.split() for line in printed.splitlines()]
    written = plots.write(photos, tmp_path, "figures", report)
    assert [path.name for path in written] == [
        "figures-reliability.png",
        "figures-coverage.png",
        "figures-order-check.png",
    ]
    with Image.open(written[-1]) as picture:
        assert picture.width > 500


def test_the_curve_rises_from_nothing_to_all(photos: list[Outcome]) -> None:
    right, wrong, unknown = order_check.curve(judged_of(photos))
    assert (right[0], wrong[0], unknown[0]) == (0, 0, 0)
    assert (right[-1], wrong[-1], unknown[-1]) == (1, 1, 1)
    for values in (right, wrong, unknown):
        assert values == sorted(values)


def tuning_rows(count: int, domain: Domain = "studio") -> tuple[Tensor, Dataset]:
    """Photos of socks that a model doubts more or less, and hats of twenty kinds."""
    generator = torch.Generator().manual_seed(4)
    samples = [Sample(domain, str(i), "Socks", ("Socks",), "tune", b"") for i in range(count)]
    samples += [Sample("studio", f"hat {i}", f"hat {i % 20}", (UNKNOWN,), "tune", b"") for i in range(count)]
    logits = torch.randn(len(samples), OUTPUTS, generator=generator)
    logits[:count, SOCKS] += torch.linspace(1, 30, count)
    logits[count:, OUTLIER] += 5
    dataset = Dataset(samples, torch.zeros(len(samples), 1, 1, 3, dtype=torch.uint8), accept_targets(samples))
    return logits, dataset


def passed(logits: Tensor, tuning: Dataset, threshold: float, of_unknown: bool) -> Tensor:
    chosen = tuning.accepts[:, -1] == of_unknown
    return order_check.passed_wrong_claims(torch.softmax(logits, dim=1)[chosen], tuning.accepts[chosen], threshold)


class TestThresholds:
    def test_the_lowest_that_keeps_the_promises(self) -> None:
        logits, tuning = tuning_rows(600)
        chosen = calibrate_match(logits, tuning, 1.0)

        def broken(threshold: float) -> bool:
            wrong = passed(logits, tuning, threshold, of_unknown=False)
            kinds = passed(logits, tuning, threshold, of_unknown=True).view(30, 20).mean(dim=0)
            too_many = (wrong, 0.01), (kinds, 0.03)
            return any(float(each.mean() + each.std() / len(each) ** 0.5) > most for each, most in too_many)

        assert 0 < chosen.match_threshold < 1
        assert not broken(chosen.match_threshold)
        low, high = chosen.match_threshold_range
        assert chosen.mismatch_threshold <= low <= chosen.match_threshold <= high == 0.95
        assert broken(chosen.match_threshold - 0.001)
        right = torch.softmax(logits, dim=1)[:600, SOCKS]
        assert 0 < float((right < chosen.mismatch_threshold).float().mean()) <= 0.01
        assert float((right < chosen.mismatch_threshold + 1e-4).float().mean()) > 0.005

    def test_each_kind_of_unknown_items_counts_equally(self) -> None:
        logits, tuning = tuning_rows(600)
        logits[:600, SOCKS] += 30  # no wrong claim passes, so unknown items decide
        before = calibrate_match(logits, tuning, 1.0).match_threshold
        strange = Sample("studio", "cap", "caps", (UNKNOWN,), "tune", b"")
        one = torch.full((1, OUTPUTS), -9.0)
        one[0, [HEELS, FLATS, SOCKS]] = 5.0  # three claims in 27 pass below 1/3
        few, many = (
            Dataset(samples, tuning.photos, accept_targets(samples))
            for samples in ([*tuning.samples, *[strange] * count] for count in (1, 40))
        )
        with_one = calibrate_match(torch.cat([logits, one]), few, 1.0).match_threshold
        with_forty = calibrate_match(torch.cat([logits, one.expand(40, -1)]), many, 1.0).match_threshold
        assert before < with_one == with_forty

    @pytest.mark.parametrize(("phone", "same"), [(30, True), (60, False)])
    def test_a_domain_counts_alone_where_it_has_enough_photos(self, phone: int, same: bool) -> None:
        logits, tuning = tuning_rows(3000)
        torn = torch.full((phone, OUTPUTS), -9.0)
        torn[:, [HEELS, FLATS, SOCKS]] = 5.0
        samples = [*tuning.samples, *(Sample("phone", str(i), "", ("Socks",), "tune", b"") for i in range(phone))]
        both = Dataset(samples, tuning.photos, accept_targets(samples))
        pooled = [Sample("studio", s.key, s.source_label, s.accepts, s.part, b"") for s in samples]
        together = Dataset(pooled, tuning.photos, accept_targets(pooled))
        thresholds = [calibrate_match(torch.cat([logits, torn]), rows, 1.0) for rows in (together, both)]
        assert (thresholds[0] == thresholds[1]) == same
        assert thresholds[0].match_threshold <= thresholds[1].match_threshold

    def test_where_no_threshold_keeps_them_next_to_nothing_matches(self) -> None:
        samples = [Sample("studio", str(i), "Socks", ("Socks",), "tune", b"") for i in range(60)]
        logits = torch.full((60, OUTPUTS), -20.0)
        logits[:, HEELS] = 20.0
        tuning = Dataset(samples, torch.zeros(60, 1, 1, 3, dtype=torch.uint8), accept_targets(samples))
        assert calibrate_match(logits, tuning, 1.0) == MatchThresholds(1.0, 0.0, (0.01, 1.0))
