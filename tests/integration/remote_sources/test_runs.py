"""Runs over photos behind a URL: what is classified, known, moved, left."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from batch_client.exit_codes import ExitCode
from batch_client.sources.open import open_source
from tests.integration.remote_sources.place import IGNORED, Place
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import SAMPLES, encoded, mosaic
from tests.support.ssh_server import SSHServer
from tests.support.stub_service import NOT_A_PHOTO, Answer, prediction
from tests.support.typeless_sftp import typeless_sftp


def test_a_product_photo_is_kept_and_not_classified(rig: BatchRig, place: Place) -> None:
    rig.environment["IGNORE"] = "*.png"
    place.add("a.jpg", "b.jpg", "c.jpg")
    for name in ("shop/Bag.jpg", "shop/Hat.png"):
        place.write(name, encoded(mosaic((60, 80), len(name))))
    lines = ("a.jpg,R-1,SHOP/bag.jpg", "b.jpg,R-2,shop/Hat.png", "c.jpg,R-3,shop/gone.jpg")
    place.write("manifest.csv", "\n".join(["filename,return_id,product_photo", *lines, ""]).encode())
    code, output = rig.run("run", place.url)
    assert code == ExitCode.OK, output
    assert rig.newest_run()["found"] == 3
    assert rig.rows("SELECT path, sha256 IS NULL, problem FROM product_photos ORDER BY path") == [
        ("shop/Bag.jpg", 0, None),
        ("shop/Hat.png", 0, None),
        ("shop/gone.jpg", 1, "it is not in the source"),
    ]
    assert "1 product photo is not in the source: 'shop/gone.jpg' (line 4)" in " ".join(output.split())


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
class TestSftp:
    def test_a_file_that_is_still_written_is_left(self, rig: BatchRig, place: Place) -> None:
        """Seen by its state alone: the server's clock may say anything."""
        place.add("still.jpg", "growing.jpg")
        described = rig.stub.describes

        def describes() -> Answer:  # after the source was listed
            place.write("growing.jpg", b"photo growing.jpg and more")
            return described()

        rig.stub.describes = describes
        assert rig.run()[0] == ExitCode.OK
        assert (rig.newest_run()["left"], rig.stub.photos) == (1, [b"photo still.jpg"])
        rig.stub.describes = described
        assert rig.run()[0] == ExitCode.OK
        assert len(rig.stub.photos) == 2

    def test_it_is_watched_for_a_second_after_the_listing(self, rig: BatchRig, place: Place) -> None:
        place.add("a.jpg")
        source = open_source(place.url)
        (file,) = source.files()
        before, seconds = file.watch(1.0)
        assert before == file.state()
        assert 0 < seconds <= 1
        source.close()

    def test_a_name_that_is_no_utf8_is_named(self, rig: BatchRig, place: Place, sshd: SSHServer) -> None:
        """paramiko cannot read such a name, nor what stands behind it in the list of its folder."""
        place.add("a.jpg", "sub/b.jpg")
        bad = Path(os.fsdecode(os.fsencode(sshd.files / "day 1" / "later") + b"/\xe9.jpg"))
        bad.parent.mkdir()
        bad.write_bytes(b"photo")
        for path in (bad, bad.parent):
            shutil.chown(path, sshd.user)
        code, output = rig.run()
        assert code == ExitCode.PHOTOS_FAILED
        assert "rename it" in " ".join(output.split())
        assert rig.rows("SELECT filename, status, error_code FROM photos ORDER BY 1") == [
            ("a.jpg", "classified", None),
            ("later/\\xe9.jpg", "failed", "unreadable_file"),
            ("sub/b.jpg", "classified", None),
        ]
        bad.rename(bad.with_name("c.jpg"))
        assert rig.run()[0] == ExitCode.OK
        assert len(rig.stub.photos) == 3


@pytest.mark.parametrize("with_permissions", [True, False])
def test_a_server_that_says_no_types_is_listed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_permissions: bool
) -> None:
    files = tmp_path / "files"
    for name in ("in/a.jpg", "in/sub/deep/b.jpg", "in/@eaDir/t.jpg", "in/Manifest.csv"):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_bytes(name.encode())
    (files / "in" / "empty").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with typeless_sftp(files, tmp_path / "home", with_permissions) as port:
        source = open_source(f"sftp://u:p@127.0.0.1:{port}/in")
        found = {file.filename: b"".join(file.chunks()) for file in source.files()}
        assert [file.filename for file in source.manifests()] == ["Manifest.csv"]
        source.close()
    assert found == {"a.jpg": b"in/a.jpg", "sub/deep/b.jpg": b"in/sub/deep/b.jpg"}
    assert source.ignored == {"@eaDir": 1}


@pytest.mark.parametrize("place", ["s3", "sftp", "gs", "az"], indirect=True)
class TestRun:
    def test_pictures_are_kept_and_a_time_limit_holds(self, rig: BatchRig, place: Place, tmp_path: Path) -> None:
        place.write("a.jpg", (SAMPLES / "belt.jpg").read_bytes())
        rig.environment |= {"AUDIT_SHARE": "1", "BATCH_TIME_LIMIT_S": "0.001"}
        assert rig.run()[0] == ExitCode.TIME_LIMIT
        assert rig.newest_run()["left"] == 1
        del rig.environment["BATCH_TIME_LIMIT_S"]
        assert rig.run()[0] == ExitCode.OK
        assert len(list((tmp_path / "media").rglob("*.jpg"))) == 2

    def test_classifies_then_knows(self, rig: BatchRig, place: Place) -> None:
        place.add("a.jpg", "sub/deep/b c#1?.jpg", "straße.jpg", "a/manifest.csv", *IGNORED)
        place.write("manifest.csv", b"filename,return_id,expected_category\na.jpg,R-1,Belts\n")
        code, output = rig.run()
        assert code == ExitCode.OK, output
        photos = ["a.jpg", "a/manifest.csv", "straße.jpg", "sub/deep/b c#1?.jpg"]
        assert rig.rows("SELECT filename, source FROM predictions ORDER BY 1") == [(n, place.shown) for n in photos]
        assert rig.rows("SELECT return_id, mismatch FROM predictions WHERE filename = 'a.jpg'") == [("R-1", 1)]
        assert sorted(rig.stub.photos) == sorted(f"photo {name}".encode() for name in photos)
        code, output = rig.run()
        assert (code, len(rig.stub.photos)) == (ExitCode.OK, 4)
        assert "known 4" in output

    def test_no_password_is_stored_shown_or_logged(self, rig: BatchRig, place: Place, tmp_path: Path) -> None:
        place.add("a.jpg")
        _, output = rig.run("run", "--json")
        rig.change("PRAGMA wal_checkpoint(TRUNCATE)")
        written = output.encode() + b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert place.shown.encode() in written
        assert b"cret" not in written.replace(b"secret", b"")

    def test_moved_and_quarantined(self, rig: BatchRig, place: Place, tmp_path: Path) -> None:
        place.add("a.jpg", "sub/b.jpg", "bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        assert rig.run("run", "--processed", "move")[0] == ExitCode.PHOTOS_FAILED
        assert place.names() == set()
        assert (tmp_path / "processed" / "sub" / "b.jpg").read_bytes() == b"photo sub/b.jpg"
        assert (tmp_path / "quarantine" / "bad.jpg").read_bytes() == b"photo bad.jpg"
        assert rig.run()[0] == ExitCode.OK  # an emptied source is an empty folder

    def test_kept_with_a_copy_in_quarantine_then_retried(self, rig: BatchRig, place: Place, tmp_path: Path) -> None:
        place.add("bad.jpg")
        rig.stub.answer = lambda body, attempt: NOT_A_PHOTO
        rig.run()
        assert place.names() == {"bad.jpg"}
        assert (tmp_path / "quarantine" / "bad.jpg").read_bytes() == b"photo bad.jpg"
        assert (tmp_path / "quarantine" / "bad.jpg.reason").exists()
        assert rig.run()[0] == ExitCode.OK
        rig.stub.answer = lambda body, attempt: prediction()
        assert rig.run("retry-failed")[0] == ExitCode.OK
        assert rig.newest_run()["classified"] == 1

    def test_a_new_photo_under_an_old_name_is_not_deleted(self, rig: BatchRig, place: Place) -> None:
        place.add("a.jpg", "b.jpg")

        def answer(body: bytes, attempt: int) -> Answer:
            if b"a.jpg" in body:
                place.write("a.jpg", b"uploaded meanwhile")
            return prediction()

        rig.stub.answer = answer
        rig.run("run", "--processed", "delete")
        assert place.names() == {"a.jpg"}

    def test_a_file_that_vanishes_before_it_is_read_is_told_and_not_failed(self, rig: BatchRig, place: Place) -> None:
        rig.tuning = replace(rig.tuning, group=4)
        place.add(*(f"{number:02}.jpg" for number in range(20)), "last.jpg")

        def answer(body: bytes, attempt: int) -> Answer:
            place.remove("last.jpg")
            return prediction()

        rig.stub.answer = answer
        code, output = rig.run()
        assert (code, "photos that were gone before they could be read: 1" in output) == (ExitCode.OK, True), output
        assert rig.newest_run()["found"] == 20

    def test_two_shares_are_the_whole(self, rig: BatchRig, place: Place) -> None:
        place.add(*(f"{number}.jpg" for number in range(12)))
        for share in ("0/2", "1/2"):
            assert rig.run("run", "--shard", share)[0] == ExitCode.OK
        assert rig.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(12, 12)]


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_key_leads_nowhere_outside(rig: BatchRig, place: Place, tmp_path: Path) -> None:
    place.add("../../../../escaped.jpg", "//tmp/absolute.jpg", "a//b.jpg")
    assert rig.run("run", "--processed", "move")[0] == ExitCode.OK
    assert place.names() == {"../../../../escaped.jpg"}  # hidden, as all that begins with a dot
    processed = tmp_path / "processed"
    assert sorted(path.relative_to(processed).as_posix() for path in processed.rglob("*.jpg")) == [
        "%/%/tmp/absolute.jpg",
        "a/%/b.jpg",
    ]
