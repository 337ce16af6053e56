"""One training: epochs, learning rate, averaged weights, resuming."""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from handler.network import ResNet18
from training import progress
from training.augment import augment
from training.dataset import Dataset
from training.loss import set_valued_loss
from training.metrics import topk_right
from training.normalisation import normalise


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides how a training goes, besides the data.

    Attributes:
        epochs: passes of ``photos_per_epoch`` drawn photos.
        photos_per_epoch: photos drawn, with replacement, an epoch.
        batch_size: photos a step.
        input_size: side of the network's input, pixels.
        learning_rate: highest rate of the one-cycle schedule.
        weight_decay: L2 penalty.
        ema_decay: share of the averaged weights kept each step.
        wild_weight: how many times as likely a phone photo is drawn as a studio photo.
        seed: of everything random.
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


def train(network: ResNet18, training: Dataset, tuning: Dataset, settings: TrainingSettings, run: Path) -> ResNet18:
    """Train a network and return its averaged weights.

    After each epoch the state goes to ``run``; called again with the same folder, it goes on from there.

    Args:
        network: where to start from; changed in place.
        training: rows to learn from, decoded somewhat larger than the input size.
        tuning: rows to watch, decoded at the input size.
        settings: how.
        run: folder for ``progress.pt`` and ``epochs.csv``.
    """
    run.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay), use_buffers=True)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=settings.learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=settings.weight_decay,
    )
    steps = settings.photos_per_epoch // settings.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=steps * settings.epochs, pct_start=0.2
    )
    done = 0
    if state := progress.load(run):
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        done = int(state["epochs"])
        print(f"resuming after epoch {done} of {settings.epochs}")
    for epoch in range(done, settings.epochs):
        started = time.monotonic()
        loss = _train_one_epoch(network, average, training, optimizer, schedule, settings, epoch, device)
        best = average.module
        assert isinstance(best, ResNet18)
        figures = _watch(predict(best, tuning.photos), tuning)
        progress.save(
            run,
            {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "epochs": epoch + 1,
            },
        )
        _write_epoch(
            run / "epochs.csv",
            {"epoch": epoch + 1, "loss": loss, **figures, "seconds": time.monotonic() - started},
        )
    result = average.module
    assert isinstance(result, ResNet18)
    return result.cpu()


@torch.inference_mode()
def predict(network: ResNet18, photos: Tensor, batch_size: int = 256) -> Tensor:
    """Return the logits of uint8 photos [N, H, W, 3] in full precision, float32 [N, outputs] on the CPU."""
    device = next(network.parameters()).device
    network.eval()
    batches = (normalise(part.to(device)) for part in photos.split(batch_size))
    return torch.cat([network(x).float().cpu() for x in batches])


def _train_one_epoch(
    network: ResNet18,
    average: AveragedModel,
    training: Dataset,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    settings: TrainingSettings,
    epoch: int,
    device: torch.device,
) -> float:
    """Return the mean loss."""
    network.train()
    generator = torch.Generator().manual_seed(settings.seed * 10_007 + epoch)
    scaler = torch.amp.GradScaler(enabled=device.type == "cuda")
    total, count = 0.0, 0
    steps = settings.photos_per_epoch // settings.batch_size
    batches = _draw(training, settings, generator)
    for index in track(batches, f"epoch {epoch + 1} of {settings.epochs}", total=steps):
        x = augment(training.photos[index], settings.input_size, generator)
        x = normalise(x, channels_last_bytes=False).to(device, memory_format=torch.channels_last)
        dtype = torch.float16 if device.type == "cuda" else torch.bfloat16
        with torch.autocast(device.type, dtype):
            logits = network(x)
        loss = set_valued_loss(logits.float(), training.accepts[index].to(device))
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        average.update_parameters(network)
        total, count = total + loss.item() * len(index), count + len(index)
    return total / count


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
