"""The served network, its initial weights and its checkpoint."""

from pathlib import Path

import pytest
import torch

from handler import checkpoint
from handler.network import ResNet18, ServedNetwork
from training.fit.loop import predict
from training.network.batch_statistics import reestimate_statistics
from training.network.initial_weights import identity_of, start_from
from training.network.normalisation import MEAN, STD, normalise
from training.network.torchvision_shim import import_torchvision


class TestNetwork:
    def test_is_torchvisions_resnet18(self) -> None:
        theirs = import_torchvision().resnet18(num_classes=28).eval()
        ours = ResNet18(28).eval()
        ours.load_state_dict(theirs.state_dict())
        photos = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            torch.testing.assert_close(ours(photos), theirs(photos))

    def test_served_network_normalises(self) -> None:
        torch.manual_seed(0)
        network = ResNet18(5).eval()
        photos = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
        with torch.inference_mode():
            logits = ServedNetwork(network, MEAN, STD).eval()(photos)
            torch.testing.assert_close(logits, network(normalise(photos)), rtol=1e-4, atol=1e-4)

    def test_checkpoint_keeps_the_network(self, tmp_path: Path) -> None:
        network, other = ResNet18(28).eval(), ResNet18(28).eval()
        checkpoint.save(network, tmp_path / "c.safetensors")
        checkpoint.load(other, tmp_path / "c.safetensors")
        photos = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
        torch.testing.assert_close(predict(network, photos), predict(other, photos), rtol=0.02, atol=0.02)
        with pytest.raises(ValueError, match=r"parameter fc\.bias differs"):
            checkpoint.load(ResNet18(3), tmp_path / "c.safetensors")

    def test_reestimated_statistics_are_those_of_the_photos(self) -> None:
        torch.manual_seed(0)
        network = ResNet18(5)
        photos = torch.randint(0, 256, (600, 32, 32, 3), dtype=torch.uint8)
        reestimate_statistics(network, photos)
        assert not network.training
        with torch.inference_mode():
            seen = network.conv1(normalise(photos))
        torch.testing.assert_close(network.bn1.running_mean, seen.mean(dim=(0, 2, 3)), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(network.bn1.running_var, seen.var(dim=(0, 2, 3)), rtol=1e-2, atol=1e-4)


class TestInitialWeights:
    def test_from_scratch_the_weights_stay_random(self) -> None:
        torch.manual_seed(3)
        network = ResNet18(28)
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        assert "random" in start_from(network, "scratch")
        assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())

    def test_from_a_model_its_weights_are_loaded(self, tmp_path: Path) -> None:
        torch.manual_seed(3)
        saved, network = ResNet18(28), ResNet18(28)
        checkpoint.save(saved, tmp_path / "checkpoint.safetensors")
        assert str(tmp_path) in start_from(network, str(tmp_path))
        for name, parameter in network.named_parameters():  # the checkpoint is rounded to float16
            torch.testing.assert_close(parameter, saved.get_parameter(name), rtol=1e-3, atol=1e-4)

    def test_from_imagenet_all_but_the_last_layer_is_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        models = import_torchvision()
        torch.manual_seed(3)
        published = models.resnet18().state_dict()
        monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", lambda _weights, **_options: published)
        network = ResNet18(28)
        head = network.fc.weight.clone()
        assert "ImageNet" in start_from(network, "imagenet")
        assert torch.equal(network.conv1.weight, published["conv1.weight"])
        assert torch.equal(network.state_dict()["layer4.1.bn2.running_var"], published["layer4.1.bn2.running_var"])
        assert torch.equal(network.fc.weight, head)

    def test_without_a_network_the_remedy_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: object, **_options: object) -> None:
            raise OSError("no route to host")

        monkeypatch.setattr(import_torchvision().ResNet18_Weights, "get_state_dict", away)
        with pytest.raises(OSError, match=r"no route to host.*start=scratch"):
            start_from(ResNet18(28), "imagenet")

    def test_starts_are_told_apart(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            checkpoint.save(ResNet18(28), tmp_path / name / "checkpoint.safetensors")
        starts = ["scratch", "imagenet", str(tmp_path / "a"), str(tmp_path / "b")]
        assert len({identity_of(start) for start in starts}) == 4
        with pytest.raises(FileNotFoundError, match=r"nowhere.*scratch, imagenet or the folder"):
            identity_of(str(tmp_path / "nowhere"))
