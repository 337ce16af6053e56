"""Sources that are lost while a run goes on."""

import random
import threading
import time
from dataclasses import replace

import paramiko
import pytest
from moto import settings as moto_settings

from batch_client.exit_codes import ExitCode
from batch_client.sources.sftp import SftpFolder
from tests.integration.remote_sources.place import Place
from tests.support.batch_rig import BatchRig
from tests.support.relay import Line
from tests.support.stub_service import Answer, prediction


class TestLost:
    @pytest.fixture(autouse=True)
    def small_groups(self, rig: BatchRig) -> None:
        rig.tuning = replace(rig.tuning, group=4)

    @pytest.mark.parametrize("processed", ["keep", "move"])
    def test_in_the_middle(self, rig: BatchRig, place: Place, line: Line, processed: str) -> None:
        """The run ends with its code, what was not read is left, and the next run carries on."""
        place.add(*(f"{number:02}.jpg" for number in range(20)))

        def answer(body: bytes, attempt: int) -> Answer:
            if b"06" in body:
                line.cut()
            return prediction()

        rig.stub.answer = answer
        code, output = rig.run("run", "--processed", processed)
        assert (code, "the source can no longer be reached" in output) == (ExitCode.USAGE, True), output
        row = rig.newest_run()
        assert (row["status"], row["found"], row["failed"], row["known"]) == ("stopped", 20, 0, 0)
        assert row["classified"] == rig.rows("SELECT count(*) FROM predictions")[0][0] > 0
        line.mend()
        rig.stub.answer = lambda body, attempt: prediction()
        assert rig.run("run", "--processed", processed)[0] == ExitCode.OK
        assert rig.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(20, 20)]
        assert len(place.names()) == (20 if processed == "keep" else 0)
        assert rig.run("verify")[0] == ExitCode.OK

    @pytest.mark.parametrize("place", ["sftp"], indirect=True)
    def test_while_a_file_is_asked_for_ahead(
        self, rig: BatchRig, place: Place, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It happens in a thread of paramiko's, where it would end as a traceback on the terminal."""
        place.add("a.jpg", "b.jpg")
        ask_ahead, close = paramiko.SFTPFile._prefetch_thread, SftpFolder.close
        threads = []

        def cut_first(file: paramiko.SFTPFile, *arguments: object) -> None:
            threads.append(threading.current_thread())
            line.cut()
            while file.sftp.get_channel().get_transport().is_active():  # until paramiko knows
                time.sleep(0.01)
            ask_ahead(file, *arguments)

        def close_after_them(source: SftpFolder) -> None:
            for thread in threads:
                thread.join()
            close(source)

        with monkeypatch.context() as patch:
            patch.setattr(paramiko.SFTPFile, "_prefetch_thread", cut_first)
            patch.setattr(SftpFolder, "close", close_after_them)
            code, output = rig.run()
        assert (code, "Traceback" in output) == (ExitCode.USAGE, False), output
        line.mend()
        assert rig.run()[0] == ExitCode.OK

    def test_before_the_manifest_is_read(self, rig: BatchRig, place: Place, line: Line) -> None:
        """Without it the photos would get records of no return, and others once it can be read."""
        place.add("a.jpg", "b.jpg")
        place.write("manifest.csv", b"filename,return_id\na.jpg,R-1\n")
        described = rig.stub.describes

        def describes() -> Answer:
            line.cut()
            return described()

        rig.stub.describes = describes
        assert rig.run()[0] == ExitCode.USAGE
        assert rig.newest_run()["left"] == 2
        assert rig.stub.photos == []

    def test_a_connection_that_breaks_is_made_again(self, rig: BatchRig, place: Place, line: Line) -> None:
        place.add(*(f"{number:02}.jpg" for number in range(20)))

        def answer(body: bytes, attempt: int) -> Answer:
            if b"06" in body:
                line.drop()
            return prediction()

        rig.stub.answer = answer
        rig.run()
        assert rig.newest_run()["left"] == 0
        assert rig.run()[0] == ExitCode.OK  # with what was half read in that moment, if anything
        assert rig.rows("SELECT count(*), count(DISTINCT photo_id) FROM predictions_history") == [(20, 20)]

    def test_half_a_photo_is_never_sent(self, rig: BatchRig, place: Place, line: Line) -> None:
        photo = random.Random(1).randbytes(2_000_000)
        place.write("a.jpg", photo)
        described = rig.stub.describes

        def describes() -> Answer:
            line.drop_after(1_000_000)
            return described()

        rig.stub.describes = describes
        code, output = rig.run()
        if code != ExitCode.OK:  # S3's library reads on by itself
            assert (code, "unreadable_file" in output) == (ExitCode.PHOTOS_FAILED, True)
            rig.stub.describes = described
            assert rig.run()[0] == ExitCode.OK
        assert rig.stub.photos == [photo]

    @pytest.mark.parametrize("place", ["s3"], indirect=True)
    def test_credentials_that_expire(self, rig: BatchRig, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is not the fault of each photo that is refused from then on."""
        place.add(*(f"{number:02}.jpg" for number in range(20)))

        def answer(body: bytes, attempt: int) -> Answer:
            monkeypatch.setattr(moto_settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
            return prediction()

        rig.stub.answer = answer
        assert rig.run()[0] == ExitCode.USAGE
        row = rig.newest_run()
        assert (row["found"], row["failed"]) == (20, 0)
        code, output = rig.run()
        assert (code, "cannot be listed" in output) == (ExitCode.USAGE, True), output
