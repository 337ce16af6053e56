"""Recipes: read, changed, validated, saved."""

from pathlib import Path

import pytest

from training import config

SHIPPED = sorted((config.RECIPES / "shipped").glob("*.toml"))
STUDENT = """
step = "student"
epochs = 2
photos_per_epoch = 64
batch_size = 16
input_size = 32
learning_rate = 0.1
weight_decay = 0
ema_decay = 0.9
wild_weight = 3
seed = 1
"""


def write(folder: Path, text: str = STUDENT) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_changes_replace_the_files_values(tmp_path: Path) -> None:
    changes = config.parse_changes(
        ["epochs=5", "fuse=true", 'teachers=["a.pt", "b.pt"]', "start=runs/1", "ema-decay=0.5"]
    )
    recipe = config.read(write(tmp_path), changes)
    assert isinstance(recipe, config.StudentRecipe)
    assert (recipe.epochs, recipe.fuse, recipe.start, recipe.ema_decay) == (5, True, "runs/1", 0.5)
    assert recipe.teachers == (Path("a.pt"), Path("b.pt"))
    assert recipe.settings(input_size=64).model_dump().keys() == config.TrainingSettings.model_fields.keys()


def test_a_saved_recipe_is_the_same_recipe(tmp_path: Path) -> None:
    for path in SHIPPED:
        recipe = config.read(path, {})
        config.save(recipe, tmp_path / "saved.toml")
        assert config.read(tmp_path / "saved.toml", {}) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epochs=0", r"recipe\.toml: epochs: .*greater than or equal to 1"),
        ("epoch=3", r"epoch: Extra inputs"),
        ("ema_decay=1.5", "ema_decay: .*less than or equal to 1"),
        ("epochs=many", "epochs: .*valid integer"),
        ("step=pupil", "step: .*'teacher', 'student', 'refit'"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config.read(write(tmp_path), config.parse_changes([change]))


def test_what_is_no_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no TOML"):
        config.read(write(tmp_path, "epochs: 3"), {})
    with pytest.raises(ValueError, match=r"recipe\.toml: step: "):
        config.read(write(tmp_path, "epochs = 3"), {})
    with pytest.raises(ValueError, match="write --set KEY=VALUE"):
        config.parse_changes(["epochs"])
    with pytest.raises(FileNotFoundError, match=r"no recipe pupil.*refit, student, teacher"):
        config.find("pupil")


def test_paths_name_the_folder_of_runs(tmp_path: Path) -> None:
    refit = config.read(config.RECIPES / "shipped" / "12-refit.toml", {}).placed(tmp_path)
    assert isinstance(refit, config.RefitRecipe)
    assert refit.model_folders() == [tmp_path / "11-student" / "model", tmp_path / "10-refit" / "model"]
    assert refit.teachers[0] == tmp_path / "07-teacher-lite0-finer" / "teacher.pt"


def test_each_shipped_recipe_uses_only_results_of_those_before_it() -> None:
    assert len(SHIPPED) == 12
    done: set[str] = set()
    for path in SHIPPED:
        recipe = config.read(path, {}).placed(Path("RUNS"))
        used = [] if isinstance(recipe, config.TeacherRecipe) else [*recipe.model_folders(), *recipe.teachers]
        used += [Path(recipe.start)] if isinstance(recipe, config.TeacherRecipe) else []
        assert {each.parts[1] for each in used if each.parts[0] == "RUNS"} <= done, path.name
        done.add(path.stem)
