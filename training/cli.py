"""``python -m training``: train a teacher, train the served network, calibrate, measure, write the model folder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from handler import activation_ranges, checkpoint
from handler import contract as contracts
from handler.network import ResNet18
from training import pipeline
from training.console import spoken_errors
from training.data import layouts
from training.evaluate.command import evaluate
from training.fit.loop import TrainingSettings
from training.input_sizes import input_sizes
from training.model_folder import SHIPPED, next_version
from training.network import teacher as teachers
from training.network.initial_weights import Init

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Train the classifier and measure it.")

app.command()(evaluate)
app.command()(input_sizes)

DataOption = Annotated[
    Path, typer.Option(help="Our parquet files, a folder for each category, or the Kaggle data set.")
]
RunOption = Annotated[Path, typer.Option(help="Folder for progress and logs; a killed training resumes from it.")]
OutOption = Annotated[Path, typer.Option(help="Where the checkpoint and the contract go.")]
TeacherOption = Annotated[
    list[Path] | None, typer.Option(help="A trained teacher.pt to learn from as well; several are averaged.")
]
VersionOption = Annotated[
    str | None,
    typer.Option(help="Version of the new weights; default: one minor above the models in --out and model/."),
]
EpochsOption = Annotated[int, typer.Option(min=1)]
PhotosOption = Annotated[int, typer.Option(min=64)]
BatchOption = Annotated[int, typer.Option(min=2)]
SideOption = Annotated[int, typer.Option(min=32)]
RateOption = Annotated[float, typer.Option(min=0)]
ShareOption = Annotated[float, typer.Option(min=0, max=1)]
DistillationOption = Annotated[float, typer.Option(min=0, max=1, help="Share of the teacher in the loss.")]
TemperatureOption = Annotated[float, typer.Option(min=0.1, help="Of the teacher's answers: above 1 they are softer.")]
SmoothingOption = Annotated[float, typer.Option(min=0, max=1, help="Share of a label's loss that wants all alike.")]
MixupOption = Annotated[float, typer.Option(min=0, max=1, help="Share of each batch that shows two photos at once.")]

LabelsOption = Annotated[
    Path | None, typer.Option(help="CSV `photo,accepts` of labels that count instead of the data set's own.")
]
FuseOption = Annotated[bool, typer.Option("--fuse", help="Compile the network: a minute that pays on a GPU.")]


@app.command()
def teacher(
    data: DataOption,
    run: RunOption,
    network: Annotated[teachers.NetworkName, typer.Option(help="Which EfficientNet-Lite.")] = "lite0",
    epochs: EpochsOption = 6,
    photos_per_epoch: PhotosOption = 12_000,
    batch_size: BatchOption = 64,
    input_size: SideOption = 128,
    learning_rate: RateOption = 8e-4,
    head_learning_rate_factor: RateOption = 4.0,
    weight_decay: RateOption = 0.02,
    ema_decay: ShareOption = 0.995,
    wild_weight: RateOption = 6.0,
    mixup: MixupOption = 0.0,
    start: Annotated[Path | None, typer.Option(help="A teacher.pt that goes on; else ImageNet weights.")] = None,
    labels: LabelsOption = None,
    seed: int = 1,
) -> None:
    """Train the teacher, from its ImageNet weights or from where another ended, into RUN/teacher.pt."""
    settings = TrainingSettings(
        epochs=epochs,
        photos_per_epoch=photos_per_epoch,
        batch_size=batch_size,
        input_size=input_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        ema_decay=ema_decay,
        wild_weight=wild_weight,
        seed=seed,
        optimizer="adamw",
        head_learning_rate_factor=head_learning_rate_factor,
        mixup=mixup,
    )
    with spoken_errors():
        typer.echo(f"the teacher is {pipeline.train_teacher(data, run, start or network, settings, labels)}")


@app.command()
def train(
    data: DataOption,
    run: RunOption,
    out: OutOption = SHIPPED,
    init: Annotated[Init, typer.Option(help="Where to start.")] = "scratch",
    teacher: TeacherOption = None,
    model_version: VersionOption = None,
    epochs: EpochsOption = 14,
    photos_per_epoch: PhotosOption = 18_000,
    batch_size: BatchOption = 64,
    input_size: SideOption = 128,
    learning_rate: RateOption = 0.1,
    weight_decay: RateOption = 5e-4,
    ema_decay: ShareOption = 0.998,
    wild_weight: RateOption = 3.0,
    distillation_weight: DistillationOption = 0.7,
    distillation_temperature: TemperatureOption = 2.0,
    label_smoothing: SmoothingOption = 0.05,
    mixup: MixupOption = 0.0,
    fuse: FuseOption = False,
    labels: LabelsOption = None,
    seed: int = 1,
) -> None:
    """Train, calibrate on the tuning rows, read the test rows once, and write the model folder."""
    settings = TrainingSettings(
        epochs=epochs,
        photos_per_epoch=photos_per_epoch,
        batch_size=batch_size,
        input_size=input_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        ema_decay=ema_decay,
        wild_weight=wild_weight,
        seed=seed,
        distillation_weight=distillation_weight,
        distillation_temperature=distillation_temperature,
        label_smoothing=label_smoothing,
        mixup=mixup,
    )
    with spoken_errors():
        order = pipeline.Order(
            data, run, out, model_version or next_version(out), teacher or [], settings, fuse, labels
        )
        typer.echo(json.dumps(pipeline.train_model(order, init), indent=2))
        typer.echo(f"model {order.model_version} is in {out}")


@app.command()
def refit(
    data: DataOption,
    run: RunOption,
    measured: Annotated[Path, typer.Option(help="Folder of the model that `train` wrote and measured.")],
    out: OutOption = SHIPPED,
    start: Annotated[
        Path | None, typer.Option(help="Folder of the model to go on from; default: the measured.")
    ] = None,
    teacher: TeacherOption = None,
    model_version: VersionOption = None,
    epochs: EpochsOption = 4,
    photos_per_epoch: PhotosOption = 18_000,
    batch_size: BatchOption = 64,
    learning_rate: RateOption = 0.03,
    weight_decay: RateOption = 5e-4,
    ema_decay: ShareOption = 0.998,
    wild_weight: RateOption = 3.0,
    distillation_weight: DistillationOption = 0.7,
    distillation_temperature: TemperatureOption = 2.0,
    label_smoothing: SmoothingOption = 0.05,
    mixup: MixupOption = 0.0,
    fuse: FuseOption = False,
    labels: LabelsOption = None,
    seed: int = 2,
) -> None:
    """Let a measured model go on with the rows that were held out to measure it: the model to be shipped."""
    with spoken_errors():
        settings = TrainingSettings(
            epochs=epochs,
            photos_per_epoch=photos_per_epoch,
            batch_size=batch_size,
            input_size=contracts.load(measured).input_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            ema_decay=ema_decay,
            wild_weight=wild_weight,
            seed=seed,
            distillation_weight=distillation_weight,
            distillation_temperature=distillation_temperature,
            label_smoothing=label_smoothing,
            mixup=mixup,
        )
        start = start or measured
        model_version = model_version or next_version(out, measured, start)
        order = pipeline.Order(data, run, out, model_version, teacher or [], settings, fuse, labels)
        pipeline.refit_model(order, measured, start)
        typer.echo(f"model {order.model_version} is in {out}, with the figures of the model in {measured}")


@app.command()
def ranges(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the model.")] = SHIPPED,
) -> None:
    """Measure the activation ranges of a trained model again, from training photos; export rounds by them."""
    with spoken_errors():
        described = contracts.load(out)
        network = ResNet18(described.outputs)
        checkpoint.load(network, out / checkpoint.FILE_NAME)
        learned = pipeline.part_of(layouts.to_train(data).rows, "train")
        measured = pipeline.ranges_on(learned, network, described.input_size)
        activation_ranges.save(measured, described.model_version, out)
        typer.echo(f"activation ranges of model {described.model_version} are in {out}")
