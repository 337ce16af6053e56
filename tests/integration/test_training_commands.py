"""``python -m training`` as a person runs it, on a handful of photos."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.graph import load_network
from handler import contract as contracts
from tests.conftest import ROOT
from tests.support.catalog import write_catalog
from tests.support.drawn_photos import encoded
from training.data import layouts

SMALL = ("--epochs", "1", "--photos-per-epoch", "64", "--batch-size", "16")


def training(command: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "training", command, "--data", str(folder), *SMALL]
    return subprocess.run([*program, *arguments], cwd=ROOT, capture_output=True, text=True)


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return training("train", folder, "--out", str(folder / "model"), "--input-size", "32", *arguments)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Patchworks, each unlike the others, tinted by category."""
    random = np.random.default_rng(4)
    tints = {"Socks": (255, 60, 60), "Belts": (60, 60, 255), "unknown": (60, 255, 60)}
    records: list[dict[str, object]] = []
    for index in range(60):
        for name, tint in tints.items():
            patches = (random.integers(0, 256, (8, 6, 3)) * np.array(tint) / 255).astype(np.uint8)
            image = Image.fromarray(patches).resize((60, 80), Image.Resampling.NEAREST)
            split = "train" if index < 30 else "val"
            records.append({"id": f"{name}{index}", "category": name, "split": split, "image": encoded(image)})
    write_catalog(tmp_path, records)
    return tmp_path


def test_the_whole_road(data: Path, tmp_path: Path) -> None:
    done = train(tmp_path, "--run", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    model = tmp_path / "model"
    version = contracts.load(model).model_version
    major, minor, _ = contracts.load(ROOT / "model").model_version.split(".")
    assert version == f"{major}.{int(minor) + 1}.0"  # not one that this project's model has, or had
    load_network(model, contracts.load(model))
    for name in ("curves.png", "confusion.png"):
        with Image.open(tmp_path / "run" / name) as picture:
            assert picture.width > 800
    figures = json.loads((model / "figures.json").read_text())["test"]["catalog"]
    assert figures["n"] + figures["unknown_n"] > 20
    assert 0 <= figures["top1_low"] <= figures["top1"] <= figures["top1_high"] <= 1

    again = train(tmp_path, "--run", str(tmp_path / "run"), "--model-version", version)
    assert f"holds model {version} already" in again.stderr
    finished = train(tmp_path, "--run", str(tmp_path / "run"))  # the same weights get no second version
    assert f"has written model {version} into {model}" in finished.stderr
    assert "RUN=" in finished.stderr
    bumped = train(tmp_path, "--run", str(tmp_path / "further"), "--init", "checkpoint")
    assert bumped.returncode == 0, bumped.stderr
    assert contracts.load(model).model_version == f"{major}.{int(minor) + 2}.0"


def test_bad_data_is_named(tmp_path: Path) -> None:
    nowhere = train(tmp_path / "nowhere", "--run", str(tmp_path / "run"))
    assert nowhere.stderr.startswith("training: ")
    assert "nowhere does not exist" in nowhere.stderr
    write_catalog(tmp_path, [{"id": "1", "category": "Socks"}])
    assert "no rows to train on" in train(tmp_path, "--run", str(tmp_path / "run")).stderr
    noise = encoded(Image.effect_noise((60, 80), 90))  # no twin of the others
    unknown = [{"id": str(i), "category": "unknown", "split": "val"} for i in range(20)]
    write_catalog(tmp_path, [*unknown, {"id": "20", "category": "unknown", "image": noise}])
    assert "no photo of the 27 categories" in train(tmp_path, "--run", str(tmp_path / "run2")).stderr
    version = train(tmp_path, "--run", str(tmp_path / "run3"), "--model-version", "3.2")
    assert "must be MAJOR.MINOR.PATCH" in version.stderr


def test_an_epoch_without_a_batch_is_refused(data: Path, tmp_path: Path) -> None:
    done = train(data, "--run", str(tmp_path / "run"), "--batch-size", "65")
    assert done.stderr.strip().endswith("--photos-per-epoch must be at least --batch-size (65)")


def test_teacher_then_student(data: Path, tmp_path: Path) -> None:
    done = training("teacher", data, "--run", str(tmp_path / "t"), "--input-size", "32")
    assert done.returncode == 0, done.stderr
    missing = train(tmp_path, "--run", str(tmp_path / "s"), "--teacher", str(tmp_path / "teacher.pt"))
    assert "python -m training teacher" in missing.stderr
    (tmp_path / "text.pt").write_text("no teacher")
    stranger = train(tmp_path, "--run", str(tmp_path / "s"), "--teacher", str(tmp_path / "text.pt"))
    assert stranger.stderr.startswith("training: ")
    assert "text.pt is no teacher" in stranger.stderr
    student = train(tmp_path, "--run", str(tmp_path / "s"), "--teacher", str(tmp_path / "t" / "teacher.pt"))
    assert student.returncode == 0, student.stderr
    assert "learning from" in student.stdout
    goes_on = ("--start", str(tmp_path / "t" / "teacher.pt"), "--labels", str(tmp_path / "labels.csv"))
    (tmp_path / "labels.csv").write_text("photo,accepts\nSocks0,Socks;Belts\n")
    further = training("teacher", data, "--run", str(tmp_path / "t2"), "--input-size", "32", *goes_on)
    assert further.returncode == 0, further.stderr
    assert "1 photos are labelled by" in further.stdout
    assert (tmp_path / "t" / "teacher.pt").read_bytes() != (tmp_path / "t2" / "teacher.pt").read_bytes()
    (tmp_path / "s" / "finished.txt").unlink()
    other = train(tmp_path, "--run", str(tmp_path / "s"))  # without the teacher it is another training
    assert "other settings" in other.stderr
    assert "RUN=" in other.stderr


def test_a_measured_model_goes_on_with_what_was_held_out(data: Path, tmp_path: Path) -> None:
    first = train(data, "--run", str(tmp_path / "run"))
    assert first.returncode == 0, first.stderr
    out = ("--out", str(tmp_path / "shipped"), "--measured", str(data / "model"))
    start = tmp_path / "sister"
    shutil.copytree(data / "model", start)
    done = training("refit", data, "--run", str(tmp_path / "refit"), *out, "--start", str(start))
    assert done.returncode == 0, done.stderr
    assert f"starting from {start}" in done.stdout
    measured = json.loads((data / "model" / "figures.json").read_text())
    shipped = json.loads((tmp_path / "shipped" / "figures.json").read_text())
    assert shipped["test"] == measured["test"]
    versions = [contracts.load(folder).model_version for folder in (data / "model", tmp_path / "shipped")]
    assert shipped["test_of"] == {"model_version": versions[0], "training": measured["training"]}
    assert versions[0] < versions[1]
    weights = [(folder / "checkpoint.safetensors").read_bytes() for folder in (data / "model", tmp_path / "shipped")]
    assert weights[0] != weights[1]


def test_what_labels_say_of_photos_that_judge_is_a_figure_of_its_own(data: Path, tmp_path: Path) -> None:
    rows = layouts.to_train(data).rows
    judged = [row for row in rows if row.part == "test" and row.kind == "Socks"]
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,accepts\n" + "".join(f"{row.key},Belts;Socks\n" for row in judged))
    done = train(data, "--run", str(tmp_path / "run"), "--labels", str(labels))
    assert done.returncode == 0, done.stderr
    figures = json.loads((data / "model" / "figures.json").read_text())["test"]
    assert figures["by the label file"]["n"] == len(judged) > 5
    assert figures["catalog"]["n"] == sum(row.part == "test" and row.kind != "unknown" for row in rows)


def test_input_sizes_are_compared(data: Path, tmp_path: Path) -> None:
    done = training("input-sizes", data, "--run", str(tmp_path / "sizes"))
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()[-5:]] == [
        "112 px, squash",
        "128 px, squash",
        "128 px, letterbox",
        "160 px, squash",
        "224 px, squash",
    ]
    assert done.stdout.splitlines()[-1].count("%") >= 1
