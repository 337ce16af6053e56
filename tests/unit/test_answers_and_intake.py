"""What an answer means, and which files count as photos."""

import json
import os
from pathlib import Path

import pytest

from batch_client.inference.responses import Prediction, Refusal, Trouble, read_answer
from batch_client.sources.local import find_files
from tests.support.stub_service import WRONG_KEY, prediction


class TestAnswers:
    @pytest.mark.parametrize("status", [400, 413, 415, 422])
    def test_our_shape_blames_the_photo(self, status: int) -> None:
        body = json.dumps({"error": {"code": "bad", "message": "why"}}).encode()
        assert read_answer(status, body) == Refusal("bad", "why")

    def test_the_engines_413_has_no_body(self) -> None:
        answer = read_answer(413, b"")
        assert isinstance(answer, Refusal)
        assert answer.code == "too_many_bytes"

    def test_a_wrong_key_is_no_fault_of_the_photo(self) -> None:
        status, body = WRONG_KEY
        answer = read_answer(status, json.dumps(body).encode())
        assert isinstance(answer, Trouble)
        assert answer.kind == "token"

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 507])
    def test_passing_faults_are_retried(self, status: int) -> None:
        answer = read_answer(status, b'{"error": {"code": "draining", "message": "later"}}')
        assert isinstance(answer, Trouble)
        assert answer.kind in ("away", "failed", "full", "draining")

    def test_the_engines_faults_are_told_apart(self) -> None:
        seen = {
            (503, "ServiceUnavailableException"): "full",
            (500, "InternalServerException"): "died",
            (503, "InternalServerException"): "failed",
            (404, "ModelNotFoundException"): "away",
        }
        for (status, engine_type), kind in seen.items():
            answer = read_answer(status, json.dumps({"code": status, "type": engine_type, "message": ""}).encode())
            assert isinstance(answer, Trouble)
            assert answer.kind == kind

    @pytest.mark.parametrize("status", [500, 503, 507])  # 507: the kernel killed it
    def test_a_dead_worker_makes_suspects_whatever_the_status(self, status: int) -> None:
        body = {"code": status, "type": "InternalServerException", "message": "Worker died."}
        answer = read_answer(status, json.dumps(body).encode())
        assert isinstance(answer, Trouble)
        assert answer.kind == "died"

    def test_a_service_with_too_many_large_photos_is_full(self) -> None:
        answer = read_answer(503, b'{"error": {"code": "busy", "message": "later"}}')
        assert isinstance(answer, Trouble)
        assert answer.kind == "full"

    @pytest.mark.parametrize(
        ("status", "body"), [(404, b"{}"), (405, b""), (403, b"<html>"), (400, b"{}"), (200, b"hi")]
    )
    def test_strange_doors_are_the_services_fault(self, status: int, body: bytes) -> None:
        answer = read_answer(status, body)
        assert isinstance(answer, Trouble)
        assert answer.kind == "away"

    def test_a_prediction_without_a_field_is_none(self) -> None:
        status, value = prediction()
        assert isinstance(read_answer(status, json.dumps(value).encode()), Prediction)
        del value["confidence"]
        assert isinstance(read_answer(status, json.dumps(value).encode()), Trouble)


class TestIntake:
    def test_finds_photos_in_every_folder_and_nothing_else(self, tmp_path: Path) -> None:
        for name in ("b.jpg", "a/c.PNG", "a/deep/d", ".hidden.jpg", ".git/e.jpg", "f.jpg.part", "Thumbs.db"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / "manifest.csv").write_text("filename\n")
        (tmp_path / "a" / "manifest.csv").write_text("only the one at the root is the manifest\n")
        (tmp_path / "link.jpg").symlink_to(tmp_path / "b.jpg")
        (tmp_path / "linked").symlink_to(tmp_path / "a")
        assert [found.filename for found in find_files(tmp_path)] == ["a/c.PNG", "a/deep/d", "a/manifest.csv", "b.jpg"]

    def test_names_that_are_no_utf8_are_escaped(self, tmp_path: Path) -> None:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"x")
        (tmp_path / "straße.jpg").write_bytes(b"x")
        assert [found.filename for found in find_files(tmp_path)] == ["caf\\xe9.jpg", "straße.jpg"]
