"""Days of a reader: where they begin and end."""

import pytest

from web.http.days import read_period, read_zone


@pytest.mark.parametrize(
    ("zone", "since", "until"),
    [
        ("", "2026-11-27T00:00:00.000Z", "2026-11-29T00:00:00.000Z"),
        ("Europe/Berlin", "2026-11-26T23:00:00.000Z", "2026-11-28T23:00:00.000Z"),
        ("America/New_York", "2026-11-27T05:00:00.000Z", "2026-11-29T05:00:00.000Z"),
        ("Asia/Kolkata", "2026-11-26T18:30:00.000Z", "2026-11-28T18:30:00.000Z"),
    ],
)
def test_days_begin_at_the_midnight_of_the_reader(zone: str, since: str, until: str) -> None:
    assert read_period("2026-11-27", "2026-11-28", read_zone(zone)) == (since, until)


def test_a_day_on_which_the_clocks_change_has_23_hours() -> None:
    since, until = read_period("2026-03-29", "2026-03-29", read_zone("Europe/Berlin"))
    assert (since, until) == ("2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z")


def test_without_days_there_is_no_limit() -> None:
    assert read_period("", "", read_zone("Europe/Berlin")) == (None, None)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "a\\b", "."])
def test_a_time_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        read_zone(zone)
