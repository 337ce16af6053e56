"""Our parquet files, and the part of each sample."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.catalog import write_catalog
from tests.support.drawn_photos import encoded, striped
from training.data import samples


class TestRows:
    def test_val_is_split_by_the_hash_of_its_id(self, tmp_path: Path) -> None:
        write_catalog(tmp_path, [{"id": str(i), "category": "Socks", "split": "val"} for i in range(200)])
        parts = [sample.part for sample in samples.read(tmp_path)]
        assert set(parts) == {"tune", "test"}
        assert 70 < parts.count("tune") < 130
        assert parts == [sample.part for sample in samples.read(tmp_path)]

    def test_kinds_of_unknown_items_are_held_out_whole(self, tmp_path: Path) -> None:
        kinds = [f"kind {i}" for i in range(59)]
        records = [{"id": f"{k}{i}", "category": "unknown", "article_type": k} for k in kinds for i in range(3)]
        write_catalog(tmp_path, records)
        held_out = {sample.source_label for sample in samples.read(tmp_path) if sample.part == "test"}
        assert len(held_out) == 12
        assert not held_out & {sample.source_label for sample in samples.read(tmp_path) if sample.part == "train"}

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
        read = [sample for sample in samples.read(tmp_path) if sample.domain == "phone"]
        assert len([sample for sample in read if sample.accepts]) == 100
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
