"""A bound on how often a password can be guessed."""

import threading
import time
from collections import defaultdict, deque

_WINDOW_SECONDS = 300.0
_MOST_PER_NAME = 5
_MOST_PER_ADDRESS = 30
_MOST_KEYS = 10_000  # remembered at once, so that made-up names cannot fill the memory


class LoginAttempts:
    """Counts the logins of the last five minutes that failed, by name and by address; safe to share between threads."""

    def __init__(self) -> None:
        self._attempts: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def begin(self, name: str, address: str) -> int:
        """Note an attempt, before the password is looked at, and return 0; or how many seconds it has to wait."""
        now = time.monotonic()
        with self._lock:
            wait = max(self._wait(key, most, now) for key, most in _keys(name, address))
            if wait == 0:
                for key, _ in _keys(name, address):
                    self._attempts[key].append(now)
            if len(self._attempts) > _MOST_KEYS:
                for key in [key for key, times in self._attempts.items() if _is_stale(times, now)]:
                    del self._attempts[key]
        return wait

    def succeeded(self, name: str, address: str) -> None:
        """Forget the attempts of a name, whose owner is in, and the last one of the address: it was no guess."""
        (of_name, _), (of_address, _) = _keys(name, address)
        with self._lock:
            self._attempts.pop(of_name, None)
            if times := self._attempts.get(of_address):
                times.pop()

    def _wait(self, key: tuple[str, str], most: int, now: float) -> int:
        times = self._attempts.get(key)
        if times is None or _is_stale(times, now):
            self._attempts.pop(key, None)
            return 0
        while now - times[0] > _WINDOW_SECONDS:
            times.popleft()
        if len(times) < most:
            return 0
        return int(_WINDOW_SECONDS - (now - times[0])) + 1


def _is_stale(times: deque[float], now: float) -> bool:
    """Tell whether none of the attempts counts any more; there are none left where the last one succeeded."""
    return not times or now - times[-1] > _WINDOW_SECONDS


def _keys(name: str, address: str) -> tuple[tuple[tuple[str, str], int], ...]:
    """Return what is counted, with its bound; a name at one address, or anybody could lock its owner out."""
    return ((name[:64], address), _MOST_PER_NAME), (("", address), _MOST_PER_ADDRESS)
