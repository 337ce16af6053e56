"""Which photos the desk gets a picture of: those for a person, what they repeat, or all."""

from pathlib import Path

import pytest

from batch_client.exit_codes import ExitCode
from results import media_layout
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, mosaic
from tests.support.stub_service import WRONG_KEY, prediction

PICTURE = mosaic((300, 400), 7)
FIRST, SAVED_AGAIN = encoded(PICTURE, quality=95), encoded(PICTURE, quality=50)
OTHER = encoded(mosaic((300, 400), 8))


def write(rig: BatchRig, name: str, content: bytes) -> None:
    path = rig.inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def shown(rig: BatchRig) -> dict[str, bool]:
    """Return by file name whether the desk has picture and thumbnail."""
    media = Path(rig.environment["MEDIA_DIR"])
    paths = (media_layout.copy_path, media_layout.thumbnail_path)
    rows = rig.rows("SELECT filename, sha256 FROM photos ORDER BY filename")
    return {name: all(path(media, sha256).is_file() for path in paths) for name, sha256 in rows}


def repeats(rig: BatchRig) -> list[tuple[str, str]]:
    query = "SELECT new.filename, old.filename FROM photos new JOIN photos old ON old.id = new.repeat_of ORDER BY 1"
    return rig.rows(query)


@pytest.fixture
def accepted(rig: BatchRig) -> BatchRig:
    """Two photos that a run has accepted, without pictures."""
    write(rig, "a/first.jpg", FIRST)
    write(rig, "a/other.jpg", OTHER)
    return rig


class TestEarlierPhoto:
    @pytest.mark.parametrize("processed", ["keep", "move"])
    def test_of_a_near_repeat_has_a_picture_wherever_its_file_is(self, accepted: BatchRig, processed: str) -> None:
        assert accepted.run("run", "--processed", processed)[0] == ExitCode.OK
        assert shown(accepted) == {"a/first.jpg": False, "a/other.jpg": False}
        if processed == "move":  # and its name was taken twice
            write(accepted, "a/first.jpg", b"another photo")
        write(accepted, "b/again.jpg", SAVED_AGAIN)
        code, output = accepted.run("run", "--processed", processed)
        assert code == ExitCode.OK, output
        assert repeats(accepted) == [("b/again.jpg", "a/first.jpg")]
        media = Path(accepted.environment["MEDIA_DIR"])
        (first,) = accepted.rows("SELECT old.sha256 FROM photos new JOIN photos old ON old.id = new.repeat_of")
        assert media_layout.thumbnail_path(media, first[0]).is_file()
        assert shown(accepted)["b/again.jpg"] is True
        assert shown(accepted)["a/other.jpg"] is False
        assert "cannot show" not in output

    def test_of_an_exact_repeat_has_the_picture_of_the_same_bytes(self, accepted: BatchRig) -> None:
        assert accepted.run("run", "--processed", "delete")[0] == ExitCode.OK
        write(accepted, "b/copy.jpg", FIRST)
        assert accepted.run("run", "--processed", "delete")[0] == ExitCode.OK
        assert repeats(accepted) == [("b/copy.jpg", "a/first.jpg")]
        assert shown(accepted) == {"a/first.jpg": True, "a/other.jpg": False, "b/copy.jpg": True}

    @pytest.mark.parametrize("processed", ["keep", "delete"])
    def test_of_the_same_night_has_a_picture_too(self, accepted: BatchRig, processed: str) -> None:
        write(accepted, "b/again.jpg", SAVED_AGAIN)
        code, output = accepted.run("run", "--processed", processed)
        assert (code, "cannot show" in output) == (ExitCode.OK, False), output
        assert shown(accepted) == {"a/first.jpg": True, "a/other.jpg": False, "b/again.jpg": True}

    def test_whose_file_is_gone_is_named(self, accepted: BatchRig) -> None:
        assert accepted.run("run", "--processed", "delete")[0] == ExitCode.OK
        write(accepted, "b/again.jpg", SAVED_AGAIN)
        code, output = accepted.run()
        assert code == ExitCode.OK
        note = "earlier photos of repeats that the desk cannot show, because no file of them is left: 'a/first.jpg'"
        assert note in " ".join(output.split())
        assert shown(accepted) == {"a/first.jpg": False, "a/other.jpg": False, "b/again.jpg": True}
        assert "cannot show" not in accepted.run()[1], "it is told once"
        write(accepted, "a/first.jpg", FIRST)
        assert accepted.run()[0] == ExitCode.OK
        assert shown(accepted)["a/first.jpg"] is True, "the file came back"

    def test_of_another_source_is_found_there(self, accepted: BatchRig, tmp_path: Path) -> None:
        assert accepted.run()[0] == ExitCode.OK
        second = tmp_path / "second"
        second.mkdir()
        (second / "again.jpg").write_bytes(SAVED_AGAIN)
        assert accepted.run("run", str(second))[0] == ExitCode.OK
        assert shown(accepted) == {"a/first.jpg": True, "a/other.jpg": False, "again.jpg": True}

    def test_is_left_to_the_next_run_if_this_one_is_to_end(self, accepted: BatchRig) -> None:
        assert accepted.run("run", "--processed", "move")[0] == ExitCode.OK
        write(accepted, "b/again.jpg", SAVED_AGAIN)
        accepted.stub.answer = lambda body, attempt: WRONG_KEY if body == FIRST else prediction()
        assert accepted.run("run", "--processed", "move")[0] == ExitCode.SERVICE_AWAY
        assert (accepted.inbox / "b" / "again.jpg").is_file(), "it is not put away before the picture is made"
        accepted.stub.answer = lambda body, attempt: prediction()
        assert accepted.run("run", "--processed", "move")[0] == ExitCode.OK
        assert shown(accepted) == {"a/first.jpg": True, "a/other.jpg": False, "b/again.jpg": True}
        assert not (accepted.inbox / "b" / "again.jpg").exists()


class TestAll:
    def test_each_classified_photo_has_a_picture(self, accepted: BatchRig) -> None:
        accepted.environment["KEEP_PICTURES"] = "all"
        assert accepted.run("run", "--processed", "delete")[0] == ExitCode.OK
        assert shown(accepted) == {"a/first.jpg": True, "a/other.jpg": True}
        assert len(accepted.stub.photos) == 0, "the picture comes with the answer"
        assert len(accepted.stub.pictures) == 2

    def test_known_photos_get_theirs(self, accepted: BatchRig) -> None:
        assert accepted.run()[0] == ExitCode.OK
        assert shown(accepted) == {"a/first.jpg": False, "a/other.jpg": False}
        accepted.environment["KEEP_PICTURES"] = "all"
        assert accepted.run()[0] == ExitCode.OK
        assert shown(accepted) == {"a/first.jpg": True, "a/other.jpg": True}
