"""A home that began with SQLite moves to MongoDB, and back, with all it remembers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live import Live
from tests.support.mongo import MongoServer
from tests.support.waiting import until
from windmill.core.documents import Document

JOBS = {
    "good": "entry_point: good.py",
    "bad": "entry_point: bad.py\nretry: {limit: 1, delay: 1s}",
    "often": "entry_point: good.py\nschedule: {interval: 1s}",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MongoServer]:
    with MongoServer(tmp_path / "server") as started:
        yield started


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A home with a history."""
    with Live(tmp_path / "home") as home:
        home.script("good.py", "print('olá', 'x' * 9000)")
        home.script("bad.py", "print('before the end')\nraise SystemExit(3)")
        for name, text in JOBS.items():
            home.job(name, text)
        home.up()
        home.cli("run", "good")
        home.cli("run", "bad", check=False)
        home.cli("pause", "bad", "--note", "for good")
        until(lambda: len(ended(home, "p/often")) >= 2)
        interrupt(home)
        yield home


def interrupt(live: Live) -> None:
    """End the scheduler as Ctrl-C does: when nothing runs any more and all is stored."""
    assert live.scheduler is not None
    live.scheduler.send_signal(signal.SIGINT)
    live.scheduler.wait(timeout=30)


def ended(live: Live, job: str) -> list[Document]:
    return [one for one in live.json("ps", "-a", "--job", job) if one["ended_at"]]


def remembered(live: Live) -> tuple[list[Document], dict[str, str]]:
    """Everything `ps -a` shows, and what `logs` prints for each."""
    executions = live.json("ps", "-a")
    return executions, {one["id"]: live.cli("logs", one["id"]).stdout for one in executions}


def use(live: Live, settings: str) -> None:
    (live.root / "windmill.toml").write_text(settings)


def test_a_home_moves_to_mongodb_and_back_and_goes_on(live: Live, server: MongoServer, tmp_path: Path) -> None:
    before = remembered(live)
    live.cli("export", "--gzip", str(tmp_path / "to-mongodb"))
    use(live, f'[store]\nuri = "{server.uri()}"\n')
    live.cli("restore", str(tmp_path / "to-mongodb"))
    assert remembered(live) == before

    live.up()
    known = {one["id"] for one in before[0]}
    until(lambda: len({one["id"] for one in ended(live, "p/often")} - known) >= 2)
    assert live.cli("run", "good").returncode == 0
    interrupt(live)
    later = remembered(live)
    assert {one["id"] for one in later[0]} > known
    assert [one for one in later[0] if one["id"] in known] == before[0]

    live.cli("export", str(tmp_path / "to-sqlite"))
    use(live, "")
    (live.root / ".windmill" / "windmill.db").unlink()
    live.cli("restore", str(tmp_path / "to-sqlite"))
    assert remembered(live) == later
