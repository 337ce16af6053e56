"""The training loop: drawing, resuming, learning from a teacher."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from handler.network import ResNet18
from tests.support.drawn_photos import encoded
from training.config import TrainingSettings
from training.data import dataset
from training.data.categories import CLASSES
from training.data.samples import Domain, Sample
from training.evaluate.metrics import (
    top1_right,
)
from training.fit import resume
from training.fit.loop import LoadedTeacher, Training, draw, predict


def settings(**changes: float) -> TrainingSettings:
    return TrainingSettings.model_validate(
        {
            "epochs": 3,
            "photos_per_epoch": 64,
            "batch_size": 16,
            "input_size": 32,
            "learning_rate": 0.05,
            "weight_decay": 5e-4,
            "ema_decay": 0.5,
            "wild_weight": 1.0,
            "seed": 1,
            **changes,
        }
    )


def two_colours() -> list[Sample]:
    colours = {"Socks": (200, 30, 30), "Belts": (30, 30, 200)}
    return [
        Sample("studio", f"{name}{i}", name, (name,), "train", encoded(Image.new("RGB", (40, 40), colour)))
        for name, colour in colours.items()
        for i in range(16)
    ]


@pytest.mark.parametrize("domains", [("studio", "phone"), ("studio",), ("phone",)])
def test_phone_photos_and_rare_categories_are_drawn_more_often(domains: tuple[Domain, ...]) -> None:
    counts = {"Socks": 90, "Belts": 10}
    photo = encoded(Image.new("RGB", (20, 20)))
    found = [
        Sample(domain, f"{domain}{name}{i}", name, (name,), "train", photo)
        for domain in domains
        for name, count in counts.items()
        for i in range(count)
    ]
    chosen = settings(epochs=1, photos_per_epoch=40_000, batch_size=40_000, wild_weight=4.0)
    (drawn,) = draw(dataset.load(found, 20), chosen, torch.Generator().manual_seed(1))
    times = torch.bincount(drawn, minlength=len(found)) / 40_000
    for place, domain in enumerate(domains):
        share = 1.0 if len(domains) == 1 else {"studio": 1 / 5, "phone": 4 / 5}[domain]
        own = times[place * 100 : (place + 1) * 100]
        assert float(own.sum()) == pytest.approx(share, abs=0.02)
        assert float(own[90:].sum() / own[:90].sum()) == pytest.approx(1 / 3, abs=0.03), "as the root of their numbers"


def test_training_learns_and_a_killed_one_ends_up_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, tuning = dataset.load(two_colours(), 41), dataset.load(two_colours(), 32)
    chosen = settings()

    def trained_in(folder: Path) -> torch.Tensor:
        torch.manual_seed(1)
        return predict(Training(ResNet18(28), training, chosen).run(tuning, folder), tuning.photos)

    undisturbed = trained_in(tmp_path / "undisturbed")
    assert top1_right(undisturbed, tuning.accepts).float().mean() > 0.9
    assert (tmp_path / "undisturbed" / "epochs.csv").read_text().count("\n") == 4

    save = resume.save

    def save_and_die(folder: Path, state: dict[str, object]) -> None:
        save(folder, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(resume, "save", save_and_die)
        trained_in(tmp_path / "killed")
    torch.testing.assert_close(trained_in(tmp_path / "killed"), undisturbed)


class Inverted(torch.nn.Module):
    """A teacher that is sure of the other of two colours."""

    def __init__(self) -> None:
        super().__init__()
        self.socks, self.belts = CLASSES.index("Socks"), CLASSES.index("Belts")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red = x[:, 0].mean(dim=(1, 2)) > x[:, 2].mean(dim=(1, 2))
        answer = torch.where(red, self.belts, self.socks)
        return 12.0 * (torch.arange(28) == answer.unsqueeze(1))


def test_a_network_learns_from_its_teacher_more_than_from_labels(tmp_path: Path) -> None:
    training, tuning = dataset.load(two_colours(), 52), dataset.load(two_colours(), 32)
    chosen = settings(distillation_weight=1.0)
    torch.manual_seed(1)
    trained = Training(ResNet18(28), training, chosen, [LoadedTeacher(Inverted(), 40)]).run(tuning, tmp_path)
    assert top1_right(predict(trained, tuning.photos), tuning.accepts).float().mean() < 0.1
