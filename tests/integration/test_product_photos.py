"""The shop's pictures of what was ordered: kept for the desk, never classified, and missed aloud."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from batch_client.exit_codes import ExitCode
from batch_client.pipeline.photo import LARGEST_PHOTO
from results import media_layout
from results.database import Database
from results.product_photos import ProductPhoto, of_photos
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, mosaic
from tests.support.stub_service import NOT_A_PHOTO, WORKER_DIED, WRONG_KEY, prediction

BAG, SHOE = encoded(mosaic((60, 80), 1)), encoded(mosaic((60, 80), 2))
NAMED = "SELECT filename, product_photo FROM outcomes ORDER BY filename"
STORED = "SELECT path, sha256 IS NOT NULL, problem FROM product_photos ORDER BY path"


@pytest.fixture
def shop(rig: BatchRig) -> BatchRig:
    """Three photos of customers, and among them two of the shop."""
    for number, name in enumerate(("a.jpg", "b.jpg", "sub/c.jpg"), 10):
        write(rig, name, encoded(mosaic((60, 80), number)))
    write(rig, "shop/Bag.jpg", BAG)
    write(rig, "shoe.JPG", SHOE)
    return rig


def write(rig: BatchRig, name: str, content: bytes) -> None:
    path = rig.inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_manifest(rig: BatchRig, **product_photos: str) -> None:
    names = {"a": "a.jpg", "b": "b.jpg", "c": "sub/c.jpg"}
    lines = [f"{names[key]},R-{key},{path}" for key, path in product_photos.items()]
    (rig.inbox / "manifest.csv").write_text("\n".join(["filename,return_id,product_photo", *lines, ""]))


def shown(rig: BatchRig) -> dict[str, Any]:
    """Return what the desk finds for each photo: the bytes' thumbnail is there, or why not."""
    database = Database(str(rig.results))
    with database.reading() as connection:
        names = {row.id: row.filename for row in connection.exec_driver_sql("SELECT id, filename FROM photos")}
        found = of_photos(connection, list(names))
    database.close()
    media = Path(rig.environment["MEDIA_DIR"])
    return {
        names[number]: media_layout.thumbnail_path(media, product.sha256).is_file()
        if product.sha256 is not None and product.problem is None
        else product.problem
        for number, product in found.items()
    }


def test_they_are_kept_for_the_desk_and_neither_classified_nor_counted(shop: BatchRig) -> None:
    write_manifest(shop, a=".\\shop\\bag.jpg", b="shop/Bag.jpg", c="shoe.jpg")
    code, output = shop.run("run", "--processed", "move")
    assert code == ExitCode.OK, output
    run = shop.newest_run()
    assert (run["found"], run["classified"], run["left"]) == (3, 3, 0)
    assert shop.rows(NAMED) == [("a.jpg", "shop/Bag.jpg"), ("b.jpg", "shop/Bag.jpg"), ("sub/c.jpg", "shoe.JPG")]
    assert shown(shop) == {"a.jpg": True, "b.jpg": True, "sub/c.jpg": True}
    assert sorted(shop.stub.pictures) == sorted([BAG, SHOE]), "each is requested once"
    assert not {BAG, SHOE} & set(shop.stub.photos)
    assert (shop.inbox / "shop" / "Bag.jpg").read_bytes() == BAG, "it is not put away"
    assert "photos that no line of the manifest names" not in " ".join(output.split())
    assert shop.run()[0] == ExitCode.OK
    assert shop.newest_run()["found"] == 0
    assert len(shop.stub.pictures) == 2, "a picture that is there is not requested again"
    assert shop.run("verify")[0] == ExitCode.OK


def test_what_is_missing_or_no_photo_is_told_and_stops_nothing(shop: BatchRig) -> None:
    shop.stub.answer = lambda body, attempt: NOT_A_PHOTO if body == b"text" else prediction()
    write(shop, "note.txt", b"text")
    write_manifest(shop, a="shop/hat.jpg", b="note.txt", c="../outside.jpg")
    code, output = shop.run()
    text = " ".join(output.split())
    assert code == ExitCode.OK, output
    assert "manifest.csv: 1 product photo is not in the source: 'shop/hat.jpg' (line 2)" in text
    refused = "unsupported_format: These bytes are no photo."
    assert f"manifest.csv line 3: the product photo 'note.txt' has no picture: {refused}" in text
    assert "manifest.csv line 4: its product_photo leads out of the source" in text
    assert shop.newest_run()["found"] == 5, "no line names the two pictures in the inbox this time"
    assert shop.rows(NAMED) == [
        ("a.jpg", "shop/hat.jpg"),
        ("b.jpg", "note.txt"),
        ("shoe.JPG", None),
        ("shop/Bag.jpg", None),
        ("sub/c.jpg", None),
    ]
    assert shown(shop) == {"a.jpg": "it is not in the source", "b.jpg": refused}
    asked = len(shop.stub.pictures)
    _, output = shop.run()
    assert refused in " ".join(output.split()), "each run tells it"
    assert len(shop.stub.pictures) == asked, "the same bytes are not sent again"
    write(shop, "shop/hat.jpg", BAG)
    write(shop, "note.txt", SHOE)
    _, output = shop.run()
    assert "product photo" not in output
    assert shown(shop) == {"a.jpg": True, "b.jpg": True}
    (shop.inbox / "shop" / "hat.jpg").unlink()
    _, output = shop.run()
    assert "product photo" not in output, "its picture is kept"
    assert shown(shop)["a.jpg"] is True


def test_one_in_an_ignored_folder_is_found(shop: BatchRig) -> None:
    shop.environment["IGNORE"] = "shop"
    write_manifest(shop, a="shop/Bag.jpg")
    assert shop.run()[0] == ExitCode.OK
    assert shown(shop) == {"a.jpg": True}


def test_a_link_out_of_the_source_is_not_followed(shop: BatchRig, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(BAG)
    (shop.inbox / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    write_manifest(shop, a="link.jpg")
    code, output = shop.run()
    assert (code, "a symbolic link has taken its place" in " ".join(output.split())) == (ExitCode.OK, True), output


def test_a_photo_of_a_return_stays_one_although_it_is_named_as_product_photo(shop: BatchRig) -> None:
    write_manifest(shop, a="b.jpg", b="shop/Bag.jpg")
    code, output = shop.run()
    assert code == ExitCode.OK, output
    assert "'b.jpg' stands there as a photo and as a product photo" in " ".join(output.split())
    assert ("b.jpg", "shop/Bag.jpg") in shop.rows(NAMED)
    assert shown(shop) == {"a.jpg": True, "b.jpg": True}


def test_names_that_may_mean_two_files_are_told_and_both_stay_photos(shop: BatchRig) -> None:
    write(shop, "SHOE.jpg", BAG)
    write_manifest(shop, a="shoe.jpg")
    _, output = shop.run()
    assert "the product photo 'shoe.jpg' may mean any of 'SHOE.jpg', 'shoe.JPG'" in " ".join(output.split())
    assert shop.newest_run()["found"] == 6


def test_a_late_manifest_gives_known_photos_their_product_photo(shop: BatchRig) -> None:
    shutil.move(shop.inbox / "shop", shop.inbox.parent / "shop")
    assert shop.run()[0] == ExitCode.OK
    shutil.move(shop.inbox.parent / "shop", shop.inbox / "shop")
    sent = len(shop.stub.photos)
    write_manifest(shop, a="shop/Bag.jpg")
    assert shop.run()[0] == ExitCode.OK
    assert shown(shop) == {"a.jpg": True}
    assert len(shop.stub.photos) == sent


def test_one_that_the_service_does_not_answer_to_is_requested_again_by_the_next_run(shop: BatchRig) -> None:
    write_manifest(shop, a="shop/Bag.jpg")
    shop.stub.answer = lambda body, attempt: WORKER_DIED if body == BAG else prediction()
    code, output = shop.run()
    assert code == ExitCode.OK
    assert "has no picture: the service did not answer to it" in " ".join(output.split())
    assert shop.newest_run()["classified"] == 4


def test_a_run_that_is_to_end_leaves_the_pictures_to_the_next_run(shop: BatchRig) -> None:
    write_manifest(shop, a="shop/Bag.jpg")
    shop.stub.answer = lambda body, attempt: WRONG_KEY if body == BAG else prediction()
    code, _ = shop.run()
    run = shop.newest_run()
    assert (code, run["status"], run["classified"], run["left"]) == (ExitCode.SERVICE_AWAY, "stopped", 4, 0)
    shop.stub.answer = lambda body, attempt: prediction()
    assert shop.run()[0] == ExitCode.OK
    assert shown(shop) == {"a.jpg": True}


def test_another_picture_under_the_same_name_replaces_the_first(shop: BatchRig) -> None:
    write_manifest(shop, a="shop/Bag.jpg")
    assert shop.run()[0] == ExitCode.OK
    write(shop, "shop/Bag.jpg", encoded(mosaic((60, 80), 3)))
    assert shop.run()[0] == ExitCode.OK
    assert shown(shop) == {"a.jpg": True}
    assert len(list(Path(shop.environment["MEDIA_DIR"]).rglob("*.thumb.jpg"))) == 1
    assert shop.run("verify")[0] == ExitCode.OK, "no picture is left that nothing names"
    (shop.inbox / "shop" / "Bag.jpg").write_bytes(bytes(LARGEST_PHOTO + 1))
    _, output = shop.run()
    assert "the product photo 'shop/Bag.jpg' has no picture: The file has over" in " ".join(output.split())
    assert shown(shop) == {"a.jpg": True}, "the picture that was kept stays"


def test_a_purge_removes_those_that_no_photo_names_any_more(shop: BatchRig) -> None:
    write_manifest(shop, a="shop/Bag.jpg", b="shop/Bag.jpg", c="shoe.JPG")
    assert shop.run()[0] == ExitCode.OK
    for return_id, left in (("R-a", {"b.jpg": True, "sub/c.jpg": True}), ("R-b", {"sub/c.jpg": True})):
        assert shop.run("purge", "--return-id", return_id)[0] == ExitCode.OK
        assert shown(shop) == left
    assert shop.rows(STORED) == [("shoe.JPG", 1, None)]
    media = Path(shop.environment["MEDIA_DIR"])
    assert len(list(media.rglob("*.thumb.jpg"))) == 1


def test_what_no_run_has_looked_at_yet_says_nothing(shop: BatchRig) -> None:
    write_manifest(shop, a="shop/Bag.jpg")
    assert shop.run()[0] == ExitCode.OK
    shop.change("DELETE FROM product_photos")
    database = Database(str(shop.results))
    with database.reading() as connection:
        (number,) = connection.exec_driver_sql("SELECT id FROM photos WHERE filename = 'a.jpg'").scalars()
        assert of_photos(connection, [number, number + 1]) == {number: ProductPhoto("shop/Bag.jpg")}
    database.close()
