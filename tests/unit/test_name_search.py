"""Finding the names of photos in logs and reports."""

import pytest

from results.name_search import NameSearch


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("run 3: r-1/a.jpg: no photo", ["r-1/a.jpg"]),
        ('{"filename": "r-1/a.jpg"}', ["r-1/a.jpg"]),
        ("line 3 of R-4711.", ["R-4711"]),
        ("R-4711,R-4711-2,R-47110", ["R-4711"]),
        ("x/r-1/a.jpg, r-1/a.jpg.bak and my-r-1/a.jpg", []),
        ("r-1/a.jpg (2).jpg", ["r-1/a.jpg (2).jpg"]),
        ("jane doe.jpg", ["jane doe.jpg"]),
        ("Jane Doe.jpg", []),
        ("b", ["b"]),
        ("b.jpg ab b2", []),
        ("", []),
    ],
)
def test_a_name_counts_where_no_longer_name_surrounds_it(text: str, found: list[str]) -> None:
    names = NameSearch(["r-1/a.jpg", "r-1/a.jpg (2).jpg", "R-4711", "jane doe.jpg", "b", ""])
    assert [text[start:end] for start, end in names.spans(text)] == found
    assert names.finds(text) == bool(found)


def test_a_masked_text_keeps_its_length_in_bytes() -> None:
    names = NameSearch(["grün/ä.jpg", "\udcff.jpg"])
    for text in ("run 1: grün/ä.jpg: no photo\n", "run 1: \udcff.jpg\n"):
        masked = names.masked(text)
        assert "jpg" not in masked
        assert len(masked.encode("utf-8", "surrogateescape")) == len(text.encode("utf-8", "surrogateescape"))
    assert names.masked("run 1: grün/ä.jpg: no photo") == "run 1: ************: no photo"


def test_no_name_is_found_without_names() -> None:
    assert not NameSearch([]).finds("a.jpg")
