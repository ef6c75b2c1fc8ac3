"""`windmill up` and `windmill run` where the database is away, belongs to another home, or is not what it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.support.executions import document
from tests.support.live import Live
from tests.support.mongo import HOST, MongoServer, free_port
from tests.support.servers import client
from tests.support.stores import open_store
from tests.support.waiting import until
from windmill.core.documents import Document
from windmill.core.errors import Unavailable
from windmill.core.model import State
from windmill.core.ports import Batch, ExecutionFilter
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


def known_jobs(address: str) -> list[str]:
    """Return the jobs in the store, none where it does not know the catalog."""
    with suppress(Unavailable), closing(open_store(address, readonly=True)) as store:
        return [job["id"] for job in store.jobs()] if store.status("catalog") else []
    return []


def beaten_since_the_catalog(address: str) -> bool:
    """Return whether the recorder has been at work after it had stored the catalog."""
    with closing(open_store(address, readonly=True)) as store:
        catalog, scheduler = store.status("catalog"), store.status("scheduler")
    return catalog is not None and scheduler is not None and scheduler["at"] > catalog["at"]


@pytest.mark.parametrize("kind", ["file", "server"])
def test_a_database_that_was_taken_away_is_told_of_the_jobs_again(
    server: MongoServer, tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "home"
    address = server.uri("taken") if kind == "server" else str(root / ".windmill" / "windmill.db")
    with home(root, server.uri("taken")) if kind == "server" else Live(root) as live:
        live.script("greet.py", "print('hello')\n")
        live.job("greet", "entry_point: greet.py\n")
        live.up()
        until(lambda: known_jobs(address) == ["p/greet"])
        until(lambda: beaten_since_the_catalog(address))
        if kind == "server":
            with client(address) as beside:
                beside.drop_database("taken")
        else:
            for path in (root / ".windmill").glob("windmill.db*"):
                path.unlink()
        until(lambda: known_jobs(address) == ["p/greet"])


def test_only_what_nobody_answers_for_is_lost(tmp_path: Path) -> None:
    with Live(tmp_path / "home") as live:
        live.script("long.py", "import time; time.sleep(600)\n")
        live.job("long", "entry_point: long.py\nschedule: {interval: 1h, start_at: 2026-01-01T00:00:00Z}\n")
        live.up()
        live.cli("run", "long", "--detach")
        until(lambda: [one["state"] for one in live.executions()] == ["running"])
        live.kill()
        with closing(open_store(str(live.root / ".windmill" / "windmill.db"))) as store:
            store.write(Batch(executions=[document(1, State.RUNNING, job="p/long")]))
        live.up()
        until(lambda: [one["state"] for one in live.executions()] == ["lost", "running"])
        assert live.executions()[0]["reason"] == "lost: no journal knows it"


def test_a_database_that_was_left_may_be_taken_over(server: MongoServer, tmp_path: Path) -> None:
    uri = server.uri("left")
    with home(tmp_path / "first", uri) as first, home(tmp_path / "second", uri) as second:
        first.up()
        until(lambda: lives(uri))
        first.terminate()
        second.up()
        assert not second.exited()
