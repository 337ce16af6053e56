"""A real desk on a free port, with a stub in TorchServe's place, and clients that do without a browser."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import uvicorn

from results.database import Database
from results.photos import Classified
from tests.support.seeded_results import Drawn, fill, night, night_of_returns, without_returns
from tests.support.stub_service import StubService
from web.app import create_app
from web.auth.accounts import Accounts
from web.http.server import BoundedProtocol, server_config
from web.settings import WebSettings

PASSWORD = "correct horse battery"


@dataclass
class RunningDesk:
    """A desk that listens.

    Attributes:
        url: where.
        folder: of its results, pictures and accounts.
        stub: answers in TorchServe's place.
    """

    url: str
    folder: Path
    stub: StubService
    settings: WebSettings

    @property
    def database(self) -> Database:
        return Database(self.settings.results_db)

    def add_night(self, count: int, alone: bool = False) -> int:
        """Store a run whose photos wait for a person, each in a return of its own or each without a return."""
        if alone:  # a longer night has a repeat, which is no single photo
            return self._store(without_returns(night(count if count <= 6 else count + 1)))
        return self._store(night(count))

    def add_returns(self, count: int) -> int:
        """Store a run with returns of one to three photos that wait for a person."""
        return self._store(night_of_returns(count))

    def _store(self, answers: list[tuple[Drawn, Classified]]) -> int:
        database = self.database
        try:
            return fill(database, self.settings.media_dir, answers)
        finally:
            database.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        database = self.database
        try:
            with database.reading() as connection:
                return [tuple(row) for row in connection.exec_driver_sql(query)]
        finally:
            database.close()

    def add_account(self, name: str, role: Any = "reviewer") -> None:
        Accounts(self.settings.web_dir).add(name, role, PASSWORD)

    def session(self, name: str | None = None) -> "Session":
        """Return a client with a session; logged in if a name is given."""
        session = Session(self.url)
        if name is not None:
            assert session.log_in(name, PASSWORD).status_code == 303
        session.learn_token()
        return session


class Session(requests.Session):
    """What a browser does with cookies and tokens, without a browser."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.trust_env = False
        self.url = url
        self.token = ""

    def page(self, path: str, **more: Any) -> requests.Response:
        return self.get(self.url + path, headers={"Accept": "text/html"}, allow_redirects=False, timeout=30, **more)

    def learn_token(self, path: str = "/review") -> str:
        marked = self.page(path).text.split('name="csrf" content="')
        self.token = marked[1].split('"')[0] if len(marked) > 1 else ""
        return self.token

    def log_in(self, name: str, password: str) -> requests.Response:
        form = {"csrf": self.learn_token("/login"), "name": name, "password": password, "next": "/review"}
        return self.post(f"{self.url}/login", data=form, allow_redirects=False, timeout=30)

    def submit(self, path: str, **fields: str) -> requests.Response:
        """Send a form of our own page."""
        form = {"csrf": self.token, **fields}
        headers = {"Accept": "text/html"}
        return self.post(self.url + path, data=form, headers=headers, allow_redirects=False, timeout=30)

    def change(self, path: str, body: Any) -> requests.Response:
        return self.request("POST", self.url + path, json=body, headers={"X-CSRF-Token": self.token}, timeout=30)


@contextmanager
def served(settings: WebSettings, protocol: type[BoundedProtocol] = BoundedProtocol) -> Iterator[str]:
    """Serve the application from a thread of this process, and give its address."""
    server = uvicorn.Server(server_config(create_app(settings), protocol, host="127.0.0.1", port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the desk did not start"
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def classify(_body: bytes, _attempt: int) -> tuple[int, Any]:
    """Answer as the model does, with a heat map, which only an explanation has."""
    top = [{"class": "Socks", "probability": 0.91}, {"class": "Tops", "probability": 0.06}]
    top.append({"class": "Belts", "probability": 0.01})
    answer = {"predicted_class": "Socks", "confidence": 0.91, "decision": "review", "reason": "low_confidence"}
    versions = {"model_version": "1.0.0", "contract_version": "1"}
    return 200, {**answer, "top": top, **versions, "heatmap": [[0.0, 1.0], [0.5, 0.0]]}
