"""Decoding, and near-duplicates."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.drawn_photos import encoded, striped
from training.data import dataset
from training.data.samples import Sample
from training.data.splits import Part


class TestDataset:
    def test_broken_photo_is_named(self) -> None:
        sample = Sample("studio", "4711", "Socks", ("Socks",), "train", b"\xff\xd8\xff no photo", "catalog")
        with pytest.raises(ValueError, match="photo 4711 of catalog"):
            dataset.load([sample], 32)

    def test_broken_file_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "sock.jpg"
        sample = Sample("studio", "Socks/sock.jpg", "Socks", ("Socks",), "train", file)
        for spoil in (lambda: None, lambda: file.write_bytes(b"no photo")):
            spoil()
            with pytest.raises(ValueError, match=r"sock\.jpg cannot be read"):
                dataset.without_near_duplicates([sample])

    def test_near_duplicates_of_judged_rows_are_left_out(self) -> None:
        picture, other = striped((60, 80)), striped((60, 80)).transpose(Image.Transpose.ROTATE_180)
        twin = picture.point([min(255, v + 3) for v in range(256)] * 3)
        made: list[tuple[str, Image.Image, Part]] = [
            ("judged", picture, "test"),
            ("twin", twin, "train"),
            ("other", other, "train"),
        ]
        read = [Sample("studio", k, "Socks", ("Socks",), p, encoded(i, quality=95)) for k, i, p in made]
        assert [sample.key for sample in dataset.without_near_duplicates(read)] == ["judged", "other"]

    def test_near_duplicates_of_tuning_rows_tune(self) -> None:
        picture = striped((60, 80))
        twin = picture.point([min(255, v + 3) for v in range(256)] * 3)
        made: list[tuple[str, Image.Image, Part]] = [("tuning", picture, "tune"), ("twin", twin, "train")]
        read = [Sample("studio", k, "Socks", ("Socks",), p, encoded(i, quality=95)) for k, i, p in made]
        assert [sample.part for sample in dataset.without_near_duplicates(read)] == ["tune", "tune"]

    def test_twins_of_test_rows_train_where_nothing_is_measured_by_these(self) -> None:
        random = np.random.default_rng(1)
        photos = [Image.fromarray(random.integers(0, 256, (80, 60, 3), np.uint8)) for _ in range(2)]
        pairs: list[tuple[Part, Part]] = [("test", "train"), ("tune", "train")]
        read = [
            Sample("studio", f"{part} {number}", "Socks", ("Socks",), part, encoded(photo))
            for number, (parts, photo) in enumerate(zip(pairs, photos, strict=True))
            for part in parts
        ]
        judging: list[Part] = ["tune"]
        assert [sample.part for sample in dataset.without_near_duplicates(read, judging)] == [
            "test",
            "train",
            "tune",
            "tune",
        ]
