"""The second factor of a login: what is accepted, and how often."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyotp
import pytest

from web.auth import second_factors
from web.auth.second_factors import RECOVERY_CODES, SecondFactors, SecondFactorsError, qr_code

NOON = 1_800_000_000.0  # the beginning of a step


class Clock:
    """The time that the module under test sees."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(second_factors, "_now", clock)
    return clock


def code(secret: str, clock: Clock, steps: int = 0) -> str:
    """Return what the app shows some steps from now."""
    return pyotp.TOTP(secret).at(int(clock.now) + 30 * steps)


def confirmed(factors: SecondFactors, clock: Clock) -> tuple[str, list[str]]:
    secret = factors.begin("ada")
    recovery = factors.confirm("ada", code(secret, clock))
    assert recovery is not None
    clock.now += 300
    return secret, recovery


def test_the_codes_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B: SHA-1, the last six of its eight digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    shown = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    assert {moment: pyotp.TOTP(secret).at(moment) for moment in shown} == shown


def test_it_counts_only_when_a_code_confirmed_it(tmp_path: Path, clock: Clock) -> None:
    factors = SecondFactors(tmp_path)
    secret = factors.begin("ada")
    assert factors.pending_secret("ada") == secret
    assert factors.accept("ada", code(secret, clock)) is None
    assert factors.confirm("ada", "000000" if code(secret, clock) != "000000" else "000001") is None
    recovery = factors.confirm("ada", code(secret, clock))
    assert recovery is not None
    assert len(set(recovery)) == RECOVERY_CODES
    assert factors.pending_secret("ada") is None
    assert factors.accept("ada", code(secret, clock)) is None, "the code that confirmed it is used up"
    assert factors.accept("ada", code(secret, clock, 1)) == "app"


@pytest.mark.parametrize(("steps", "kind"), [(-2, None), (-1, "app"), (0, "app"), (1, "app"), (2, None)])
def test_a_clock_may_be_half_a_minute_off(tmp_path: Path, clock: Clock, steps: int, kind: str | None) -> None:
    factors = SecondFactors(tmp_path)
    secret, _ = confirmed(factors, clock)
    assert factors.accept("ada", code(secret, clock, steps)) == kind


def test_a_code_is_accepted_once_and_none_before_it(tmp_path: Path, clock: Clock) -> None:
    factors = SecondFactors(tmp_path)
    secret, _ = confirmed(factors, clock)
    assert factors.accept("ada", " ".join(code(secret, clock))) == "app"
    for steps in (0, -1):
        assert factors.accept("ada", code(secret, clock, steps)) is None
    clock.now += 30
    assert factors.accept("ada", code(secret, clock)) == "app"


def test_of_two_logins_with_one_code_one_succeeds(tmp_path: Path, clock: Clock) -> None:
    secret, _ = confirmed(SecondFactors(tmp_path), clock)
    shown = code(secret, clock)
    with ThreadPoolExecutor(6) as pool:
        accepted = list(pool.map(lambda _: SecondFactors(tmp_path).accept("ada", shown), range(6)))
    assert sorted(map(str, accepted)) == ["None"] * 5 + ["app"]


def test_recovery_codes_work_once_each_and_are_kept_as_hashes(tmp_path: Path, clock: Clock) -> None:
    factors = SecondFactors(tmp_path)
    _, recovery = confirmed(factors, clock)
    stored = factors.path.read_text()
    assert not [text for text in recovery if text in stored or text.replace("-", "") in stored]
    assert factors.path.stat().st_mode & 0o077 == 0
    assert factors.accept("ada", f" {recovery[3].upper().replace('-', ' ')} ") == "recovery"
    assert factors.accept("ada", recovery[3]) is None
    assert factors.accept("eve", recovery[4]) is None
    assert factors.recovery_codes_left("ada") == RECOVERY_CODES - 1
    assert factors.accept("ada", "") is None


def test_a_file_that_cannot_be_read_accepts_nothing(tmp_path: Path) -> None:
    (tmp_path / "second-factors").write_text("{")
    with pytest.raises(SecondFactorsError, match="second-factors cannot be read"):
        SecondFactors(tmp_path).accept("ada", "123456")


def test_the_picture_has_no_style_that_the_pages_forbid() -> None:
    drawn = qr_code('a"><script>', pyotp.random_base32())
    assert drawn.startswith("<svg ")
    assert "style" not in drawn
    assert "script" not in drawn
