"""Fixtures of the browser level: desks with a stub in TorchServe's place, and a folder for screenshots."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.viewer import chromium, viewer
from tests.support.running_desk import RunningDesk, classify, served
from tests.support.seeded_results import CATEGORIES
from tests.support.stub_service import stub_service
from web.http.server import BoundedProtocol
from web.settings import WebSettings

__all__ = ["chromium", "viewer"]


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the pages go: to CI's artifacts, or where nobody is bothered by them."""
    kept = os.environ.get("ARTIFACTS")
    folder = Path(kept).resolve() / "screenshots" if kept else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def start_desk(tmp_path: Path, migrated_results: Path) -> Iterator[Callable[..., RunningDesk]]:
    """Start desks with settings of their own."""
    stack: list[Any] = []

    def start(protocol: type[BoundedProtocol] = BoundedProtocol, **more: Any) -> RunningDesk:
        stub_context = stub_service()
        stub = stub_context.__enter__()
        stack.append(stub_context)
        described = {"model_version": "1.0.0", "contract_version": "1", "classes": CATEGORIES}
        stub.describes = lambda: (200, described)
        stub.answer = classify
        folder = tmp_path / f"desk-{len(stack)}"
        folder.mkdir()
        (folder / "key").write_text("right\n")
        shutil.copyfile(migrated_results, folder / "results.db")
        settings = WebSettings(
            **{
                "results_db": str(folder / "results.db"),
                "torchserve_url": stub.url,
                "torchserve_token_file": folder / "key",
                "media_dir": folder / "media",
                "web_dir": folder / "web",
                **more,
            }
        )
        context = served(settings, protocol)
        stack.append(context)
        return RunningDesk(context.__enter__(), folder, stub, settings)

    yield start
    for context in reversed(stack):
        context.__exit__(None, None, None)


@pytest.fixture
def desk(start_desk: Callable[..., RunningDesk]) -> RunningDesk:
    """A desk without accounts, as `make web` starts it."""
    return start_desk()
