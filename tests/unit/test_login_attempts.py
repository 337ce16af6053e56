"""How often a password can be guessed, and what the checks of passwords may take."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import argon2
import pytest

from web.auth import accounts, login_attempts
from web.auth.login_attempts import LoginAttempts

ADDRESS = "198.51.100.1"


class Clock:
    """Stands in for the module `time` where attempts are counted."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(login_attempts, "time", clock)
    return clock


def test_a_name_that_expires_while_its_address_waits_harms_nobody(clock: Clock) -> None:
    """More names than are remembered follow, so that all of them are looked through."""
    attempts = LoginAttempts()
    assert attempts.begin("rob", ADDRESS) == 0
    clock.now += 299
    assert [attempts.begin(f"name-{n}", ADDRESS) for n in range(29)] == [0] * 29
    clock.now += 2
    assert attempts.begin("name-29", ADDRESS) == 0
    assert attempts.begin("rob", ADDRESS) > 0
    assert {attempts.begin("ada", f"address-{n}") for n in range(6000)} == {0}


def test_what_is_over_is_forgotten_when_there_is_much_of_it(clock: Clock) -> None:
    attempts = LoginAttempts()
    for n in range(5000):
        attempts.begin("ada", f"address-{n}")
    attempts.succeeded("ada", "address-0")  # which leaves nothing to count
    clock.now += 301
    for n in range(2):
        attempts.begin("ada", f"later-{n}")
    assert len(attempts._attempts) == 4


def test_right_passwords_do_not_use_up_what_an_address_may_try(clock: Clock) -> None:
    attempts = LoginAttempts()
    assert [attempts.begin(f"guess-{n}", ADDRESS) for n in range(29)] == [0] * 29
    for n in range(60):
        assert attempts.begin(f"person-{n}", ADDRESS) == 0
        attempts.succeeded(f"person-{n}", ADDRESS)
    assert attempts.begin("guess-29", ADDRESS) == 0
    assert attempts.begin("person-0", ADDRESS) == 300 + 1


def test_at_most_two_passwords_are_checked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 64 MiB, and a container has 1 GB."""
    running: list[int] = []
    seen: list[int] = []
    lock = threading.Lock()

    class CountingHasher(argon2.PasswordHasher):
        def verify(self, *given: Any) -> Any:
            with lock:
                running.append(1)
                seen.append(len(running))
            try:
                time.sleep(0.05)
                return super().verify(*given)
            finally:
                with lock:
                    running.pop()

    monkeypatch.setattr(accounts, "PasswordHasher", CountingHasher)
    file = accounts.Accounts(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: file.check("rob", "wrong password"), range(8))) == [None] * 8
    assert (len(seen), max(seen)) == (8, 2)
