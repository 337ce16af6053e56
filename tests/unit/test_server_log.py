"""The server's log: what the engine prints, line by line, and where it goes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import logs


@pytest.fixture(autouse=True)
def _no_handlers_left() -> Iterator[None]:
    yield
    for handler in logs.log.handlers[:]:
        logs.log.removeHandler(handler)
        handler.close()


def test_the_engines_lines_stay_and_plain_text_becomes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "logs" / "app.log"
    logs.set_up(path)
    own = b'{"time":"2026-11-23T00:00:00.000Z","level":"ERROR","logger":"x","message":"m","exception":"a\\n\\tat b"}'
    logs.relay([own + b"\n", b"\n", b"java.lang.OutOfMemoryError: \xff\n", b"{half an object\n"])
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines == capsys.readouterr().out.splitlines()
    assert lines[0].encode() == own
    assert [json.loads(line)["message"] for line in lines[1:]] == [
        "java.lang.OutOfMemoryError: \ufffd",
        "{half an object",
    ]
    assert all(json.loads(line).keys() == json.loads(own).keys() for line in lines)


def test_the_file_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_BYTES", 1000)
    logs.set_up(tmp_path / "app.log")
    logs.relay([b"x" * 300] * 40)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.log", *(f"app.log.{n}" for n in range(1, 6))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())


def test_without_a_file_stdout_has_the_log_and_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    logs.set_up(tmp_path / "file" / "app.log")
    logs.relay([b"Model server started.\n"])
    warning, line = map(json.loads, capsys.readouterr().out.splitlines())
    assert warning["level"] == "WARNING"
    assert "LOG_DIR" in warning["message"]
    assert line["message"] == "Model server started."
