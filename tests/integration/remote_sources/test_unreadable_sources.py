"""Sources and photos that cannot be read, and what the person at the keyboard is told."""

import json
import socket
from typing import Any

import pytest

from batch_client.errors import SourceError
from batch_client.exit_codes import ExitCode
from batch_client.sources.open import open_source
from tests.integration.remote_sources.place import Place
from tests.support.batch_rig import BatchRig
from tests.support.ssh_server import SSHServer


class TestRefused:
    @pytest.mark.parametrize("place", ["s3"], indirect=True)
    def test_an_object(self, rig: BatchRig, place: Place, s3: Any, bucket: str) -> None:
        place.add("a.jpg", "b.jpg")
        denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"}
        statement = {**denied, "Resource": f"arn:aws:s3:::{bucket}/day 1/b.jpg"}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        self.is_reported(rig)
        s3.delete_bucket_policy(Bucket=bucket)
        assert rig.run()[0] == ExitCode.OK

    @pytest.mark.parametrize("place", ["sftp"], indirect=True)
    def test_a_file(self, rig: BatchRig, place: Place, sshd: SSHServer) -> None:
        place.add("a.jpg", "b.jpg")
        (sshd.files / "day 1" / "b.jpg").chmod(0)
        self.is_reported(rig)

    def is_reported(self, rig: BatchRig) -> None:
        assert rig.run()[0] == ExitCode.PHOTOS_FAILED
        assert rig.rows("SELECT filename, status, error_code FROM photos ORDER BY 1") == [
            ("a.jpg", "classified", None),
            ("b.jpg", "failed", "unreadable_file"),
        ]


class TestUnreachable:
    def test_nobody_listens(self, rig: BatchRig, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        if place.url.startswith("sftp"):
            rig.environment["INBOX"] = f"sftp://u:s%40cret@127.0.0.1:{port}/x"
        code, output = rig.run()
        assert code == ExitCode.USAGE
        assert "cannot be listed" in output
        assert "cret" not in output
        assert rig.rows("SELECT count(*) FROM runs") == [(0,)]

    def test_no_such_place(self, rig: BatchRig, place: Place) -> None:
        rig.environment["INBOX"] = place.url.replace("returns-", "nowhere-").replace("files", "nowhere")
        code, output = rig.run()
        assert (code, "is no folder" in output) == (ExitCode.USAGE, True), output

    @pytest.mark.parametrize("place", ["s3"], indirect=True)
    def test_a_mistyped_prefix_is_no_quiet_night(self, rig: BatchRig, place: Place, s3: Any, bucket: str) -> None:
        """A store knows no folders; only a run that found something there tells an empty one from a wrong one."""
        place.add("a.jpg")
        rig.environment["INBOX"] = f"s3://{bucket}/day1"
        code, output = rig.run()
        assert (code, "Nothing lies under" in output) == (ExitCode.USAGE, True), output
        assert rig.rows("SELECT count(*) FROM runs") == [(0,)]
        s3.put_object(Bucket=bucket, Key="day1/", Body=b"")  # what a console makes for a folder
        assert rig.run()[0] == ExitCode.OK

    def test_one_file_is_no_folder(self, rig: BatchRig, place: Place) -> None:
        place.add("a.jpg")
        rig.environment["INBOX"] = f"{place.url.rstrip('/')}/a.jpg"
        code, output = rig.run()
        assert (code, "is no folder" in output) == (ExitCode.USAGE, True), output

    def test_a_server_with_another_key_gets_no_password(self, sshd: SSHServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(sshd.files))  # no known_hosts there
        source = open_source(f"sftp://{sshd.user}:secret@127.0.0.1:{sshd.port}{sshd.files}")
        with pytest.raises(SourceError, match=r"not in ~/\.ssh/known_hosts.*ssh-keyscan") as caught:
            source.files()
        source.close()
        assert "secret" not in str(caught.value)
