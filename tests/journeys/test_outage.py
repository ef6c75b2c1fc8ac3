"""`windmill up` and `windmill run` where the database is away from the beginning, or belongs to another home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.live import Live
from tests.support.mongo import HOST, MongoServer, free_port
from tests.support.waiting import until
from windmill.core.documents import Document
from windmill.core.ports import ExecutionFilter
from windmill.store.mongo import MongoStore

EVERY_SECOND = "entry_point: touch.py\nschedule: {interval: 1s, start_at: 2026-01-01T00:00:00Z}\n"


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Live]:
    """A home whose database does not exist, and a job of every second that leaves a file behind."""
    with home(tmp_path / "home", f"mongodb://user:secret@{HOST}:{free_port()}/windmill") as live:
        yield live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server


def home(root: Path, uri: str) -> Live:
    live = Live(root, f'[store]\nuri = "{uri}"\n')
    (root / "touched").mkdir()
    live.script("touch.py", f"import os; open('{root}/touched/' + os.environ['WINDMILL_EXECUTION'], 'w').close()\n")
    live.script("greet.py", "print('hello'); raise SystemExit(7)\n")
    live.job("greet", "entry_point: greet.py\n")
    return live


def touched(live: Live) -> int:
    return len(list((live.root / "touched").iterdir()))


def stored(uri: str) -> list[Document]:
    with closing(MongoStore(uri, readonly=True)) as store:
        return store.executions(ExecutionFilter()).items


def lives(uri: str) -> bool:
    """Return whether a scheduler has said in the database that it lives."""
    with closing(MongoStore(uri, readonly=True)) as store:
        return store.status("scheduler") is not None


def test_up_runs_jobs_and_says_that_the_store_is_away(away: Live) -> None:
    away.job("often", EVERY_SECOND)
    away.up()
    until(lambda: touched(away) >= 2)
    until(lambda: "The store is away (" in away.messages())
    assert away.terminate() == 0
    assert "secret" not in away.messages()


def test_ps_lists_what_runs_and_says_since_when_the_store_is_away(away: Live) -> None:
    away.script("long.py", "import time; time.sleep(60)\n")
    away.job("long", "entry_point: long.py\nschedule: {interval: 1s, start_at: 2026-01-01T00:00:00Z}\n")
    away.up()
    until((away.root / ".windmill" / "store.json").exists)
    until(lambda: "p/long\trunning" in away.cli("ps", check=False).stdout)
    told = away.cli("ps", check=False)
    assert told.returncode == 5
    assert "the store is away since" in told.stderr
    assert "secret" not in told.stderr


def test_slots_of_a_downtime_are_made_up_for_from_local_files(away: Live) -> None:
    away.job("often", EVERY_SECOND)
    away.cli("up", "--once")  # first sight owes nothing
    before = touched(away)
    away.cli("up", "--once")  # to find that the store is away takes longer than a second: a slot has passed
    assert touched(away) > before


def test_a_lone_run_shows_its_output_and_says_where_the_record_waits(away: Live) -> None:
    ran = away.cli("run", "greet", check=False)
    assert (ran.returncode, ran.stdout) == (7, "hello\n")
    assert f"the record waits in {away.root}/.windmill/journal" in ran.stderr


def test_what_ran_alone_is_stored_when_the_database_is_there(server: MongoServer, tmp_path: Path) -> None:
    uri = server.uri("alone")
    server.freeze()
    with home(tmp_path / "home", uri) as live:
        live.cli("run", "greet", check=False)
        server.thaw()
        live.up()
        until(lambda: [one["exit_code"] for one in stored(uri)] == [7])


def test_two_homes_on_one_database_are_noticed(server: MongoServer, tmp_path: Path) -> None:
    uri = server.uri("two")
    with home(tmp_path / "first", uri) as first, home(tmp_path / "second", uri) as second:
        first.up()
        until(lambda: lives(uri))
        second.up()
        until(second.exited)
        assert f"another home uses this database: {first.root} on " in second.messages()


def test_a_database_that_was_left_may_be_taken_over(server: MongoServer, tmp_path: Path) -> None:
    uri = server.uri("left")
    with home(tmp_path / "first", uri) as first, home(tmp_path / "second", uri) as second:
        first.up()
        until(lambda: lives(uri))
        first.terminate()
        second.up()
        assert not second.exited()
