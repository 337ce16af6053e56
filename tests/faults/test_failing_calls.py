"""The n-th open, read, write, fsync, rename or unlink of a run fails, for every n: nothing is lost or doubled.

SQLite is tested in this way. Source: sqlite.org/testing.html, "I/O Error Testing". ``FAULTS_EVERY=7`` takes each
seventh call only.
"""

import errno
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from batch_client.exit_codes import ExitCode
from batch_client.sources import manifest_file, source
from results.database import Database
from tests.faults.conftest import FailingClient
from tests.support.batch_rig import BatchRig
from tests.support.drawn_photos import encoded, striped
from tests.support.stub_service import NOT_A_PHOTO, Answer, StubService, prediction, stub_service

pytestmark = pytest.mark.timeout(7200)
EVERY = int(os.environ.get("FAULTS_EVERY", "1"))
PHOTOS = {
    "r-1/front.jpg": encoded(striped(seed=1)),
    "r-1/again.jpg": encoded(striped(seed=1)),
    "r-2/front.jpg": encoded(striped(seed=2)),
    "bad.jpg": b"no photo",
}
# Errors that end a run with their own exit code. 2: the folder or the manifest cannot be read.
KNOWN_ENDS = {ExitCode.OK, ExitCode.USAGE, ExitCode.PHOTOS_FAILED, ExitCode.RESULTS}
CASES = [
    *(("open", error, False) for error in (errno.EIO, errno.ENOMEM, errno.ENOSPC)),
    *(("read", error, False) for error in (errno.EIO, errno.ENOMEM)),
    *(("write", error, sticky) for error in (errno.EIO, errno.ENOSPC) for sticky in (False, True)),
    *(("fsync", error, False) for error in (errno.EIO, errno.ENOSPC)),
    *(("rename", error, False) for error in (errno.EIO, errno.ENOSPC)),
    ("unlink", errno.EIO, False),
]


@pytest.fixture(scope="module")
def stub() -> Iterator[StubService]:
    def answer(body: bytes, attempt: int) -> Answer:
        if body == PHOTOS["bad.jpg"]:
            return NOT_A_PHOTO
        status, value = prediction()
        needs_review = body == PHOTOS["r-2/front.jpg"]
        return status, {**value, "decision": "review", "reason": "low_confidence"} if needs_review else value

    with stub_service() as stub:
        stub.answer = answer
        yield stub


@pytest.fixture(scope="module")
def empty_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest schema."""
    path = tmp_path_factory.mktemp("empty") / "results.db"
    Database(str(path)).close()
    return path


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "STABLE_SECONDS", 0)
    monkeypatch.setattr(manifest_file, "STABLE_SECONDS", 0)


@dataclass
class Night:
    """A small run whose files are moved, in a folder of its own."""

    folder: Path
    rig: BatchRig

    def files(self) -> Counter[str]:
        """Return where the photos are: their sha256, and how often each lies in inbox, processed and quarantine."""
        places = (self.rig.inbox, self.folder / "processed", self.folder / "quarantine")
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        photos = [path for path in files if path.suffix == ".jpg" and not path.name.startswith(".")]
        return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in photos)


def new_night(folder: Path, stub: StubService, empty_results: Path | None) -> Night:
    """Return a run that has not begun; its database is made by the run itself where there is no empty one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rig = BatchRig(folder, stub)
    if empty_results is not None:
        rig.results.parent.mkdir()
        shutil.copyfile(empty_results, rig.results)
    key = folder.with_name("inference.key")  # it is no file of the run
    key.write_text("right\n")
    rig.environment |= {"PROCESSED": "move", "SETTLE_S": "0", "TORCHSERVE_TOKEN_FILE": str(key)}
    rig.environment |= {"REPORT_DIR": str(folder / "report")}
    for name, content in PHOTOS.items():
        (rig.inbox / name).parent.mkdir(exist_ok=True)
        (rig.inbox / name).write_bytes(content)
    (rig.inbox / "manifest.csv").write_text(
        "filename,return_id\n" + "".join(f"{name},{name.partition('/')[0]}\n" for name in PHOTOS)
    )
    return Night(folder, rig)


def stored_photos(night: Night) -> Counter[str]:
    if not night.rig.results.exists() or not night.rig.rows("SELECT 1 FROM sqlite_master WHERE name = 'photos'"):
        return Counter()
    return Counter(row[0] for row in night.rig.rows("SELECT filename FROM photos WHERE sha256 <> ''"))


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("kind", "error", "sticky"),
    CASES,
    ids=[f"{kind}-{errno.errorcode[error]}{'-from-then-on' if sticky else ''}" for kind, error, sticky in CASES],
)
def test_whatever_call_fails_nothing_is_lost_or_doubled(
    failing_client: FailingClient,
    stub: StubService,
    tmp_path: Path,
    empty_results: Path,
    kind: str,
    error: int,
    sticky: bool,
) -> None:
    fail_each(failing_client, stub, tmp_path / "night", empty_results, EVERY, kind, error, sticky)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("kind", ["open", "read", "write", "fsync", "unlink"])
def test_whatever_call_fails_while_the_database_is_made(
    failing_client: FailingClient, stub: StubService, tmp_path: Path, kind: str
) -> None:
    """The migrations are many calls of the same kind, so some of them fail."""
    fail_each(failing_client, stub, tmp_path / "night", None, 10 * EVERY, kind, errno.EIO, False)


def fail_each(
    client: FailingClient,
    stub: StubService,
    folder: Path,
    empty_results: Path | None,
    every: int,
    kind: str,
    error: int,
    sticky: bool,
) -> None:
    """Run once for each call of a kind, or each so many, and have that call fail."""
    whole = Counter(hashlib.sha256(content).hexdigest() for content in PHOTOS.values())
    night = new_night(folder, stub, empty_results)
    calls = client.run(night.folder, night.rig.environment, kind, 0, error).calls
    assert calls >= 3, "the library counts nothing"
    wrong: list[str] = []
    numbers = range(1, calls + 1, every)
    fired = 0
    for number in numbers:
        night = new_night(folder, stub, empty_results)
        ended = client.run(night.folder, night.rig.environment, kind, number, error, sticky)
        fired += ended.fired > 0
        found = [*judge_failed_run(night, ended.code, whole), *judge_next_run(night, whole)]
        last = ended.output.strip().splitlines()[-12:] if found else []
        wrong += [f"call {number} ({ended.failed.strip()}): {problem}" for problem in found] + last
    print(f"{kind} {errno.errorcode[error]}: {fired} of {calls} calls failed, one in each run")
    assert fired * 2 >= len(numbers), "few calls were made to fail"
    assert not wrong, "\n".join(wrong)


def judge_failed_run(night: Night, code: int, whole: Counter[str]) -> Iterator[str]:
    """Yield what is wrong after a run in which a call failed."""
    if code not in KNOWN_ENDS:
        yield f"it ended with {code}"
    if (files := night.files()) < whole or set(files) != set(whole):
        yield f"files are lost: {whole - files}"
    stored = stored_photos(night)
    for name in PHOTOS:
        if not (night.rig.inbox / name).exists() and not stored[name]:
            yield f"{name} is gone and not stored"


def judge_next_run(night: Night, whole: Counter[str]) -> Iterator[str]:
    """Yield what is wrong after the next run, in which nothing fails."""
    code, output = night.rig.run()
    if code not in (ExitCode.OK, ExitCode.PHOTOS_FAILED):
        yield f"the next run ended with {code}: {output[-300:]}"
        return
    if (stored := stored_photos(night)) != Counter(list(PHOTOS)):
        yield f"stored: {stored}"
    answers = night.rig.rows(
        "SELECT photos.filename, count(*) FROM predictions_history JOIN photos ON photos.id = photo_id GROUP BY 1"
    )
    if dict(answers) != dict.fromkeys([name for name in PHOTOS if name != "bad.jpg"], 1):
        yield f"predictions: {answers}"
    if (files := night.files()) != whole:
        yield f"files afterwards: {files - whole} too many, {whole - files} too few"
    left = [str(path.relative_to(night.folder)) for path in night.folder.rglob("*") if is_left_over(night, path)]
    if left:
        yield f"left over: {left}"
    code, output = night.rig.run("verify")
    if code != ExitCode.OK:
        yield f"verify: {output}"


def is_left_over(night: Night, path: Path) -> bool:
    in_inbox = path.is_relative_to(night.rig.inbox) and path.name != "manifest.csv"
    return path.is_file() and (in_inbox or path.suffix in (".part", ".tmp"))
