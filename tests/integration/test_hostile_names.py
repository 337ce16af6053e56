"""File names that would write lines of their own into a log, or commands to a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.batch_rig import BatchRig
from tests.support.stub_service import NOT_A_PHOTO

FORGED = "broken\n2026-11-28T02:00:00+0000 INFO    run 98: found=5.jpg"
ESCAPES = "\x1b]0;title\x07\x9b31m\u202egpj.jpg"
SHOWN = ("broken\\x0a2026-11-28", "\\x1b]0;title\\x07\\x9b31m\\u202e")


@pytest.fixture
def hostile(rig: BatchRig) -> BatchRig:
    rig.add(FORGED, ESCAPES)
    rig.stub.answer = lambda body, attempt: NOT_A_PHOTO
    return rig


def has_controls(text: str) -> bool:
    return any(character in text for character in "\x1b\x07\x9b\u202e")


@pytest.mark.parametrize("line_format", ["text", "json"])
def test_the_log_has_a_line_for_each(hostile: BatchRig, line_format: str) -> None:
    hostile.environment["LOG_FORMAT"] = line_format
    hostile.run()
    text = (Path(hostile.environment["LOG_DIR"]) / "batch.log").read_text(encoding="utf-8")
    lines = text.removesuffix("\n").split("\n")
    assert not has_controls(text)
    if line_format == "text":
        assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:]{8}\+0000 [A-Z]+ ", line) for line in lines), "each line is ours"
        assert [sum(shown in line for line in lines) for shown in SHOWN] == [1, 1]
    else:
        named = [name for line in lines if (name := json.loads(line).get("filename")) is not None]
        assert sorted(named) == sorted([FORGED, ESCAPES])


@pytest.mark.parametrize("arguments", [["run"], ["show", "1"], ["export", "1"], ["verify"], ["run", "--json"]])
def test_a_terminal_gets_no_control_characters(hostile: BatchRig, arguments: list[str]) -> None:
    hostile.run()
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "batch_client", *arguments],
        env={**os.environ, **hostile.environment, "COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"},
        stdout=follower,
        stderr=subprocess.PIPE,
    ):
        os.close(follower)
        output = b""
        while True:
            try:
                piece = os.read(leader, 65_536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            output += piece
    os.close(leader)
    text = output.decode("utf-8")
    assert not has_controls(text)
    if arguments[0] in ("show", "export"):
        assert all(shown in text for shown in SHOWN)
