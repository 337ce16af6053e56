"""Who may run at the same time on the same results."""

import os

import pytest

from results.database import Database
from results.lock import Locked, run_lock


def test_the_lock_holds_for_everybody_who_names_the_same_results(database: Database) -> None:
    other = Database(database.engine.url.render_as_string(hide_password=False))
    with run_lock(database), pytest.raises(Locked), run_lock(other):
        pass
    with run_lock(other):
        pass
    other.close()


def test_shards_of_another_count_are_refused_and_told_who_runs(database: Database) -> None:
    """They would overlap: photos sent twice, and both runs storing them."""
    with run_lock(database, "0/2"), run_lock(database, "1/2"):
        with pytest.raises(Locked, match=f"process {os.getpid()}") as caught, run_lock(database, "2/3"):
            pass
        assert "/2" in str(caught.value) or "shards of 2" in str(caught.value)
        with pytest.raises(Locked), run_lock(database, "2/3"):  # the refused one holds nothing
            pass
    with run_lock(database, "2/3"), run_lock(database, "0/3"), pytest.raises(Locked), run_lock(database, "0/2"):
        pass
    with run_lock(database):
        pass


def test_a_refused_shard_leaves_no_lock_behind(database: Database) -> None:
    with run_lock(database, "0/2"), pytest.raises(Locked), run_lock(database, "0/3"):
        pass
    with run_lock(database):
        pass


def test_shards_exclude_the_whole_but_not_each_other(database: Database) -> None:
    with run_lock(database, "0/2"), run_lock(database, "1/2"):
        for taken in ("", "0/2"):
            with pytest.raises(Locked), run_lock(database, taken):
                pass
    with run_lock(database), pytest.raises(Locked), run_lock(database, "0/2"):
        pass
