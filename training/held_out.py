"""A trained model, and the rows of its data that it did not learn."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from handler import checkpoint
from handler import contract as contracts
from handler.contract import Contract
from handler.network import ResNet18
from training import pipeline
from training.data.dataset import load, without_near_duplicates
from training.data.samples import Sample
from training.data.splits import Part
from training.evaluate import label_issues, order_check
from training.evaluate.label_issues import LabelIssue
from training.fit.loop import predict
from training.model_folder import read_figures


@dataclass(frozen=True)
class TrainedModel:
    """A model with its weights.

    Attributes:
        folder: of the model.
        contract: its contract.
        network: in full precision.
    """

    folder: Path
    contract: Contract
    network: ResNet18

    def split(self, data: Path) -> list[Sample]:
        """Read the rows that the model learned from, each with its part; ``tune`` and ``test`` were not learned."""
        is_refit = "test_of" in read_figures(self.folder)
        judged: tuple[Part, ...] = ("tune",) if is_refit else ("tune", "test")
        return without_near_duplicates(pipeline.read_samples(data, hold_out=not is_refit), judged)

    def logits(self, photos: Tensor) -> Tensor:
        """Return logits, float32 [N, C + 1], of uint8 photos [N, S, S, 3]."""
        return predict(self.network, photos)


def load_trained(folder: Path) -> TrainedModel:
    """Load a model folder.

    Raises:
        FileNotFoundError, ValueError: the folder holds no valid model.
    """
    contract = contracts.load(folder)
    network = ResNet18(contract.outputs)
    checkpoint.load(network, folder / checkpoint.FILE_NAME)
    return TrainedModel(folder, contract, network)


def issues_of_held_out_labels(model: Path, data: Path) -> tuple[list[LabelIssue], int]:
    """Return the labels that are probably wrong among the rows that a model did not learn, and the number of rows.

    Args:
        model: folder of the model.
        data: folder of the photos that it learned from.
    """
    trained = load_trained(model)
    rows = load([sample for sample in trained.split(data) if sample.part != "train"], trained.contract.input_size)
    probabilities = order_check.calibrated(trained.logits(rows.photos), trained.contract.temperature)
    return label_issues.find(rows.samples, probabilities), len(rows.samples)
