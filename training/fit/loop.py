"""The training loop: epochs, learning rate, averaged weights, resuming."""

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from training.config import TrainingSettings
from training.data.augment import augment, mixup
from training.data.dataset import Dataset
from training.evaluate.metrics import top1_right
from training.fit import resume
from training.fit.loss import distillation_loss, set_valued_loss
from training.network.normalisation import normalise
from training.network.teacher_on_cpu import compiled_for_cpu

N = TypeVar("N", bound=nn.Module)
_HEADS = ("fc.", "body._fc.")  # parameter names of the last layers of ResNet-18 and of the teacher


@dataclass(frozen=True)
class LoadedTeacher:
    """A trained teacher and its input size.

    Attributes:
        network: maps normalised float [N, 3, H, W] to logits, float [N, outputs].
        input_size: side of the teacher's input, pixels.
    """

    network: nn.Module
    input_size: int


class Training(Generic[N]):
    """A training in progress.

    Args:
        network: to train, in place.
        data: training samples, decoded somewhat larger than the largest input size.
        settings: of the training.
        teachers: their predictions are averaged and learned besides the labels.
        fuse: compile network and teachers; it takes a minute and a C++ compiler, and pays on a GPU.

    Raises:
        ValueError: an epoch has no complete batch.
    """

    def __init__(
        self,
        network: N,
        data: Dataset,
        settings: TrainingSettings,
        teachers: Sequence[LoadedTeacher] = (),
        fuse: bool = False,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data = Dataset(data.samples, data.photos.to(self.device), data.accepts.to(self.device))
        self.settings = settings
        for teacher in teachers:
            teacher.network.to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        compiled: Callable[[nn.Module], Callable[..., Tensor]] = torch.compile if fuse else lambda module: module
        self._forward = compiled(network)

        def callable_of(teacher: LoadedTeacher) -> Callable[[Tensor], Tensor]:
            on_cpu = self.device.type == "cpu"
            return compiled_for_cpu(teacher.network, teacher.input_size) if on_cpu else compiled(teacher.network)

        self._teachers = [(callable_of(teacher), teacher.input_size) for teacher in teachers]
        self._side = max([settings.input_size, *(teacher.input_size for teacher in teachers)])
        self._dtype = _compute_dtype(self.device)
        self.average = deepcopy(network)
        self._ema = get_ema_multi_avg_fn(settings.ema_decay)
        self.optimizer = _optimizer(network, settings)
        self.steps = settings.photos_per_epoch // settings.batch_size
        if self.steps == 0:
            raise ValueError(f"photos_per_epoch must be at least batch_size ({settings.batch_size})")
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            [group["lr"] for group in self.optimizer.param_groups],
            total_steps=self.steps * settings.epochs,
            pct_start=0.200_001,  # with 0.2 and five steps torch would divide by zero
        )
        self.scaler = torch.amp.GradScaler(enabled=self._dtype is torch.float16)
        self._parts = {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }

    def run(self, tuning: Dataset, folder: Path) -> N:
        """Train to the end and return the network with averaged weights.

        Each epoch saves a checkpoint in the folder; a second call with the same folder resumes from it.

        Args:
            tuning: samples for the figures of each epoch, decoded at the input size.
            folder: for ``progress.pt`` and ``epochs.csv``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        done = 0
        if state := resume.load(folder):
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            done = int(state["epochs"])
            print(f"resuming after epoch {done} of {self.settings.epochs}")
        for epoch in range(done, self.settings.epochs):
            started = time.monotonic()
            loss = self._epoch(epoch)
            top1 = top1_by_domain(predict(self.average, tuning.photos), tuning)
            figures = {f"tune_{domain}_top1": value for domain, value in top1.items()}
            resume.save(
                folder, {**{name: part.state_dict() for name, part in self._parts.items()}, "epochs": epoch + 1}
            )
            seconds = time.monotonic() - started
            _write_epoch(folder / "epochs.csv", {"epoch": epoch + 1, "loss": loss, **figures, "seconds": seconds})
        return self.average.cpu()

    def _epoch(self, epoch: int) -> float:
        """Return the mean loss."""
        self.network.train()
        generator = torch.Generator(self.device).manual_seed(self.settings.seed * 10_007 + epoch)
        total = torch.zeros((), device=self.device)  # read once, at the end: each read makes a GPU wait
        batches = draw(self.data, self.settings, generator)
        for index in track(batches, f"epoch {epoch + 1} of {self.settings.epochs}", total=self.steps):
            loss = self._loss(index, generator)
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.schedule.step()
            self._update_ema()
            total += loss.detach()
        return float(total) / self.steps

    def _loss(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of one batch; teachers and network see the same augmented photos."""
        views = normalise(augment(self.data.photos[index], self._side, generator), channels_last_bytes=False)
        views, own = mixup(views, self.settings.mixup, generator)
        views = views.contiguous(memory_format=torch.channels_last)
        accepts = self.data.accepts[index]
        with torch.autocast(self.device.type, self._dtype):
            logits = self._forward(_resized(views, self.settings.input_size)).float()
        smoothing = self.settings.label_smoothing
        labels = own * set_valued_loss(logits, accepts, smoothing)
        labels = labels + (1 - own) * set_valued_loss(logits, accepts.roll(1, 0), smoothing)
        if not self._teachers:
            return labels.mean()
        with torch.no_grad(), torch.autocast(self.device.type, self._dtype):
            predictions = [teacher(_resized(views, side)).float() for teacher, side in self._teachers]
        taught = distillation_loss(logits, torch.stack(predictions).mean(dim=0), self.settings.distillation_temperature)
        weight = self.settings.distillation_weight
        return (1 - weight) * labels.mean() + weight * taught

    @torch.no_grad()
    def _update_ema(self) -> None:
        """Update the exponential moving average of weights and running statistics.

        torch's AveragedModel would read its counter on the host in each step, which makes a GPU wait.
        """
        pair = (self.average.state_dict().values(), self.network.state_dict().values())
        averaged, current = ([tensor for tensor in tensors if tensor.is_floating_point()] for tensors in pair)
        self._ema(averaged, current, None)


@torch.inference_mode()
def predict(network: nn.Module, photos: Tensor, batch_size: int = 256) -> Tensor:
    """Return logits, float32 [N, outputs] on the CPU, of uint8 photos [N, H, W, 3]."""
    device = next(network.parameters()).device
    network.eval()
    batches = (normalise(part.to(device)) for part in photos.split(batch_size))
    return torch.cat([network(x).float().cpu() for x in batches])


def _compute_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16, or float16 (whose gradients need scaling) on GPUs without it."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def _optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimizer; the last layer has a parameter group of its own."""
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


def draw(training: Dataset, settings: TrainingSettings, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the indices of each batch; phone photos and rare categories are drawn more often than they occur.

    Args:
        training: the samples.
        settings: number of photos, and weight of phone photos.
        generator: on the samples' device.
    """
    first = training.accepts.int().argmax(dim=1)
    phone = torch.tensor([sample.domain == "phone" for sample in training.samples], device=first.device)
    kind = first + phone * training.accepts.shape[1]
    weight = 1 / torch.bincount(kind).float().clamp(min=1).sqrt()[kind]
    for domain in (phone, ~phone):
        weight[domain] /= weight[domain].mean()
    weight[phone] *= settings.wild_weight
    drawn = torch.multinomial(weight, settings.photos_per_epoch, replacement=True, generator=generator)
    steps = settings.photos_per_epoch // settings.batch_size
    yield from drawn[: steps * settings.batch_size].split(settings.batch_size)


def top1_by_domain(logits: Tensor, judged: Dataset) -> dict[str, float]:
    """Return top-1 by domain over the samples of the 27 classes; NaN for a domain without any."""
    right = top1_right(logits, judged.accepts).numpy()
    inside = ~judged.accepts[:, -1].numpy()
    figures = {}
    for domain in ("studio", "phone"):
        chosen = inside & np.array([sample.domain == domain for sample in judged.samples])
        figures[domain] = float(right[chosen].mean()) if chosen.any() else float("nan")
    return figures


def _write_epoch(path: Path, figures: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(figures)
        writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in figures.values()])
    print("  ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()), flush=True)
