"""What ``python -m training evaluate`` measures is what the archive answers."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from export.archive import ARCHIVE_NAME
from handler.contract import Contract
from tests.conftest import ROOT
from tests.support.drawn_photos import SAMPLES, encoded, striped, turned_by_exif
from training.evaluate import command
from training.evaluate.served import serve

KEYS = {
    *("n", "top1", "top1_low", "top1_high", "top3", "ece", "accepted_share", "accepted_wrong"),
    *("unknown_n", "unknown_to_review", "top1_lost_by_serving"),
}


def evaluated(archive: Path, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training", "evaluate", "--archive", str(archive), "--data", str(data)]
    return subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def answers(archive: Path) -> dict[str, dict[str, Any]]:
    """What the archive itself says of the samples."""
    photos = sorted(SAMPLES.glob("*.jpg"))
    with serve(archive) as served:
        answered = served.answers([photo.read_bytes() for photo in photos])
    assert all(each["status"] == 200 for each in answered)
    return {photo.name: each["answer"] for photo, each in zip(photos, answered, strict=True)}


def test_the_handler_answers_as_over_http(archive: Path, contract: Contract) -> None:
    with serve(archive) as served:
        assert served.description["model_version"] == contract.model_version
        upright, turned, text, empty = served.answers([encoded(striped()), turned_by_exif(striped()), b"no photo", b""])
        assert served.answers([]) == []
    assert upright["answer"]["top"][0]["class"] == turned["answer"]["top"][0]["class"]
    assert (text["status"], text["answer"]["error"]["code"]) == (415, "unsupported_format")
    assert (empty["status"], empty["answer"]["error"]["code"]) == (400, "empty_body")


def test_a_csv_with_groups(archive: Path, answers: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Every row's right answer is chosen by what the archive says, so every figure is known beforehand."""
    names = list(answers)
    lines = ["file,accepts,group"]
    for name in names[:6]:
        lines.append(f"{SAMPLES / name},{answers[name]['predicted_class']},mine")
    second = answers[names[6]]["top"][1]["class"]
    lines.append(f"{SAMPLES / names[6]},{second},mine")  # wrong, but among the three
    lines += [f"{SAMPLES / name},unknown,theirs" for name in names[7:10]]
    lines += [f"{SAMPLES / names[10]},,theirs", "missing.jpg,Socks,mine", "text.jpg,Socks,mine"]
    (tmp_path / "text.jpg").write_text("no photo")
    (tmp_path / "photos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    reviewed_labels = tmp_path / "review.csv"
    either = f"{second};{answers[names[6]]['predicted_class']}"
    reviewed_labels.write_text(f"id,accepts\n{SAMPLES / names[6]},{either}\n{SAMPLES / names[0]},\n", encoding="utf-8")
    out = tmp_path / "out" / "figures.json"
    done = evaluated(archive, tmp_path / "photos.csv", "--json", str(out), "--labels", str(reviewed_labels))
    assert done.returncode == 0, done.stderr

    report = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert report["model_version"] == answers[names[0]]["model_version"]
    assert set(report["groups"]) == {"mine", "theirs"}
    mine, theirs = report["groups"]["mine"], report["groups"]["theirs"]
    assert set(mine) == set(theirs) == KEYS
    assert (mine["n"], mine["top1"], mine["top3"]) == (7, round(6 / 7, 4), 1.0)
    accepted = [name for name in names[:7] if answers[name]["decision"] == "accept"]
    assert mine["accepted_share"] == round(len(accepted) / 7, 4)
    assert mine["accepted_wrong"] == round((names[6] in accepted) / len(accepted), 4)
    assert mine["top1_lost_by_serving"] is not None
    assert abs(mine["top1_lost_by_serving"]) <= round(1 / 7, 4)
    reviewed = sum(answers[name]["decision"] == "review" for name in names[7:10])
    assert (theirs["n"], theirs["unknown_n"]) == (0, 3)
    assert theirs["unknown_to_review"] == round(reviewed / 3, 4)
    assert theirs["top1"] is theirs["top1_low"] is theirs["ece"] is theirs["top1_lost_by_serving"] is None

    assert "1 rows with empty `accepts` skipped" in done.stdout
    assert "2 photos could not be classified" in done.stdout
    assert "missing.jpg: No such file" in done.stdout
    assert "text.jpg: unsupported_format" in done.stdout
    assert f"{second}" in done.stdout.split("worst confusions")[1]
    order = report["order_check"]["groups"]["mine"]
    assert (order["right_n"], order["wrong_n"], order["unknown_n"]) == (7, 7, 0)
    likely = sum(answers[name]["confidence"] > 0.9 for name in names[:6])  # the claim names what the archive says
    assert order["right_match"] >= likely / 7 > 0
    assert report["order_check"]["groups"]["theirs"]["unknown_n"] == 3
    assert "order check (match from" in done.stdout
    by_review = report["reviewed"]
    assert (by_review["labels"], by_review["undecidable"]) == (str(reviewed_labels), 1)
    assert (by_review["groups"]["mine"]["n"], by_review["groups"]["mine"]["top1"]) == (6, 1.0)
    assert by_review["order_check"]["groups"]["mine"]["any_n"] == 6
    assert by_review["worst_mistakes"] == []
    for name in ("figures-reliability.png", "figures-coverage.png", "figures-reviewed-order-check.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.width > 500


def test_without_the_checkpoint_the_loss_by_serving_is_unknown(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "Socks").mkdir(parents=True)
    shutil.copy(SAMPLES / "socks.jpg", tmp_path / "data" / "Socks")
    other = shutil.copytree(ROOT / "model", tmp_path / "model")
    fields = json.loads((other / "contract.json").read_text())
    (other / "contract.json").write_text(json.dumps({**fields, "model_version": "0.0.9"}))
    out = tmp_path / "figures.json"
    plots = tmp_path / "plots"
    done = evaluated(archive, tmp_path / "data", "--json", str(out), "--model", str(other), "--plots", str(plots))
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())["groups"]["all"]
    assert (figures["n"], figures["top1_lost_by_serving"]) == (1, None)
    assert "does not hold model" in done.stdout
    assert len(list(plots.glob("*.png"))) == 3


def test_an_archive_without_the_order_check_is_measured_all_the_same(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(tmp_path / ARCHIVE_NAME, "w") as old:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "contract.json":
                fields = {key: value for key, value in json.loads(content).items() if "match" not in key}
                content = json.dumps(fields).encode()
            old.writestr(name, content)
    (tmp_path / "data" / "Socks").mkdir(parents=True)
    shutil.copy(SAMPLES / "socks.jpg", tmp_path / "data" / "Socks")
    done = evaluated(tmp_path / ARCHIVE_NAME, tmp_path / "data", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "figures.json").read_text())
    assert (report["groups"]["all"]["n"], report["order_check"]) == (1, None)
    assert "note: order check: " in done.stdout


def test_an_archive_that_does_not_load_says_why(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(tmp_path / ARCHIVE_NAME, "w") as part:
        for name in whole.namelist():
            if name != "contract.json":
                part.writestr(name, whole.read(name))
    message = r"(?s)handler ended with code 1:.*contract\.json"
    with pytest.raises(ValueError, match=message), serve(tmp_path / ARCHIVE_NAME):
        pass
    (tmp_path / "no.mar").write_bytes(b"PK")
    with pytest.raises(ValueError, match="no model archive of this project"), serve(tmp_path / "no.mar"):
        pass
    with pytest.raises(FileNotFoundError, match="make export"), serve(tmp_path / "missing.mar"):
        pass


def test_default_archive_is_the_one_that_export_builds() -> None:
    assert Path("model_store") / ARCHIVE_NAME == command.ARCHIVE
