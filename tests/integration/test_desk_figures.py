"""The numbers on the desk's pages."""

import pytest

from results.intervals import Share, Stratum, share_of, wilson
from web.charts import area_plot, band_plot, interval_plot, line_plot
from web.http.rendering import count, percent, plural, seconds


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (950, 1000, 0.9347, 0.9619)],
)
def test_wilson_interval(hits: int, trials: int, low: float, high: float) -> None:
    """Values of Wilson's formula without continuity correction, as statistics packages print them."""
    assert wilson(hits, trials) == pytest.approx((low, high), abs=5e-5)


def test_what_is_not_all_is_never_a_hundred_percent() -> None:
    assert [percent(share) for share in (0.99997, 1.0, 0.5, 0.0, None)] == ["99.9%", "100.0%", "50.0%", "0.0%", "-"]


def test_numbers_and_durations_are_readable() -> None:
    assert (plural(1, "photo"), plural(1234567, "photo")) == ("1 photo", "1\u202f234\u202f567 photos")
    assert [seconds(value) for value in (0.44, 75, 3 * 3600 + 65, None)] == ["0.4 s", "1 min 15 s", "3 h 01 min", "-"]
    assert count(0) == "0"


def test_bands_fill_the_plot_and_lines_stay_inside() -> None:
    plot = area_plot(["a", "b"], ["Socks", "rest"], [[3, 1], [0, 0]])
    assert [band.total for band in plot.bands] == [3, 1]
    top, bottom = plot.marks_y[-1].y, plot.marks_y[0].y
    share = bottom - 0.75 * (bottom - top)
    assert plot.bands[0].path.startswith(f"M{plot.left:.1f} {share:.1f} ")
    assert plot.bands[1].path.startswith(f"M{plot.left:.1f} {top:.1f} ")
    line = line_plot(["a"], [0.5])
    assert top < line.points[0].y < bottom
    assert plot.left < line.points[0].x < plot.right


def test_many_runs_share_few_labels() -> None:
    labels = [f"2026-11-{day:02}" for day in range(1, 31)]
    marks = line_plot(labels, [0.5] * 30).marks_x
    assert len(marks) <= 6
    assert marks[-1].text == labels[-1]


def test_the_share_of_a_whole_counts_its_parts_by_their_size() -> None:
    assert share_of([Stratum(0, 0, 0), Stratum(90, 1, 10)]) == Share(0.1, *wilson(1, 10))
    assert share_of([Stratum(10, 0, 0), Stratum(90, 1, 10)]) is None
    assert share_of([]) is None
    both = share_of([Stratum(900, 0, 100), Stratum(100, 50, 100)])
    assert both is not None
    assert both.share == pytest.approx(0.05)
    assert 0 < both.low < 0.05 < both.high < 0.09


def test_intervals_are_drawn_to_their_scale() -> None:
    plot = interval_plot(["a", "b", "c"], [Share(0.01, 0.005, 0.015), None, Share(0.0, 0.0, 0.012)], marked=2)
    assert plot is not None
    assert [mark.text for mark in plot.marks_y] == ["0.00%", "0.50%", "1.00%", "1.50%", "2.00%"]
    top, bottom = plot.marks_y[-1].y, plot.marks_y[0].y
    assert [point.y for point in plot.points] == pytest.approx([(top + bottom) / 2, bottom])
    assert plot.whiskers[0].top < plot.points[0].y < plot.whiskers[0].bottom
    assert plot.marked == plot.points[1].x
    assert interval_plot(["a"], [None]) is None


def test_means_are_drawn_over_their_bands() -> None:
    plot = band_plot(["a", "b"], [0.8, 0.7], [None, (0.75, 0.85)])
    assert (plot.marks_y[0].text, plot.marks_y[-1].text) == ("65.0%", "90.0%")
    top, bottom = plot.marks_y[-1].y, plot.marks_y[0].y
    assert plot.points[0].y == pytest.approx(top + (bottom - top) * 0.4)
    assert len(plot.whiskers) == 1
    assert plot.whiskers[0].bottom < plot.points[1].y


def test_an_axis_says_each_date_once() -> None:
    labels = ["2026-11-01", "2026-11-01", "2026-11-02", "2026-11-02", "2026-11-02"]
    assert [mark.text for mark in line_plot(labels, [0.5] * 5).marks_x] == ["2026-11-01", "2026-11-02"]
