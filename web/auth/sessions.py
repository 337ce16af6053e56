"""Sessions of people who logged in, kept on the server so that they can be listed and ended."""

import contextlib
import hashlib
import os
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from web.auth.account import Account
from web.private_files import private_folder

SESSION_SECONDS = 12 * 3600
_SEEN_SECONDS = 60  # how exactly the last use is known: not every request writes
_BUSY_SECONDS = 5
_TABLE = """CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    began REAL NOT NULL,
    seen REAL NOT NULL,
    address TEXT NOT NULL,
    browser TEXT NOT NULL)"""
_FIND = "SELECT id, name, fingerprint, began, seen, address, browser FROM sessions WHERE token_hash = ?"
_LIST = """SELECT id, name, fingerprint, began, seen, address, browser FROM sessions
    WHERE began > ? AND (name = ? OR ? IS NULL) ORDER BY seen DESC, id DESC"""


class SessionsError(RuntimeError):
    """The sessions cannot be read or written; the message names the file."""


@dataclass(frozen=True)
class Session:
    """One login of one browser.

    Attributes:
        id: for lists; it opens nothing.
        name: of the account.
        fingerprint: of the account when the session began.
        began: seconds since 1970.
        seen: of the last request, to the minute.
        address: where the login came from.
        browser: what the browser called itself.
    """

    id: int
    name: str
    fingerprint: str
    began: float
    seen: float
    address: str
    browser: str


class Sessions:
    """The sessions in ``WEB_DIR/sessions.db``; safe to share between threads and processes.

    The browser keeps a random token; we keep its hash alone, so that a copy of the file opens no session.

    Args:
        folder: ``WEB_DIR``.

    Raises:
        SessionsError: the file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sessions.db"
        self._lock = threading.Lock()
        private_folder(folder)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )
        self._run(_TABLE)

    def begin(self, account: Account, address: str, browser: str) -> str:
        """Begin a session and return its token."""
        token, now = secrets.token_urlsafe(32), time.time()
        self._run("DELETE FROM sessions WHERE began < ?", now - SESSION_SECONDS)
        self._run(
            "INSERT INTO sessions (token_hash, name, fingerprint, began, seen, address, browser)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(_hashed(token), account.name, account.fingerprint, now, now, address, browser[:300]),
        )
        return token

    def find(self, token: str) -> Session | None:
        """Return the session of a token; None if it has ended."""
        now = time.time()
        rows = self._run(_FIND, _hashed(token))
        if not rows or now - (found := Session(*rows[0])).began > SESSION_SECONDS:
            return None
        if now - found.seen > _SEEN_SECONDS:
            with contextlib.suppress(SessionsError):  # a full disk ends no session
                self._run("UPDATE sessions SET seen = ? WHERE id = ?", now, found.id)
        return found

    def running(self, name: str | None = None) -> list[Session]:
        """Return the running sessions of a user, or of all users; the last used one first."""
        rows = self._run(_LIST, time.time() - SESSION_SECONDS, name, name)
        return [Session(*row) for row in rows]

    def end(self, session_id: int) -> None:
        """End one session."""
        self._run("DELETE FROM sessions WHERE id = ?", session_id)

    def end_all(self, name: str) -> int:
        """End all sessions of a user; return how many there were."""
        return len(self._run("DELETE FROM sessions WHERE name = ? RETURNING id", name))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, *values: object) -> list[tuple[int, str, str, float, float, str, str]]:
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise SessionsError(f"the sessions in {self._path} cannot be used: {error}") from error


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
