"""What happens to the results when a connection, a lock, or the file itself is lost."""

import shutil
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text, update

from batch_client.exit_codes import ExitCode
from results import photos as photo_records
from results import runs
from results.database import Database, ResultsError
from results.lock import Locked, run_lock
from results.schema import photos
from tests.support.batch_rig import BatchRig
from tests.support.postgresql import PostgreSQL
from tests.support.stored_runs import answer
from web.app import create_app
from web.settings import WebSettings


@pytest.fixture
def on_postgresql(postgresql: PostgreSQL) -> Database:
    return Database(postgresql.new_database())


def end_other_sessions(database: Database, of: str) -> int:
    """End the sessions with this in their name, as a firewall or an administrator does; return how many there were."""
    query = text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE :of")
    with database.writing() as connection:
        return int(connection.execute(query, {"of": f"%{of}%"}).scalar_one())


def test_the_server_notices_clients_that_vanish(on_postgresql: Database) -> None:
    expected = {
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "30000",
        "idle_in_transaction_session_timeout": "1min",
        "idle_session_timeout": "0",
    }
    with on_postgresql.reading() as connection:
        shown = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in expected}
    on_postgresql.close()
    assert shown == expected


def test_the_client_notices_a_server_that_vanishes(on_postgresql: Database) -> None:
    with on_postgresql.reading() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        parameters = driver.info.get_parameters()
    on_postgresql.close()
    assert {name: parameters[name] for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")} == {
        "connect_timeout": "10",
        "keepalives_idle": "30",
        "tcp_user_timeout": "30000",
    }


def test_what_the_url_says_wins(postgresql: PostgreSQL) -> None:
    database = Database(f"{postgresql.new_database()}?connect_timeout=3")
    with database.reading() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.info.get_parameters()["connect_timeout"] == "3"
    database.close()


def test_a_lock_whose_connection_was_cut_is_noticed_and_another_run_may_begin(on_postgresql: Database) -> None:
    with run_lock(on_postgresql) as lock:
        lock.check()
        with pytest.raises(Locked), run_lock(on_postgresql):
            pass
        assert end_other_sessions(on_postgresql, "run, process") == 1
        with pytest.raises(ResultsError, match=r"lock of this run .* is lost"):
            lock.check()
        with run_lock(on_postgresql) as other:
            other.check()
    on_postgresql.close()


@pytest.mark.parametrize("happening", ["removed", "moved", "replaced"])
def test_a_results_file_that_is_not_the_same_any_more_is_noticed(tmp_path: Path, happening: str) -> None:
    path = tmp_path / "results.db"
    database = Database(str(path))
    copy = tmp_path / "backup.db"
    with run_lock(database) as lock:
        lock.check()
        shutil.copyfile(path, copy)
        if happening == "removed":
            path.unlink()
        elif happening == "moved":
            path.rename(tmp_path / "elsewhere.db")
        else:
            copy.replace(path)
        with pytest.raises(ResultsError, match="was moved, removed or replaced"):
            lock.check()
    database.close()


def test_a_deadlock_is_resolved_by_another_attempt(on_postgresql: Database) -> None:
    with on_postgresql.writing() as connection:
        run = runs.start_run(connection, "/inbox")
        photo_records.store(connection, run, answer("a.jpg", "aa"), answer("b.jpg", "bb"))
        ids = list(connection.execute(select(photos.c.id).order_by(photos.c.id)).scalars())
    both_hold_one = threading.Barrier(2, timeout=30)
    attempts: list[int] = []

    def touch(first: int, second: int) -> None:
        waited = False

        def work(connection: Connection) -> None:
            nonlocal waited
            attempts.append(first)
            connection.execute(update(photos).where(photos.c.id == first).values(bytes=photos.c.bytes + 1))
            if not waited:
                waited = True
                both_hold_one.wait()
            connection.execute(update(photos).where(photos.c.id == second).values(bytes=photos.c.bytes + 1))

        on_postgresql.transact(work)

    with on_postgresql.reading() as connection:
        before = list(connection.execute(select(photos.c.bytes).order_by(photos.c.id)).scalars())
    threads = [threading.Thread(target=touch, args=order) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with on_postgresql.reading() as connection:
        after = list(connection.execute(select(photos.c.bytes).order_by(photos.c.id)).scalars())
    on_postgresql.close()
    assert after == [size + 2 for size in before]
    assert len(attempts) == 3


def test_other_errors_are_not_tried_again(on_postgresql: Database) -> None:
    attempts = []

    def work(connection: Connection) -> None:
        attempts.append(1)
        connection.execute(insert(photos).values(source="/inbox"))

    with pytest.raises(ResultsError):
        on_postgresql.transact(work)
    on_postgresql.close()
    assert attempts == [1]


class TestFromTheFuture:
    """A database that a newer program has migrated is refused with both versions and the remedy."""

    NEWEST = "this program knows no version after 0"
    REMEDY = "Install the newer version of batch client and desk, or restore the backup from before the upgrade."

    @pytest.fixture
    def migrated(self, rig: BatchRig) -> BatchRig:
        """Results that a program of the next year has opened."""
        rig.add("a.jpg")
        assert rig.run()[0] == ExitCode.OK
        rig.change("UPDATE alembic_version SET version_num = '9999'")
        return rig

    def test_by_each_command_of_the_batch_client(self, migrated: BatchRig) -> None:
        for command in ("run", "runs", "returns"):
            code, output = migrated.run(command)
            said = " ".join(output.split())
            assert code == ExitCode.RESULTS
            assert "have schema version 9999" in said
            assert self.NEWEST in said
            assert self.REMEDY in said
        assert migrated.rows("SELECT version_num FROM alembic_version") == [("9999",)], "nothing is changed"

    def test_by_the_desk(self, migrated: BatchRig, tmp_path: Path) -> None:
        settings = WebSettings(results_db=str(migrated.results), media_dir=tmp_path, web_dir=tmp_path / "web")
        with pytest.raises(ResultsError, match="have schema version 9999") as refusal:
            create_app(settings)
        assert self.NEWEST in str(refusal.value)
        assert self.REMEDY in str(refusal.value)

    def test_on_both_engines(self, database: Database) -> None:
        with database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(ResultsError, match=r"schema version 9999, and this program knows no version after 0\d+"):
            Database(database.engine.url.render_as_string(hide_password=False))
