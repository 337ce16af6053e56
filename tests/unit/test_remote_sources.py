"""Photos behind a URL: S3 by moto's server, SFTP by a real sshd, the rest by fsspec's common interface."""

import json
import os
import random
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import fsspec
import pytest
from moto import settings as moto_settings
from moto.server import ThreadedMotoServer

from batch_client import object_store, remote, run
from batch_client.errors import SourceError, UsageError
from batch_client.exit_codes import ExitCode
from batch_client.manifest import read_manifest
from batch_client.object_store import ObjectStore
from batch_client.source_url import open_source
from tests.drawn_photos import SAMPLES
from tests.line import Line, line_to
from tests.ssh_server import SSHServer, find_sshd, run_sshd
from tests.unit.desk import Desk
from tests.unit.stub_service import NOT_A_PHOTO, Answer, prediction

IGNORED = (".hidden.jpg", ".git/e.jpg", "f.jpg.part", "sub/Thumbs.db", "half.tmp/g.jpg")


class Place:
    """A source behind a URL, and the way to its files that is not ours."""

    def __init__(
        self,
        url: str,
        shown: str,
        write: Callable[[str, bytes], object],
        remove: Callable[[str], object],
        names: Callable[[], set[str]],
    ) -> None:
        self.url = url
        self.shown = shown
        self.write = write
        self.remove = remove
        self.names = names

    def add(self, *names: str) -> None:
        for name in names:
            self.write(name, f"photo {name}".encode())


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "key", "DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(f"AWS_{name}", value)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        client = boto3.client("s3")
        yield client
        client.close()
        server.stop()


@pytest.fixture(scope="module")
def sshd() -> Iterator[SSHServer]:
    program = find_sshd()
    if program is None:
        pytest.skip("sshd is not installed (Debian: apt-get install openssh-server openssh-client)")
    with run_sshd(program) as server:
        yield server


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"returns-{abs(hash(request.node.nodeid))}"
    s3.create_bucket(Bucket=name)
    yield name


@pytest.fixture(params=["s3", "sftp"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "s3":
        s3, bucket = request.getfixturevalue("s3"), request.getfixturevalue("bucket")
        url = f"s3://{bucket}/day 1"

        def names() -> set[str]:
            listed = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
            return {entry["Key"].removeprefix("day 1/") for entry in listed}

        yield Place(
            url,
            url,
            lambda name, data: s3.put_object(Bucket=bucket, Key=f"day 1/{name}", Body=data),
            lambda name: s3.delete_object(Bucket=bucket, Key=f"day 1/{name}"),
            names,
        )
        return
    server: SSHServer = request.getfixturevalue("sshd")
    monkeypatch.setenv("HOME", str(server.home))
    folder = server.files / "day 1"
    folder.mkdir()

    def write(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        for each in (folder, *folder.rglob("*")):
            shutil.chown(each, server.user)

    shown = f"127.0.0.1:{server.port}{folder}"
    yield Place(
        f"sftp://{server.user}:s%40cret@{shown}/",
        f"sftp://{shown}",
        write,
        lambda name: (folder / name).unlink(missing_ok=True),
        lambda: {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()},
    )
    shutil.rmtree(folder)


@pytest.fixture
def desk(desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(remote, "SETTLE_SECONDS", 0)
    desk.environment["INBOX"] = place.url
    return desk


@pytest.mark.parametrize("place", ["sftp"], indirect=True)
class TestSftp:
    def test_a_file_that_is_still_written_is_left(self, desk: Desk, place: Place) -> None:
        """Seen by its state alone: the server's clock may say anything."""
        place.add("still.jpg", "growing.jpg")
        described = desk.stub.describes

        def describes() -> Answer:  # after the source was listed
            place.write("growing.jpg", b"photo growing.jpg and more")
            return described()

        desk.stub.describes = describes
        assert desk.run()[0] == ExitCode.OK
        assert (desk.newest_run()["left"], desk.stub.photos) == (1, [b"photo still.jpg"])
        desk.stub.describes = described
        assert desk.run()[0] == ExitCode.OK
        assert len(desk.stub.photos) == 2

    def test_it_is_watched_for_a_second_after_the_listing(
        self, desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(remote, "SETTLE_SECONDS", 1.0)
        place.add("a.jpg")
        source = open_source(place.url)
        (file,) = source.files()
        before, seconds = file.watch()
        assert before == file.state()
        assert 0 < seconds <= 1
        source.close()

    def test_a_name_that_is_no_utf8_is_a_name_too(
        self, desk: Desk, place: Place, sshd: SSHServer, tmp_path: Path
    ) -> None:
        place.add("a.jpg")
        folder = os.fsencode(sshd.files / "day 1") + b"/gr\xfcn"
        Path(os.fsdecode(folder)).mkdir()
        Path(os.fsdecode(folder + b"/\xe9.jpg")).write_bytes(b"photo")
        for path in (folder, folder + b"/\xe9.jpg"):
            shutil.chown(path, sshd.user)
        assert desk.run("run", "--processed", "move")[0] == ExitCode.OK
        assert desk.rows("SELECT filename FROM predictions ORDER BY 1") == [("a.jpg",), ("gr\\xfcn/\\xe9.jpg",)]
        assert place.names() == set()
        assert (tmp_path / "processed" / "gr\\xfcn" / "\\xe9.jpg").read_bytes() == b"photo"


class TestRun:
    def test_pictures_are_kept_and_a_time_limit_holds(self, desk: Desk, place: Place, tmp_path: Path) -> None:
        place.write("a.jpg", (SAMPLES / "belt.jpg").read_bytes())
        desk.environment |= {"AUDIT_SHARE": "1", "BATCH_TIME_LIMIT_S": "0.001"}
        assert desk.run()[0] == ExitCode.TIME_LIMIT
        assert desk.newest_run()["left"] == 1
        del desk.environment["BATCH_TIME_LIMIT_S"]
        assert desk.run()[0] == ExitCode.OK
        assert len(list((tmp_path / "media").rglob("*.jpg"))) == 2

    def test_classifies_then_knows(self, desk: Desk, place: Place) -> None:
        place.add("a.jpg", "sub/deep/b c#1?.jpg", "straße.jpg", "a/manifest.csv", *IGNORED)
        place.write("manifest.csv", b"filename,return_id,expected_category\na.jpg,R-1,Belts\n")
        code, output = desk.run()
        assert code == ExitCode.OK, output
        photos = ["a.jpg", "a/manifest.csv", "straße.jpg", "sub/deep/b c#1?.jpg"]
        assert desk.rows("SELECT filename, source FROM predictions ORDER BY 1") == [(n, place.shown) for n in photos]
        assert desk.rows("SELECT return_id, mismatch FROM predictions WHERE filename = 'a.jpg'") == [("R-1", 1)]
        assert sorted(desk.stub.photos) == sorted(f"photo {name}".encode() for name in photos)
        code, output = desk.run()
        assert (code, len(desk.stub.photos)) == (ExitCode.OK, 4)
        assert "known 4" in output

    def test_no_password_is_stored_shown_or_logged(self, desk: Desk, place: Place, tmp_path: Path) -> None:
        place.add("a.jpg")
        _, output = desk.run("run", "--json")
        desk.change("PRAGMA wal_checkpoint(TRUNCATE)")
        written = output.encode() + b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert place.shown.encode() in written
        assert b"cret" not in written.replace(b"secret", b"")

    def test_moved_and_quarantined(self, desk: Desk, place: Place, tmp_path: Path) -> None:
        place.add("a.jpg", "sub/b.jpg", "bad.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO if b"bad" in body else prediction()
        assert desk.run("run", "--processed", "move")[0] == ExitCode.PHOTOS_FAILED
        assert place.names() == set()
        assert (tmp_path / "processed" / "sub" / "b.jpg").read_bytes() == b"photo sub/b.jpg"
        assert (tmp_path / "quarantine" / "bad.jpg").read_bytes() == b"photo bad.jpg"
        assert desk.run()[0] == ExitCode.OK  # an emptied source is an empty folder

    def test_kept_with_a_copy_in_quarantine_then_retried(self, desk: Desk, place: Place, tmp_path: Path) -> None:
        place.add("bad.jpg")
        desk.stub.answer = lambda body, attempt: NOT_A_PHOTO
        desk.run()
        assert place.names() == {"bad.jpg"}
        assert (tmp_path / "quarantine" / "bad.jpg").read_bytes() == b"photo bad.jpg"
        assert (tmp_path / "quarantine" / "bad.jpg.reason").exists()
        assert desk.run()[0] == ExitCode.OK
        desk.stub.answer = lambda body, attempt: prediction()
        assert desk.run("retry-failed")[0] == ExitCode.OK
        assert desk.newest_run()["classified"] == 1

    def test_a_new_photo_under_an_old_name_is_not_deleted(self, desk: Desk, place: Place) -> None:
        place.add("a.jpg", "b.jpg")

        def answer(body: bytes, attempt: int) -> Answer:
            if b"a.jpg" in body:
                place.write("a.jpg", b"uploaded meanwhile")
            return prediction()

        desk.stub.answer = answer
        desk.run("run", "--processed", "delete")
        assert place.names() == {"a.jpg"}

    def test_a_file_that_vanishes_while_the_run_goes_on_is_reported(
        self, desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(object_store, "_HELD_BYTES", 0)
        place.add(*(f"{number:02}.jpg" for number in range(20)), "last.jpg")

        def answer(body: bytes, attempt: int) -> Answer:
            place.remove("last.jpg")
            return prediction()

        desk.stub.answer = answer
        assert desk.run()[0] == ExitCode.PHOTOS_FAILED
        assert desk.rows("SELECT filename, error_code FROM photos WHERE status = 'failed'") == [
            ("last.jpg", "unreadable_file")
        ]

    def test_two_shares_are_the_whole(self, desk: Desk, place: Place) -> None:
        place.add(*(f"{number}.jpg" for number in range(12)))
        for share in ("0/2", "1/2"):
            assert desk.run("run", "--shard", share)[0] == ExitCode.OK
        assert desk.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(12, 12)]


@pytest.fixture
def line(desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Line]:
    """What the run reads goes over it; what the test itself does there does not."""
    is_s3 = place.url.startswith("s3")
    port = urlsplit(os.environ["AWS_ENDPOINT_URL"] if is_s3 else place.url).port
    assert port is not None
    with line_to(port) as line:
        if is_s3:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.port}")
        else:
            ssh = Path(shutil.copytree(Path(os.environ["HOME"]) / ".ssh", tmp_path / "home" / ".ssh"))
            known = ssh / "known_hosts"
            known.write_text(known.read_text().replace(f":{port} ", f":{line.port} "))
            monkeypatch.setenv("HOME", str(tmp_path / "home"))
            desk.environment["INBOX"] = place.url.replace(f":{port}/", f":{line.port}/")
        yield line


class TestLost:
    @pytest.fixture(autouse=True)
    def small_groups(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "_GROUP", 4)

    @pytest.mark.parametrize("processed", ["keep", "move"])
    def test_in_the_middle(self, desk: Desk, place: Place, line: Line, processed: str) -> None:
        """The run ends with its code, what was not read is left, and the next run carries on."""
        place.add(*(f"{number:02}.jpg" for number in range(20)))

        def answer(body: bytes, attempt: int) -> Answer:
            if b"06" in body:
                line.cut()
            return prediction()

        desk.stub.answer = answer
        code, output = desk.run("run", "--processed", processed)
        assert (code, "the source can no longer be reached" in output) == (ExitCode.USAGE, True), output
        row = desk.newest_run()
        assert (row["status"], row["found"], row["failed"], row["known"]) == ("stopped", 20, 0, 0)
        assert row["classified"] == desk.rows("SELECT count(*) FROM predictions")[0][0] > 0
        line.mend()
        desk.stub.answer = lambda body, attempt: prediction()
        assert desk.run("run", "--processed", processed)[0] == ExitCode.OK
        assert desk.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(20, 20)]
        assert len(place.names()) == (20 if processed == "keep" else 0)
        assert desk.run("verify")[0] == ExitCode.OK

    def test_before_the_manifest_is_read(self, desk: Desk, place: Place, line: Line) -> None:
        """Without it the photos would get records of no return, and others once it can be read."""
        place.add("a.jpg", "b.jpg")
        place.write("manifest.csv", b"filename,return_id\na.jpg,R-1\n")
        described = desk.stub.describes

        def describes() -> Answer:
            line.cut()
            return described()

        desk.stub.describes = describes
        assert desk.run()[0] == ExitCode.USAGE
        assert desk.newest_run()["left"] == 2
        assert desk.stub.photos == []

    def test_a_connection_that_breaks_is_made_again(self, desk: Desk, place: Place, line: Line) -> None:
        place.add(*(f"{number:02}.jpg" for number in range(20)))

        def answer(body: bytes, attempt: int) -> Answer:
            if b"06" in body:
                line.drop()
            return prediction()

        desk.stub.answer = answer
        desk.run()
        assert desk.newest_run()["left"] == 0
        assert desk.run()[0] == ExitCode.OK  # with what was half read in that moment, if anything
        assert desk.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(20, 20)]

    def test_half_a_photo_is_never_sent(self, desk: Desk, place: Place, line: Line) -> None:
        photo = random.Random(1).randbytes(2_000_000)
        place.write("a.jpg", photo)
        described = desk.stub.describes

        def describes() -> Answer:
            line.drop_after(1_000_000)
            return described()

        desk.stub.describes = describes
        code, output = desk.run()
        if code != ExitCode.OK:  # S3's library reads on by itself
            assert (code, "unreadable_file" in output) == (ExitCode.PHOTOS_FAILED, True)
            desk.stub.describes = described
            assert desk.run()[0] == ExitCode.OK
        assert desk.stub.photos == [photo]

    @pytest.mark.parametrize("place", ["s3"], indirect=True)
    def test_credentials_that_expire(self, desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is not the fault of each photo that is refused from then on."""
        place.add(*(f"{number:02}.jpg" for number in range(20)))

        def answer(body: bytes, attempt: int) -> Answer:
            monkeypatch.setattr(moto_settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
            return prediction()

        desk.stub.answer = answer
        assert desk.run()[0] == ExitCode.USAGE
        row = desk.newest_run()
        assert (row["found"], row["failed"]) == (20, 0)
        code, output = desk.run()
        assert (code, "cannot be listed" in output) == (ExitCode.USAGE, True), output


class TestRefused:
    @pytest.mark.parametrize("place", ["s3"], indirect=True)
    def test_an_object(self, desk: Desk, place: Place, s3: Any, bucket: str) -> None:
        place.add("a.jpg", "b.jpg")
        denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"}
        statement = {**denied, "Resource": f"arn:aws:s3:::{bucket}/day 1/b.jpg"}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        self.is_reported(desk)
        s3.delete_bucket_policy(Bucket=bucket)
        assert desk.run()[0] == ExitCode.OK

    @pytest.mark.parametrize("place", ["sftp"], indirect=True)
    def test_a_file(self, desk: Desk, place: Place, sshd: SSHServer) -> None:
        place.add("a.jpg", "b.jpg")
        (sshd.files / "day 1" / "b.jpg").chmod(0)
        self.is_reported(desk)

    def is_reported(self, desk: Desk) -> None:
        assert desk.run()[0] == ExitCode.PHOTOS_FAILED
        assert desk.rows("SELECT filename, status, error_code FROM photos ORDER BY 1") == [
            ("a.jpg", "classified", None),
            ("b.jpg", "failed", "unreadable_file"),
        ]


class TestUnreachable:
    def test_nobody_listens(self, desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        if place.url.startswith("sftp"):
            desk.environment["INBOX"] = f"sftp://u:s%40cret@127.0.0.1:{port}/x"
        code, output = desk.run()
        assert code == ExitCode.USAGE
        assert "cannot be listed" in output and "cret" not in output
        assert desk.rows("SELECT count(*) FROM runs") == [(0,)]

    def test_no_such_place(self, desk: Desk, place: Place) -> None:
        desk.environment["INBOX"] = place.url.replace("returns-", "nowhere-").replace("files", "nowhere")
        code, output = desk.run()
        assert (code, "is no folder" in output) == (ExitCode.USAGE, True), output

    @pytest.mark.parametrize("place", ["s3"], indirect=True)
    def test_a_mistyped_prefix_is_no_quiet_night(self, desk: Desk, place: Place, s3: Any, bucket: str) -> None:
        """A store knows no folders; only a run that found something there tells an empty one from a wrong one."""
        place.add("a.jpg")
        desk.environment["INBOX"] = f"s3://{bucket}/day1"
        code, output = desk.run()
        assert (code, "Nothing lies under" in output) == (ExitCode.USAGE, True), output
        assert desk.rows("SELECT count(*) FROM runs") == [(0,)]
        s3.put_object(Bucket=bucket, Key="day1/", Body=b"")  # what a console makes for a folder
        assert desk.run()[0] == ExitCode.OK

    def test_one_file_is_no_folder(self, desk: Desk, place: Place) -> None:
        place.add("a.jpg")
        desk.environment["INBOX"] = f"{place.url.rstrip('/')}/a.jpg"
        code, output = desk.run()
        assert (code, "is no folder" in output) == (ExitCode.USAGE, True), output

    def test_a_server_with_another_key_gets_no_password(self, sshd: SSHServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(sshd.files))  # no known_hosts there
        source = open_source(f"sftp://{sshd.user}:secret@127.0.0.1:{sshd.port}{sshd.files}")
        with pytest.raises(SourceError, match=r"not in ~/\.ssh/known_hosts.*ssh-keyscan") as caught:
            source.files()
        source.close()
        assert "secret" not in str(caught.value)


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("ftp://host/x", "ftp:// is no source"),
            ("s3://", "names no bucket"),
            ("s3://key:secret@bucket/x", "AWS_ACCESS_KEY_ID"),
            ("sftp://user:sec/ret@host/x", "special characters as %XX"),
            ("gs://bucket/x", "pip install -r requirements/sources-gs.txt"),
            ("az://container/x", "pip install -r requirements/sources-az.txt"),
        ],
    )
    def test_impossible_ones_are_refused(self, url: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("gcsfs", "adlfs"):
            monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
        with pytest.raises(UsageError, match=words) as caught:
            open_source(url)
        assert "sec" not in str(caught.value)


def test_the_common_interface(tmp_path: Path) -> None:
    """Google's and Azure's stores are listed and read through it; here it is memory that answers."""
    fs = fsspec.filesystem("memory", skip_instance_cache=True)
    for name in ("b.jpg", "a/c.jpg", *IGNORED):
        fs.pipe_file(f"/bucket/day/{name}", name.encode())
    fs.pipe_file("/bucket/day/manifest.csv", b"filename,return_id\nb.jpg,R-1\n")
    store = ObjectStore("gs://bucket/day", "bucket/day", fs)
    assert {file.filename: file.read_bytes() for file in store.files()} == {"a/c.jpg": b"a/c.jpg", "b.jpg": b"b.jpg"}
    assert read_manifest(store, ()).entry("b.jpg").return_id == "R-1"
    for file in store.files():
        file.unlink()
    store.close()
    empty = ObjectStore("gs://bucket/nothing", "bucket/nothing", fs)
    assert list(empty.files()) == []
    empty.close()
    with pytest.raises(SourceError, match="is no folder"):
        ObjectStore("gs://elsewhere/day", "elsewhere/day", fs).files()


def test_a_long_listing_comes_page_by_page(s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    for number in range(25):
        s3.put_object(Bucket=bucket, Key=f"{number:02}.jpg", Body=b"x")
    assert s3.list_objects_v2(Bucket=bucket)["IsTruncated"]
    source = open_source(f"s3://{bucket}")
    assert [file.filename for file in source.files()] == [f"{number:02}.jpg" for number in range(25)]
    source.close()


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_key_leads_nowhere_outside(desk: Desk, place: Place, tmp_path: Path) -> None:
    place.add("../../../../escaped.jpg", "//tmp/absolute.jpg", "a//b.jpg")
    assert desk.run("run", "--processed", "move")[0] == ExitCode.OK
    assert place.names() == {"../../../../escaped.jpg"}  # hidden, as all that begins with a dot
    processed = tmp_path / "processed"
    assert sorted(path.relative_to(processed).as_posix() for path in processed.rglob("*.jpg")) == [
        "%/%/tmp/absolute.jpg",
        "a/%/b.jpg",
    ]
