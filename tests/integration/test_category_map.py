"""The words by which a shop calls what was ordered: what the category map makes of them, and what it refuses."""

from pathlib import Path

import pytest

from batch_client.errors import UsageError
from batch_client.exit_codes import ExitCode
from batch_client.sources.order_words import CategoryMap, OrderWords
from results.orders import Rule
from tests.support.batch_rig import BatchRig

CLASSES = ("Casual Shoes", "Heels", "Socks", "Sports Shoes")
RULE = Rule(CLASSES, accept_threshold=0.8, unknown_threshold=0.5, match_threshold=0.1, mismatch_threshold=0.01)
SOFTMAX = {
    "sock.jpg": (0.001, 0.001, 0.96, 0.001, 0.03),
    "trainer.jpg": (0.06, 0.001, 0.001, 0.92, 0.01),
    "pump.jpg": (0.001, 0.95, 0.001, 0.001, 0.04),
}
MAP = "shop_category,categories\nSneakers,Sports Shoes|Casual Shoes\nDamen > Pumps, heels \nStrümpfe,Socks\n"
STORED = "SELECT filename, expected_category, shop_category, match_verdict FROM outcomes ORDER BY filename"


def write(folder: Path, text: str, encoding: str = "utf-8") -> CategoryMap:
    path = folder / "words.csv"
    path.write_bytes(text.encode(encoding, "surrogateescape"))
    return CategoryMap.read(path)


class TestWords:
    @pytest.mark.parametrize(
        ("cell", "categories"),
        [
            ("Sneakers", "Casual Shoes|Sports Shoes"),
            ("  sNEAKERS ", "Casual Shoes|Sports Shoes"),
            ("DAMEN > PUMPS", "Heels"),
            ("STRU\u0308MPFE", "Socks"),
            ("sports shoes", "Sports Shoes"),
            ("Sports Shoes | casual shoes|Sports Shoes", "Casual Shoes|Sports Shoes"),
            ("Strümpfe|Heels", "Heels|Socks"),
            ("", None),
            ("Lamps", None),
            ("Socks|Lamps", None),
        ],
    )
    def test_mean_categories_in_the_order_of_the_model(self, tmp_path: Path, cell: str, categories: str | None) -> None:
        assert OrderWords(CLASSES, write(tmp_path, MAP)).read(cell) == categories

    def test_that_nobody_knows_are_listed_once_with_the_nearest(self, tmp_path: Path) -> None:
        words = OrderWords(CLASSES, write(tmp_path, MAP))
        for cell in ("Sneaker", "SNEAKER", "Socks|sneaker", "Lampen"):
            assert words.read(cell) is None
        words.read("Lampen", count=False)
        assert words.problems("manifest.csv") == [
            "manifest.csv: expected_category 'Sneaker' is none of the categories and not in CATEGORY_MAP (3 lines); "
            "the nearest are Sneakers",
            "manifest.csv: expected_category 'Lampen' is none of the categories and not in CATEGORY_MAP (1 line)",
        ]

    def test_a_line_of_the_map_comes_before_our_own_name(self, tmp_path: Path) -> None:
        words = OrderWords(CLASSES, write(tmp_path, "categories;Shop Category\nSocks|Heels;socks\n", "utf-16"))
        assert words.read("Socks") == "Heels|Socks"


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("word,category\na,Socks\n", "line 1: the header must be shop_category,categories"),
            ("shop_category,categories,categories\n", "line 1: the header must be shop_category,categories, each once"),
            (f"{MAP}Hats,\n", "line 5: categories is empty. Fill it in, or remove the line"),
            (f"{MAP},Socks\n", "line 5: shop_category is empty"),
            (f"{MAP}a,Socks,Heels\n", r"line 5: 2 cells expected, 3 found. Separate several categories by \|"),
            (f'{MAP}"a,Socks\n', "line 5: a quotation mark is not closed"),
            (f"{MAP}\n sneakers ,Socks\n", "lines 2 and 6: 'Sneakers' has two meanings. Remove one of them"),
            (f"{MAP}gr\udcfcn,Socks\n", "line 5 holds bytes that are no UTF-8. Save the map as CSV UTF-8"),
        ],
    )
    def test_what_cannot_be_read_is_named_with_line_and_remedy(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            write(tmp_path, text)

    def test_the_same_line_twice_says_nothing_new(self, tmp_path: Path) -> None:
        assert OrderWords(CLASSES, write(tmp_path, f"{MAP}SNEAKERS,Casual Shoes|sports shoes\n")).read("sneakers")


class TestRuns:
    @pytest.fixture
    def shop(self, rig: BatchRig) -> BatchRig:
        """An inbox of three photos with a manifest in the shop's own words, and its map."""
        rig.add(*SOFTMAX)
        rig.stub.check_orders(RULE, lambda body: SOFTMAX[body.decode().removeprefix("photo ")])
        lines = ("sock.jpg,R-1,Sneakers", "trainer.jpg,R-2,sneakers", "pump.jpg,R-3,Stiefel")
        (rig.inbox / "manifest.csv").write_text("\n".join(["filename,return_id,expected_category", *lines, ""]))
        self.write_map(rig, MAP)
        return rig

    @staticmethod
    def write_map(rig: BatchRig, text: str) -> None:
        path = rig.results.parent.parent / "words.csv"
        path.write_text(text, encoding="utf-8")
        rig.environment["CATEGORY_MAP"] = str(path)

    def test_the_map_decides_and_a_changed_map_is_applied_to_known_photos(self, shop: BatchRig) -> None:
        code, output = shop.run()
        assert code == ExitCode.OK, output
        assert "'Stiefel' is none of the categories and not in CATEGORY_MAP (1 line)" in " ".join(output.split())
        assert shop.rows(STORED) == [
            ("pump.jpg", None, "Stiefel", None),
            ("sock.jpg", "Casual Shoes|Sports Shoes", "Sneakers", "mismatch"),
            ("trainer.jpg", "Casual Shoes|Sports Shoes", "sneakers", "match"),
        ]
        returns = "SELECT return_id, ordered, final_decision FROM returns ORDER BY return_id"
        assert shop.rows(returns) == [
            ("R-1", "Casual Shoes or Sports Shoes", "open"),
            ("R-2", "Casual Shoes or Sports Shoes", "cleared"),
            ("R-3", None, "cleared"),
        ]
        sent = len(shop.stub.photos)
        self.write_map(shop, "shop_category,categories\nsneakers,Socks\nStiefel,Heels\n")
        assert shop.run()[0] == ExitCode.OK
        assert (len(shop.stub.photos), shop.newest_run()["known"]) == (sent, 3)
        assert shop.rows(STORED) == [
            ("pump.jpg", "Heels", "Stiefel", "match"),
            ("sock.jpg", "Socks", "Sneakers", "match"),
            ("trainer.jpg", "Socks", "sneakers", "mismatch"),
        ]
        assert [state for _, _, state in shop.rows(returns)] == ["cleared", "open", "cleared"]
        assert shop.run("verify")[0] == ExitCode.OK

    def test_a_map_that_names_no_category_of_the_model_is_a_wrong_setting(self, shop: BatchRig) -> None:
        self.write_map(shop, f"{MAP}Boots,Sport Shoes\n")
        code, output = shop.run()
        message = "line 5: 'Sport Shoes' is none of the model's categories; the nearest are Sports Shoes"
        text = " ".join(output.split())
        assert (code, message in text, "Correct the line, or remove it." in text) == (ExitCode.USAGE, True, True)
        run = shop.newest_run()
        assert (run["status"], run["found"], run["left"]) == ("stopped", 3, 3)
        assert shop.stub.photos == []

    def test_a_map_that_is_not_there_is_a_wrong_setting(self, shop: BatchRig) -> None:
        missing = shop.environment["CATEGORY_MAP"] = str(shop.results.parent / "missing.csv")
        code, output = shop.run()
        text = "".join(output.split())
        assert (code, f"CATEGORY_MAP({missing})cannotberead:Nosuchfileordirectory." in text) == (ExitCode.USAGE, True)
        assert shop.rows("SELECT count(*) FROM runs") == [(0,)]

    def test_a_map_among_the_photos_is_refused(self, shop: BatchRig) -> None:
        (shop.inbox / "words.csv").write_text(MAP)
        shop.environment["CATEGORY_MAP"] = str(shop.inbox / "words.csv")
        code, output = shop.run()
        assert (code, "lies inside the source" in " ".join(output.split())) == (ExitCode.USAGE, True)
