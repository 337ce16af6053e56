"""Empty SQLite's write-ahead log."""

import sqlite3
import time

from results.database import Database

_ATTEMPTS, _WAIT_MS, _PAUSE_S = 20, 300, 0.15


def empty_write_ahead_log(database: Database) -> bool:
    """Write SQLite's log into the database file and empty it: until then it holds what was deleted.

    Readers and writers of the desk get their turn between the attempts.

    Returns:
        False if others used the log all the time. Their last connection empties it.
    """
    if database.engine.dialect.name != "sqlite":
        return True
    connection = database.engine.raw_connection()  # a transaction of SQLAlchemy's would stand in the way
    try:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_WAIT_MS}")
        for _ in range(_ATTEMPTS):
            try:
                busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError:  # locked
                busy = 1
            if not busy:
                return True
            time.sleep(_PAUSE_S)
        return False
    finally:
        connection.invalidate()  # with its short patience it must serve nobody else
