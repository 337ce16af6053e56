"""How often a password can be guessed, and what the checks of passwords may take."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import argon2
import pytest

from web.auth import accounts, login_attempts, passwords
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
    assert {attempts.begin(f"ada-{n}", f"address-{n}") for n in range(6000)} == {0}


def test_what_is_over_is_forgotten_when_there_is_much_of_it(clock: Clock) -> None:
    attempts = LoginAttempts()
    for n in range(4000):
        attempts.begin(f"ada-{n}", f"address-{n}")
    attempts.succeeded("ada-0", "address-0")  # which leaves nothing to count
    clock.now += 3601
    for n in range(2):
        attempts.begin("ada", f"later-{n}")
    assert len(attempts._attempts) == 5  # two of a name at an address, two of an address, one of the account


def test_made_up_names_fill_no_memory(clock: Clock) -> None:
    attempts = LoginAttempts()
    for n in range(20_000):
        attempts.begin(f"name-{n}", f"address-{n}")
    assert len(attempts._attempts) <= 10_000


def test_an_account_is_guessed_at_most_a_hundred_times_an_hour_from_anywhere(clock: Clock) -> None:
    attempts = LoginAttempts()
    assert attempts.begin("ada", "192.0.2.7") == 0
    attempts.succeeded("ada", "192.0.2.7")
    assert [attempts.begin("ada", f"198.51.100.{n}") for n in range(100)] == [0] * 100
    clock.now += 301
    assert attempts.begin("ada", "203.0.113.1") == 3600 - 301 + 1
    assert attempts.begin("rob", "203.0.113.1") == 0
    assert attempts.begin("ada", "192.0.2.7") == 0  # where she logged in before
    clock.now += 3600
    assert attempts.begin("ada", "203.0.113.1") == 0


def test_all_addresses_of_an_ipv6_network_are_one_client(clock: Clock) -> None:
    attempts = LoginAttempts()
    assert [attempts.begin("ada", f"2001:db8:0:1::{n:x}") for n in range(5)] == [0] * 5
    assert attempts.begin("ada", "2001:db8:0:1:ffff::1") > 0
    assert attempts.begin("ada", "2001:db8:0:2::1") == 0


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

    monkeypatch.setattr(passwords, "PasswordHasher", CountingHasher)
    file = accounts.Accounts(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: file.check("rob", "wrong password"), range(8))) == [None] * 8
    assert (len(seen), max(seen)) == (8, 2)
