"""What all levels share: markers by folder, skips that CI must not have, the model and the archive."""

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from export import archive as archives
from handler import contract as contracts
from handler.contract import Contract
from tests.support.postgresql import PostgreSQL, find_programs, run_postgresql

ROOT = Path(__file__).resolve().parent.parent
LEVELS = ("unit", "integration", "handler", "archive", "serving", "docs", "browser", "container", "cluster", "load")
SHARED_DATA = ROOT.parent / "shared" / "data"
_OWN_FOLDER = pytest.StashKey[Path]()
_PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the levels, and give each run a temporary folder of its own.

    In the folder that pytest shares between runs, two runs that clean up at once make one of them fail at its end.
    """
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = Path(tempfile.mkdtemp(prefix="refund-tests-"))
        config.stash[_OWN_FOLDER] = config.option.basetemp
    for level in LEVELS:
        config.addinivalue_line("markers", f"{level}: tests of the folder tests/{level}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_PASSED] = exitstatus == pytest.ExitCode.OK


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the temporary folder of a run that passed; after a failure it is there to be looked at."""
    if (folder := config.stash.get(_OWN_FOLDER, None)) is not None and config.stash.get(_PASSED, False):
        subprocess.run(["rm", "-rf", str(folder)])  # shutil gives up where a test nests a thousand folders


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        level = item.path.relative_to(ROOT / "tests").parts[0]
        if level in LEVELS:
            item.add_marker(level)


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
    """A model store with the archive of the committed model, built once."""
    folder = tmp_path_factory.mktemp("store")
    archives.build(ROOT / "model", folder)
    return folder


@pytest.fixture(scope="session")
def archive(store: Path) -> Path:
    return store / archives.ARCHIVE_NAME
