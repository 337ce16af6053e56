"""Labelled photos in the layouts that people have them in."""

from pathlib import Path

import pytest

from tests.support.catalog import write_catalog
from tests.support.drawn_photos import encoded, striped
from training.data import layouts

PHOTO = encoded(striped((40, 40)))
HEADER = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName\n"


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PHOTO)


def write_list(folder: Path, text: str) -> Path:
    path = folder / "photos.csv"
    path.write_text(text, encoding="utf-8")
    return path


class TestFolderForEachCategory:
    def test_folders_are_labels_and_the_path_decides_the_part(self, tmp_path: Path) -> None:
        put(tmp_path, *(f"Flip Flops/{i}.jpg" for i in range(100)), "unknown/deep/down.png", "Socks/.hidden")
        put(tmp_path, "Socks/one.jpg", ".cache/x.jpg")
        found = layouts.to_train(tmp_path).samples
        assert len(found) == 102
        assert {sample.accepts for sample in found} == {("Flip Flops",), ("unknown",), ("Socks",)}
        parts = [sample.part for sample in found]
        assert 60 < parts.count("train") < 95
        assert {"tune", "test"} <= set(parts)
        assert parts == [sample.part for sample in layouts.to_train(tmp_path).samples]
        assert found[0].photo() == PHOTO

    def test_all_of_them_judge(self, tmp_path: Path) -> None:
        put(tmp_path, *(f"Socks/{i}.jpg" for i in range(20)))
        found = layouts.to_judge(tmp_path)
        assert {sample.group for sample in found.samples} == {"all"}
        assert (len(found.samples), found.notes) == (20, [])

    def test_wrong_name_is_told_with_the_right_one(self, tmp_path: Path) -> None:
        put(tmp_path, "T-Shirts/1.jpg")
        with pytest.raises(ValueError, match=r"folder .*T-Shirts: 'T-Shirts' is none .* did you mean 'Tshirts'\?"):
            layouts.to_train(tmp_path)

    def test_empty_category_is_named(self, tmp_path: Path) -> None:
        put(tmp_path, "Socks/1.jpg")
        (tmp_path / "Belts").mkdir()
        with pytest.raises(ValueError, match="Belts holds no photo"):
            layouts.to_train(tmp_path)

    def test_no_layout_at_all(self, tmp_path: Path) -> None:
        put(tmp_path, "1.jpg")
        with pytest.raises(ValueError, match=r"no labelled photos\. Name .*catalog\.parquet.*styles\.csv.*--data"):
            layouts.to_train(tmp_path)
        with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
            layouts.to_judge(tmp_path / "nowhere")


class TestKaggle:
    def write(self, folder: Path, *lines: str) -> None:
        (folder / "styles.csv").write_text(HEADER + "".join(line + "\n" for line in lines), encoding="utf-8")

    def test_article_types_become_categories_whatever_commas_follow(self, tmp_path: Path) -> None:
        put(tmp_path, "images/1.jpg", "images/2.jpg", "images/3.jpg")
        self.write(
            tmp_path,
            "1,Men,Apparel,Topwear,Tshirts,Navy,Fall,2011,Casual,Plain",
            '2,Women,Footwear,Shoes,Heels,Red,Fall,2011,Casual,"Inch" heel, red, size 6, new',
            "3,Men,Accessories,Headwear,Caps,Blue,Fall,2011,Casual,Cap",
            "4,Men,Apparel,Topwear,Tshirts,Navy,Fall,2011,Casual,Its photo is missing",
        )
        found = layouts.to_train(tmp_path)
        assert {sample.key: sample.accepts for sample in found.samples} == {
            "1": ("Tshirts",),
            "2": ("Heels",),
            "3": ("unknown",),
        }
        assert found.notes == ["1 lines of styles.csv name a photo that is not there"]
        assert found.samples[2].part != "test"  # of one kind of unknown items none is held out

    def test_a_fifth_of_the_unknown_kinds_only_judges(self, tmp_path: Path) -> None:
        put(tmp_path, *(f"images/{i}.jpg" for i in range(120)))
        self.write(tmp_path, *(f"{i},Men,x,x,Kind {i // 12},Navy,Fall,2011,Casual,Plain" for i in range(120)))

        def only_judging(hold_out: bool) -> int:
            parts: dict[str, set[str]] = {}
            for sample in layouts.to_train(tmp_path, hold_out).samples:
                parts.setdefault(sample.source_label, set()).add(sample.part)
            return sum(of_kind == {"test"} for of_kind in parts.values())

        assert (only_judging(True), only_judging(False)) == (2, 0)  # of ten

    def test_only_its_test_part_judges(self, tmp_path: Path) -> None:
        put(tmp_path, *(f"images/{i}.jpg" for i in range(40)))
        self.write(tmp_path, *(f"{i},Men,Apparel,Topwear,Tshirts,Navy,Fall,2011,Casual,Plain" for i in range(40)))
        judging = layouts.to_judge(tmp_path)
        training = layouts.to_train(tmp_path).samples
        assert {sample.key for sample in judging.samples} == {
            sample.key for sample in training if sample.part == "test"
        }
        assert "the part `test`" in judging.notes[0]

    def test_faults_are_named(self, tmp_path: Path) -> None:
        self.write(tmp_path, "1,Men,Apparel")
        with pytest.raises(ValueError, match=r"styles\.csv, line 2: no id or no articleType"):
            layouts.to_train(tmp_path)
        self.write(tmp_path, "1,Men,Apparel,Topwear,Tshirts,Navy,Fall,2011,Casual,Plain")
        with pytest.raises(ValueError, match=r"none of the 1 photos .* images/ID\.jpg"):
            layouts.to_train(tmp_path)
        (tmp_path / "styles.csv").write_text("key,kind\n")
        with pytest.raises(ValueError, match="line 1: the columns id and articleType are missing"):
            layouts.to_train(tmp_path)


class TestList:
    def test_columns(self, tmp_path: Path) -> None:
        path = write_list(
            tmp_path,
            "\ufeffgroup,file,accepts,remark\nphone,a/1.jpg,Trousers; Jeans,x\n,2.jpg,unknown,\nstudio,3.jpg,,\n\n",
        )
        found = layouts.to_judge(path)
        assert [(sample.group, sample.accepts, sample.encoded) for sample in found.samples] == [
            ("phone", ("Trousers", "Jeans"), tmp_path / "a" / "1.jpg"),
            ("all", ("unknown",), tmp_path / "2.jpg"),
        ]
        assert found.notes[0].startswith("1 rows with empty `accepts` skipped")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("file\n1.jpg\n", "line 1: no column accepts"),
            ("", "line 1: no column file"),
            ("file,accepts\n1.jpg,Socks\n2.jpg,Sokcs\n", "line 3: 'Sokcs' is none .* did you mean 'Socks'"),
            ("file,accepts\na,b.jpg,Socks\n", "line 2: 3 cells under 2 columns"),
            ("file,accepts\n,Socks\n", "line 2: no file"),
            ("file,accepts\n1.jpg,unknown;Socks\n", "line 2: an item is unknown or one of the categories"),
            ("file,accepts\n1.jpg,\n", "nothing to judge by"),
        ],
    )
    def test_faults_are_named_with_their_line(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            layouts.to_judge(write_list(tmp_path, text))

    def test_another_encoding(self, tmp_path: Path) -> None:
        path = tmp_path / "photos.csv"
        path.write_bytes("file,accepts\nübergröße.jpg,Socks\n".encode("latin-1"))
        with pytest.raises(ValueError, match="not UTF-8"):
            layouts.to_judge(path)


class TestLabelsThatAPersonGave:
    def catalog(self, folder: Path) -> None:
        shoes = [{"id": str(i), "category": "Heels", "split": "val" if i % 2 else "train"} for i in range(40)]
        write_catalog(folder, shoes)

    def test_they_count_where_nothing_is_judged(self, tmp_path: Path) -> None:
        self.catalog(tmp_path)
        path = write_list(tmp_path, "photo,accepts,who\n" + "".join(f"{i},Flats; Heels,me\n" for i in range(39)))
        found = layouts.to_train(tmp_path, labels=path)
        accepts = {sample.key: (sample.part, sample.accepts) for sample in found.samples}
        assert {part for part, _ in accepts.values()} == {"train", "tune", "test"}
        for key, (part, right) in accepts.items():
            assert right == (("Heels",) if part == "test" or key == "39" else ("Flats", "Heels"))
        assert found.notes == [f"39 photos have labels from {path}, except in the test part"]

    def test_a_photo_without_a_label_is_left_out(self, tmp_path: Path) -> None:
        self.catalog(tmp_path)
        found = layouts.to_train(tmp_path, labels=write_list(tmp_path, "photo,accepts\n0,\n"))
        assert "0" not in {sample.key for sample in found.samples}
        assert len(found.samples) == 39

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("photo\n1\n", "line 1: no column accepts"),
            ("photo,accepts\n,Heels\n", "line 2: no photo"),
            ("photo,accepts\n0,Heels\n0,Flats\n", "line 3: photo 0 has a label already"),
            ("photo,accepts\n0,Heals\n", "line 2: 'Heals' is none .* did you mean 'Heels'"),
            ("photo,accepts\n99,Heels\n", r"photos\.csv: photo 99 is 0 times among the photos"),
        ],
    )
    def test_faults_are_named(self, tmp_path: Path, text: str, message: str) -> None:
        self.catalog(tmp_path)
        with pytest.raises(ValueError, match=message):
            layouts.to_train(tmp_path, labels=write_list(tmp_path, text))
