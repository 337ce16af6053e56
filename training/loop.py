"""One training: epochs, learning rate, averaged weights, resuming."""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import progress
from training.augment import augment
from training.dataset import Dataset
from training.loss import distillation_loss, set_valued_loss
from training.metrics import topk_right
from training.normalisation import normalise

N = TypeVar("N", bound=nn.Module)
_HEADS = ("fc.", "body._fc.")  # last layers, by the parameter names of ResNet-18 and of the teacher


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides how a training goes, besides the data.

    Attributes:
        epochs: passes of ``photos_per_epoch`` drawn photos.
        photos_per_epoch: photos drawn, with replacement, an epoch.
        batch_size: photos a step.
        input_size: side of the network's input, pixels.
        learning_rate: highest rate of the one-cycle schedule.
        weight_decay: L2 penalty of SGD, decoupled decay of AdamW.
        ema_decay: share of the averaged weights kept each step.
        wild_weight: how many times as likely a phone photo is drawn as a studio photo.
        seed: of everything random.
        optimizer: ``sgd`` for a network from random weights, ``adamw`` for one that keeps what it knows.
        head_learning_rate_factor: how many times as fast the last layer learns.
        distillation_weight: share of the loss that a teacher's answers have, where there is a teacher.
    """

    epochs: int
    photos_per_epoch: int
    batch_size: int
    input_size: int
    learning_rate: float
    weight_decay: float
    ema_decay: float
    wild_weight: float
    seed: int
    optimizer: Literal["sgd", "adamw"] = "sgd"
    head_learning_rate_factor: float = 1.0
    distillation_weight: float = 0.7


@dataclass(frozen=True)
class TeacherOf:
    """A trained teacher, and the side of the photos it wants.

    Attributes:
        network: maps normalised float [N, 3, H, W] to logits, float [N, outputs].
        input_size: pixels.
    """

    network: nn.Module
    input_size: int


class Training(Generic[N]):
    """A training in progress.

    Args:
        network: where to start from; changed in place.
        data: rows to learn from, decoded somewhat larger than the largest input size.
        settings: how.
        teacher: whose answers to learn as well.
    """

    def __init__(self, network: N, data: Dataset, settings: TrainingSettings, teacher: TeacherOf | None = None) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data = data
        self.settings = settings
        self.teacher = teacher
        if teacher is not None:
            teacher.network.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay), use_buffers=True)
        self.optimizer = _optimizer(network, settings)
        self.steps = settings.photos_per_epoch // settings.batch_size
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            [group["lr"] for group in self.optimizer.param_groups],
            total_steps=self.steps * settings.epochs,
            pct_start=0.2,
        )
        self.scaler = torch.amp.GradScaler(enabled=self.device.type == "cuda")
        self._parts = {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }

    def run(self, tuning: Dataset, folder: Path) -> N:
        """Train to the end and return the network of averaged weights.

        After each epoch the state goes to the folder; called again with the same folder, it goes on from there.

        Args:
            tuning: rows to watch, decoded at the input size.
            folder: for ``progress.pt`` and ``epochs.csv``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        done = 0
        if state := progress.load(folder):
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            done = int(state["epochs"])
            print(f"resuming after epoch {done} of {self.settings.epochs}")
        best = cast(N, self.average.module)
        for epoch in range(done, self.settings.epochs):
            started = time.monotonic()
            loss = self._epoch(epoch)
            figures = _watch(predict(best, tuning.photos), tuning)
            progress.save(
                folder, {**{name: part.state_dict() for name, part in self._parts.items()}, "epochs": epoch + 1}
            )
            seconds = time.monotonic() - started
            _write_epoch(folder / "epochs.csv", {"epoch": epoch + 1, "loss": loss, **figures, "seconds": seconds})
        return best.cpu()

    def _epoch(self, epoch: int) -> float:
        """Return the mean loss."""
        self.network.train()
        generator = torch.Generator().manual_seed(self.settings.seed * 10_007 + epoch)
        total, count = 0.0, 0
        batches = _draw(self.data, self.settings, generator)
        for index in track(batches, f"epoch {epoch + 1} of {self.settings.epochs}", total=self.steps):
            loss = self._loss(index, generator)
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.schedule.step()
            self.average.update_parameters(self.network)
            total, count = total + loss.item() * len(index), count + len(index)
        return total / count

    def _loss(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of one batch; the teacher sees the very pictures that the network sees."""
        side = self.settings.input_size
        largest = max(side, self.teacher.input_size) if self.teacher else side
        views = normalise(augment(self.data.photos[index], largest, generator), channels_last_bytes=False)
        views = views.to(self.device, memory_format=torch.channels_last)
        accepts = self.data.accepts[index].to(self.device)
        dtype = torch.float16 if self.device.type == "cuda" else torch.bfloat16
        with torch.autocast(self.device.type, dtype):
            logits = self.network(_resized(views, side))
        loss = set_valued_loss(logits.float(), accepts)
        if self.teacher is None:
            return loss
        with torch.no_grad(), torch.autocast(self.device.type, dtype):
            answers = self.teacher.network(_resized(views, self.teacher.input_size))
        weight = self.settings.distillation_weight
        return (1 - weight) * loss + weight * distillation_loss(logits.float(), answers.float())


@torch.inference_mode()
def predict(network: nn.Module, photos: Tensor, batch_size: int = 256) -> Tensor:
    """Return the logits of uint8 photos [N, H, W, 3] in full precision, float32 [N, outputs] on the CPU."""
    device = next(network.parameters()).device
    network.eval()
    batches = (normalise(part.to(device)) for part in photos.split(batch_size))
    return torch.cat([network(x).float().cpu() for x in batches])


def _optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimizer, the last layer in a group of its own."""
    named = list(network.named_parameters())
    groups = [
        {"params": [p for name, p in named if not name.startswith(_HEADS)], "lr": settings.learning_rate},
        {
            "params": [p for name, p in named if name.startswith(_HEADS)],
            "lr": settings.learning_rate * settings.head_learning_rate_factor,
        },
    ]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    return torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=settings.weight_decay)


def _resized(views: Tensor, side: int) -> Tensor:
    if views.shape[-1] == side:
        return views
    return F.interpolate(views, size=(side, side), mode="bilinear", antialias=True)


def _draw(training: Dataset, settings: TrainingSettings, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the row indices of each batch: rare categories and phone photos more often than they occur."""
    first = training.accepts.int().argmax(dim=1)
    wild = torch.tensor([row.domain == "wild" for row in training.rows])
    weight = 1 / torch.bincount(first).float().clamp(min=1).sqrt()[first]
    weight[wild] *= settings.wild_weight
    drawn = torch.multinomial(weight, settings.photos_per_epoch, replacement=True, generator=generator)
    steps = settings.photos_per_epoch // settings.batch_size
    yield from drawn[: steps * settings.batch_size].split(settings.batch_size)


def _watch(logits: Tensor, tuning: Dataset) -> dict[str, float]:
    """Return top-1 by domain over the rows that show one of the classes."""
    right = topk_right(logits, tuning.accepts, 1).numpy()
    inside = ~tuning.accepts[:, -1].numpy()
    figures = {}
    for domain in ("catalog", "wild"):
        chosen = inside & np.array([row.domain == domain for row in tuning.rows])
        figures[f"tune_{domain}_top1"] = float(right[chosen].mean()) if chosen.any() else float("nan")
    return figures


def _write_epoch(path: Path, figures: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(figures)
        writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in figures.values()])
    print("  ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()), flush=True)
