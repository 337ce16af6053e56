"""Limits on how often a password can be guessed."""

import ipaddress
import threading
import time
from collections import defaultdict, deque
from typing import NamedTuple

_MOST_KEYS = 10_000  # remembered at the same time, so that made-up names cannot fill the memory


class _Limit(NamedTuple):
    most: int
    seconds: float


# A name is limited at each address, so that nobody can lock its owner out from elsewhere. Source for the limit of an
# account over all addresses: OWASP ASVS 4.0.3, 2.2.1, at most 100 failed attempts an hour.
_NAME_AT_ADDRESS = _Limit(5, 300.0)
_ADDRESS = _Limit(30, 300.0)
_ACCOUNT = _Limit(100, 3600.0)
_LONGEST_NAME = 64

Key = tuple[str, str]


class LoginAttempts:
    """Counts the logins that failed, by name, by address and by both; safe to share between threads.

    A user's own address, from which a login succeeded before, is not subject to the limit of the account: guessing
    from many addresses must not lock the user out.
    """

    def __init__(self) -> None:
        self._attempts: defaultdict[Key, deque[float]] = defaultdict(deque)
        self._known: dict[Key, None] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, address: str) -> int:
        """Count an attempt before the password is checked, and return 0; or return how many seconds to wait."""
        now = time.monotonic()
        with self._lock:
            limits = self._limits(name, address)
            wait = max(self._wait(key, limit, now) for key, limit in limits.items())
            if wait == 0:
                for key in limits:
                    self._attempts[key].append(now)
            if len(self._attempts) > _MOST_KEYS:
                self._forget(now)
        return wait

    def succeeded(self, name: str, address: str) -> None:
        """Forget the attempts of a user who logged in, and the last one of the address, because it was no guess."""
        of_name, *others = self._limits(name, address)
        with self._lock:
            self._attempts.pop(of_name, None)
            for key in others:
                if times := self._attempts.get(key):
                    times.pop()
            self._known.pop(of_name, None)
            self._known[of_name] = None
            if len(self._known) > _MOST_KEYS:
                self._known.pop(next(iter(self._known)))

    def _forget(self, now: float) -> None:
        """Remove what no longer counts; if that is not enough, the oldest, so that this is not needed each time."""
        for key in [key for key, times in self._attempts.items() if _is_over(times, _limit_of(key), now)]:
            del self._attempts[key]
        for key in list(self._attempts)[: max(0, len(self._attempts) - _MOST_KEYS * 9 // 10)]:
            del self._attempts[key]

    def _limits(self, name: str, address: str) -> dict[Key, _Limit]:
        of_name, of_address, of_account = _keys(name, address)
        limits = {of_name: _NAME_AT_ADDRESS, of_address: _ADDRESS}
        return limits if of_name in self._known else {**limits, of_account: _ACCOUNT}

    def _wait(self, key: Key, limit: _Limit, now: float) -> int:
        times = self._attempts.get(key)
        if times is None or _is_over(times, limit, now):
            self._attempts.pop(key, None)
            return 0
        while now - times[0] > limit.seconds:
            times.popleft()
        if len(times) < limit.most:
            return 0
        return int(limit.seconds - (now - times[0])) + 1


def _is_over(times: deque[float], limit: _Limit, now: float) -> bool:
    """Return True if none of the attempts counts any more."""
    return not times or now - times[-1] > limit.seconds


def _keys(name: str, address: str) -> tuple[Key, Key, Key]:
    """Return what is counted: a name at an address, any name at an address, and a name at any address."""
    name, network = name[:_LONGEST_NAME], _network(address)
    return (name, network), ("", network), (name, "")


def _limit_of(key: Key) -> _Limit:
    name, network = key
    if not network:
        return _ACCOUNT
    return _NAME_AT_ADDRESS if name else _ADDRESS


def _network(address: str) -> str:
    """Return what one client can choose its addresses from: with IPv6 that is a whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
