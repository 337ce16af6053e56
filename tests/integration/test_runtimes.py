"""The network in each runtime graph, compared with the checkpoint."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from export.graph import load_network, reference_logits, write_graph
from handler import activation_ranges, checkpoint
from handler.contract import Contract
from handler.decoding.decode import decode
from handler.network import ResNet18, ServedNetwork, fused
from handler.preprocess import preprocess
from handler.runtimes import runtime
from tests.conftest import ROOT
from tests.support.decoding import LIMITS
from training.measured_ranges import measure
from training.network.normalisation import MEAN, STD

CPU_GRAPHS = ("openvino-int8", "openvino-bf16", "openvino-f32", "torch-f32")


@pytest.fixture(scope="module")
def photos(contract: Contract) -> np.ndarray:
    return np.stack(
        [
            preprocess(decode(path.read_bytes(), LIMITS), contract.input_size)
            for path in sorted((ROOT / "samples").glob("*.jpg"))
        ]
    )


@pytest.fixture(scope="module")
def unpacked(contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    ranges = activation_ranges.load(ROOT / "model", contract.model_version)
    write_graph(load_network(ROOT / "model", contract), contract, ranges, folder)
    (folder / checkpoint.FILE_NAME).write_bytes((ROOT / "model" / checkpoint.FILE_NAME).read_bytes())
    return folder


@pytest.mark.parametrize("graph", CPU_GRAPHS)
def test_every_graph_answers_as_the_checkpoint(
    unpacked: Path, contract: Contract, photos: np.ndarray, graph: str
) -> None:
    loaded = runtime.load(unpacked, contract, 1, graph)
    logits = loaded.infer(photos)
    expected = reference_logits(load_network(ROOT / "model", contract), photos)
    assert (loaded.name, loaded.device) == (graph, "cpu")
    assert logits.dtype == np.float32
    assert logits.shape == (len(photos), contract.outputs)
    assert np.abs(logits - expected).mean() < {"int8": 0.1, "bf16": 0.03, "f32": 0.01}[graph.split("-")[1]]
    assert np.array_equal(logits[:, :-1].argmax(axis=1), expected[:, :-1].argmax(axis=1))


def test_integers_round_and_floats_do_not(unpacked: Path, contract: Contract, photos: np.ndarray) -> None:
    """The one graph file holds both: taking the rounding out must really take it out."""
    expected = reference_logits(load_network(ROOT / "model", contract), photos)
    error = {
        graph: np.abs(runtime.load(unpacked, contract, 1, graph).infer(photos) - expected).mean()
        for graph in ("openvino-int8", "openvino-f32")
    }
    assert error["openvino-int8"] > 3 * error["openvino-f32"]


@pytest.mark.parametrize(
    ("machine", "flags", "graph"),
    [
        ("x86_64", {"avx2"}, "openvino-f32"),
        ("x86_64", {"avx2", "avx_vnni"}, "openvino-int8"),
        ("x86_64", {"avx512_vnni", "avx512_bf16"}, "openvino-int8"),
        ("x86_64", {"avx512_bf16"}, "openvino-bf16"),
        ("aarch64", {"asimdhp"}, "openvino-f16"),
        ("aarch64", set(), "openvino-f32"),
        ("AMD64", set(), "openvino-f32"),
    ],
)
def test_the_machine_decides(machine: str, flags: set[str], graph: str) -> None:
    assert runtime.choose(None, machine, frozenset(flags)) == graph
    assert runtime.choose(0, machine, frozenset(flags)) == "torch-f16"


def test_a_wrong_graph_is_named(unpacked: Path, contract: Contract) -> None:
    with pytest.raises(ValueError, match=r"'openvino-int4' is unknown\. Use one of auto, openvino-int8"):
        runtime.load(unpacked, contract, 1, "openvino-int4")
    with pytest.raises(ValueError, match="torch-f16 needs an accelerator"):
        runtime.load(unpacked, contract, 1, "torch-f16")


def test_fused_normalisations_change_no_answer() -> None:
    torch.manual_seed(3)
    network = ResNet18(5)
    network.train()(torch.randn(16, 3, 64, 64))  # gives the normalisations statistics of their own
    served = ServedNetwork(network.eval(), MEAN, STD).eval()
    bytes_in = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(fused(served)(bytes_in)[0], served(bytes_in)[0], rtol=1e-4, atol=1e-4)


class TestRanges:
    def test_every_convolution_has_one_and_only_the_first_sees_negatives(self) -> None:
        photos = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
        ranges = measure(ResNet18(5).eval(), photos)
        convolutions = [n for n, m in ResNet18(5).named_modules() if isinstance(m, torch.nn.Conv2d)]
        assert sorted(ranges) == sorted(convolutions)
        assert {name for name, (low, _) in ranges.items() if low < 0} == {"conv1"}
        assert all(high > 0 for _, high in ranges.values())

    def test_file_belongs_to_one_model(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="training ranges"):
            activation_ranges.load(tmp_path, "1.0.0")
        activation_ranges.save({"conv1": (-2.1, 2.5)}, "1.0.0", tmp_path)
        assert activation_ranges.load(tmp_path, "1.0.0") == {"conv1": (-2.1, 2.5)}
        with pytest.raises(ValueError, match=r"belongs to model 1\.0\.0, the contract to model 2\.0\.0"):
            activation_ranges.load(tmp_path, "2.0.0")

    def test_ranges_of_another_network_are_refused(self, contract: Contract, tmp_path: Path) -> None:
        network = load_network(ROOT / "model", contract)
        with pytest.raises(ValueError, match="conv1 has no activation range"):
            write_graph(network, contract, {"layer9": (0.0, 1.0)}, tmp_path)


class TestReducedJpeg:
    def photo(self, size: tuple[int, int]) -> Image.Image:
        """Draw something with detail: a fraction of the size must average it, not pick from it."""
        random = np.random.default_rng(8)
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        grain = random.integers(-40, 40, (size[1], size[0], 1))
        return Image.fromarray((np.asarray(coarse, dtype=np.int16) + grain).clip(0, 255).astype(np.uint8))

    @pytest.mark.parametrize("orientation", [1, 6])
    def test_a_fraction_shows_what_the_whole_shows(self, tmp_path: Path, orientation: int) -> None:
        path = tmp_path / "p.jpg"
        exif = Image.Exif()
        exif[0x0112] = orientation
        self.photo((1200, 800)).save(path, quality=90, exif=exif)
        whole, part = (decode(path.read_bytes(), LIMITS, side) for side in (None, 96))
        assert whole.size == ((1200, 800) if orientation == 1 else (800, 1200))
        assert part.size == ((150, 100) if orientation == 1 else (100, 150))
        difference = preprocess(whole, 96).astype(int) - preprocess(part, 96)
        assert np.abs(difference).mean() < 2

    @pytest.mark.parametrize("size", [(113, 900), (900, 113), (120, 120)])
    def test_no_side_falls_below_the_least(self, tmp_path: Path, size: tuple[int, int]) -> None:
        path = tmp_path / "p.jpg"
        self.photo(size).save(path)
        assert min(decode(path.read_bytes(), LIMITS, 112).size) >= 112

    def test_a_truncated_photo_is_still_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "p.jpg"
        self.photo((1200, 800)).save(path)
        with pytest.raises(Exception, match="breaks off"):
            decode(path.read_bytes()[:-4000] + b"\xff\xd9", LIMITS, 112)
