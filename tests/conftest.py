"""What all levels share: markers by folder, skips that CI must not have, the model and the archive."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from export import archive as archives
from handler import contract as contracts
from handler.contract import Contract
from results.database import Database
from tests.support.postgresql import PostgreSQL, find_programs, run_postgresql

ROOT = Path(__file__).resolve().parent.parent
# In the order in which several processes take them: first what is long and cannot be shared out.
LEVELS = (
    *("serving", "archive", "handler", "browser", "integration", "docs", "unit"),
    *("container", "cluster", "load", "faults"),
)
SHARED_DATA = ROOT.parent / "shared" / "data"
_TOGETHER = ("tests/serving/", "tests/integration/remote_sources/")
_OWN_FOLDER = pytest.StashKey[Path]()
_PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the levels, and give each run a temporary folder of its own.

    In the folder that pytest shares between runs, two runs that clean up at once make one of them fail at its end.
    Where coverage is measured, it is so in programs with a short list of variables too.
    """
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = Path(tempfile.mkdtemp(prefix="refund-tests-"))
        config.stash[_OWN_FOLDER] = config.option.basetemp
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        folders = [str(ROOT / "tests" / "support" / "measured"), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    for level in LEVELS:
        config.addinivalue_line("markers", f"{level}: tests of the folder tests/{level}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_PASSED] = exitstatus == pytest.ExitCode.OK


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the temporary folder of a run that passed; after a failure it is there to be looked at."""
    if (folder := config.stash.get(_OWN_FOLDER, None)) is not None and config.stash.get(_PASSED, False):
        subprocess.run(["rm", "-rf", str(folder)])  # shutil gives up where a test nests a thousand folders


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        level = _level(item)
        if level in LEVELS:
            item.add_marker(level)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: LEVELS.index(_level(item)))


def _level(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT / "tests").parts[0]


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed
    """Gives each process whole files, and one process all of what shares a service."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        return next((folder for folder in _TOGETHER if path.startswith(folder)), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Share out the tests of ``--dist loadscope``; xdist's groups do nothing with pytest 9."""
    return _ByFile(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE=1 a skip that the machine could have avoided is a failure."""
    report = yield
    if report.skipped and os.environ.get("REQUIRE") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE=1, but {item.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with run_postgresql(programs) as server:
        yield server


@pytest.fixture(scope="session")
def contract() -> Contract:
    return contracts.load(ROOT / "model")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model store with the archive of the committed model, built once for all processes of a run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "store"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            building = tmp_path_factory.mktemp("building")
            archives.build(ROOT / "model", building)
            building.rename(folder)
    return folder


@pytest.fixture(scope="session")
def migrated_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database at the newest schema; a copy of it is quicker than the migrations."""
    path = tmp_path_factory.mktemp("results") / "migrated.db"
    Database(str(path)).close()
    return path


@pytest.fixture(scope="session")
def archive(store: Path) -> Path:
    return store / archives.ARCHIVE_NAME
