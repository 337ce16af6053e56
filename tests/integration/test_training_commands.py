"""``python -m training`` as a person runs it, on a handful of photos."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from export.graph import load_network
from handler import contract as contracts
from tests.conftest import ROOT
from tests.support.catalog import write_catalog, write_patchworks
from tests.support.drawn_photos import encoded
from training.data import layouts

SMALL = ("--set", "epochs=1", "--set", "photos_per_epoch=64", "--set", "batch_size=16", "--set", "input_size=32")


def training(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "training", *arguments, "--data", str(folder)]
    # With one thread, a busy machine does not make each operation wait for the slowest thread.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True)


def train_by(recipe: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return training(folder, "train", recipe, *SMALL, *arguments)


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return train_by("student", folder, "--out", str(folder / "model"), *arguments)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_patchworks(tmp_path)
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
    bumped = train(tmp_path, "--run", str(tmp_path / "further"), "--set", f"start={model}")
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
    done = train(data, "--run", str(tmp_path / "run"), "--set", "batch_size=65")
    assert done.stderr.strip().endswith("photos_per_epoch must be at least batch_size (65)")


def test_teacher_then_student(data: Path, tmp_path: Path) -> None:
    done = train_by("teacher", data, "--run", str(tmp_path / "t"))
    assert done.returncode == 0, done.stderr
    missing = train(tmp_path, "--run", str(tmp_path / "s"), "--set", f'teachers=["{tmp_path / "teacher.pt"}"]')
    assert "`make teacher` writes it" in missing.stderr
    (tmp_path / "text.pt").write_text("no teacher")
    stranger = train(tmp_path, "--run", str(tmp_path / "s"), "--set", f'teachers=["{tmp_path / "text.pt"}"]')
    assert stranger.stderr.startswith("training: ")
    assert "text.pt is no teacher" in stranger.stderr
    student = train(tmp_path, "--run", str(tmp_path / "s"), "--set", 'teachers=["{runs}/t/teacher.pt"]')
    assert student.returncode == 0, student.stderr
    assert "learning from" in student.stdout
    labels = tmp_path / "labels.csv"
    goes_on = ("--set", f"start={tmp_path / 't' / 'teacher.pt'}", "--set", f"labels={labels}")
    labels.write_text("photo,accepts\nSocks0,Socks;Belts\n")
    further = train_by("teacher", data, "--run", str(tmp_path / "t2"), *goes_on)
    assert further.returncode == 0, further.stderr
    assert "1 photos have labels from" in further.stdout
    assert (tmp_path / "t" / "teacher.pt").read_bytes() != (tmp_path / "t2" / "teacher.pt").read_bytes()
    (tmp_path / "s" / "finished.txt").unlink()
    other = train(tmp_path, "--run", str(tmp_path / "s"))  # without the teacher it is another training
    assert "other settings" in other.stderr
    assert "RUN=" in other.stderr


def test_a_measured_model_goes_on_with_what_was_held_out(data: Path, tmp_path: Path) -> None:
    first = train(data, "--run", str(tmp_path / "run"))
    assert first.returncode == 0, first.stderr
    out = ("--out", str(tmp_path / "shipped"), "--set", f"measured={data / 'model'}")
    start = tmp_path / "sister"
    shutil.copytree(data / "model", start)
    done = train_by("refit", data, "--run", str(tmp_path / "refit"), *out, "--set", f"start={start}")
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
    samples = layouts.to_train(data).samples
    judged = [sample for sample in samples if sample.part == "test" and sample.source_label == "Socks"]
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,accepts\n" + "".join(f"{sample.key},Belts;Socks\n" for sample in judged))
    done = train(data, "--run", str(tmp_path / "run"), "--set", f"labels={labels}")
    assert done.returncode == 0, done.stderr
    figures = json.loads((data / "model" / "figures.json").read_text())["test"]
    assert figures["by the label file"]["n"] == len(judged) > 5
    assert figures["catalog"]["n"] == sum(
        sample.part == "test" and sample.source_label != "unknown" for sample in samples
    )


def test_input_sizes_are_compared(data: Path, tmp_path: Path) -> None:
    done = training(data, "input-sizes", *SMALL[:6], "--run", str(tmp_path / "sizes"))
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()[-5:]] == [
        "112 px, squash",
        "128 px, squash",
        "128 px, letterbox",
        "160 px, squash",
        "224 px, squash",
    ]
    assert done.stdout.splitlines()[-1].count("%") >= 1


def test_a_chain_of_recipes(data: Path, tmp_path: Path) -> None:
    """Each step finds what those before it wrote; what is finished is not repeated."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    shared = "photos_per_epoch = 64\nbatch_size = 16\ninput_size = 32\nlearning_rate = 0.01\nweight_decay = 0\n"
    shared += "epochs = 2\nema_decay = 0.9\nwild_weight = 1\nseed = 1\n"
    (recipes / "1-teacher.toml").write_text(f'step = "teacher"\n{shared}')
    teachers = 'teachers = ["{runs}/1-teacher/teacher.pt"]\n'
    (recipes / "2-student.toml").write_text(f'step = "student"\n{teachers}{shared}')
    (recipes / "3-refit.toml").write_text(f'step = "refit"\nmeasured = "{{runs}}/2-student/model"\n{shared}')
    chain = ("reproduce", "--recipes", str(recipes), "--runs", str(tmp_path / "runs"))
    done = training(data, *chain, "--set", "epochs=1")
    assert done.returncode == 0, done.stderr
    models = [tmp_path / "runs" / name / "model" for name in ("2-student", "3-refit")]
    assert done.stdout.strip().endswith(f"the model is in {models[1]}")
    load_network(models[1], contracts.load(models[1]))
    versions = [contracts.load(model).model_version for model in models]
    assert versions[0] < versions[1]
    assert json.loads((models[1] / "figures.json").read_text())["test_of"]["model_version"] == versions[0]
    resolved = (tmp_path / "runs" / "3-refit" / "recipe.toml").read_text()
    assert f'measured = "{models[0]}"' in resolved
    assert "epochs = 1\n" in resolved
    again = training(data, *chain, "--set", "epochs=1")
    assert (again.returncode, again.stdout.count("finished before")) == (0, 3)
    assert "finished, by another recipe" in training(data, *chain).stderr
    stray = training(data, *chain, "--set", "epoch=9")
    assert stray.stderr.startswith("training: no recipe of")
    assert stray.stderr.rstrip().endswith("has epoch")


def test_held_out_rows_calibrate_the_order_check_and_show_doubtful_labels(data: Path, tmp_path: Path) -> None:
    model = data / "model"
    assert train(data, "--run", str(tmp_path / "run")).returncode == 0
    before = json.loads((model / "contract.json").read_text())
    assert 0 <= before["mismatch_threshold"] <= before["match_threshold"] <= 1
    (model / "contract.json").write_text(
        json.dumps({name: value for name, value in before.items() if "match" not in name})
    )
    done = training(data, "calibrate-match", "--model", str(model))
    assert done.returncode == 0, done.stderr
    assert json.loads((model / "contract.json").read_text()) == {**before, "contract_version": "2"}
    figures = json.loads((model / "figures.json").read_text())["order_check"]
    assert figures["match_threshold"] == before["match_threshold"]
    assert figures["tuning rows"]["catalog"]["any_n"] > 10
    assert 0 < figures["unseen rows"]["catalog"]["any_n"] <= figures["test rows"]["catalog"]["any_n"]
    assert training(data, "calibrate-match", "--model", str(model)).returncode == 0
    same = json.loads((model / "contract.json").read_text())
    assert same["contract_version"] == "2", "the thresholds did not change"

    listed = training(data, "label-issues", "--model", str(model), "--csv", str(tmp_path / "issues.csv"))
    assert listed.returncode == 0, listed.stderr
    with (tmp_path / "issues.csv").open(encoding="utf-8") as file:
        issues = list(csv.DictReader(file))
    assert f" {len(issues)} have a label that is probably wrong" in listed.stdout
    found = {sample.key: sample for sample in layouts.to_train(data).samples}
    for issue in issues:
        assert issue["label"] == found[issue["photo"]].accepts[0] != issue["suggested"]
