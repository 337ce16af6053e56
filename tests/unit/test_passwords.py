"""Which passwords the desk accepts."""

import pytest

from web.auth.passwords import problem_with


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "K7#mq_2v!zRt",
        "x" * 3 + "yzäöü" * 3 + "1!",
        "adas purple tractor sings",
        "0918-2745-3361-77",
    ],
)
def test_a_long_unusual_password_is_accepted(password: str) -> None:
    assert problem_with(password, "ada") is None


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("K7#mq_2v!zR", "12 to 1,000 characters"),
        ("K7#mq_2v!zRt" + "long" * 300, "12 to 1,000 characters"),
        ("K7#mq_2v!zRt\r", "cannot be typed"),
        ("leavemealone", "too common"),
        ("LeaveMeAlone", "too common"),
        ("1Q2W3E4R5T6Y", "too common"),
        ("password2026!", "too common"),
        ("aaaaaaaaaaaaaaaa", "repeats itself"),
        ("tr4ctortr4ctor", "repeats itself"),
        ("123456789012", "repeats itself"),
        ("zyxwvutsrqponm", "repeats itself"),
        ("grace.hopper1!", "name of the account"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused(password: str, problem: str) -> None:
    assert problem in (problem_with(password, "grace.hopper") or "")
