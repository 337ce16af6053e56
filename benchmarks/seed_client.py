"""The baseline's nightly client: one request after another, one database connection per row.

``python -m benchmarks.seed_client FOLDER URL FIELD DATABASE [TOKEN_FILE]``
"""

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import requests

_TABLE = "CREATE TABLE IF NOT EXISTS predictions (filename TEXT, predicted_class TEXT, confidence REAL, timestamp TEXT)"


def classify_folder(folder: Path, url: str, field: str, database: Path, token: str | None) -> int:
    """Post every JPEG of a folder as a form file and store its prediction; return their number.

    Raises:
        requests.HTTPError: the service refused one.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    paths = sorted(folder.glob("*.jpg"))
    for path in paths:
        with path.open("rb") as file:
            answer = requests.post(url, files={field: (path.name, file, "image/jpeg")}, headers=headers, timeout=60)
        answer.raise_for_status()
        _store(database, path.name, answer.json())
    return len(paths)


def _store(database: Path, filename: str, answer: dict[str, object]) -> None:
    row = (filename, answer["predicted_class"], answer["confidence"], datetime.now(UTC).isoformat())
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(_TABLE)
        connection.execute("INSERT INTO predictions VALUES (?, ?, ?, ?)", row)


def main() -> None:
    """Read the command line and print how many photos were classified."""
    folder, url, field, database, *token_file = sys.argv[1:]
    token = Path(token_file[0]).read_text(encoding="ascii").strip() if token_file else None
    print(classify_folder(Path(folder), url, field, Path(database), token))


if __name__ == "__main__":
    main()
