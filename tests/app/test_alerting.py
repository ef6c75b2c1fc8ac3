"""Messages through stores that go away and processes that are killed, with a channel that is real."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import a_job, an_execution
from tests.support.sink import Sink
from tests.support.waiting import until
from windmill.alerts.outbox import BACK_OFF
from windmill.app.alerting import NAME, Alerting
from windmill.app.home import Home
from windmill.core.documents import to_text
from windmill.core.errors import Unavailable
from windmill.core.model import State
from windmill.core.ports import Batch, Store
from windmill.store.sqlite import SqliteStore

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Bench:
    """A home with a channel, its store, and whoever sends; `away` takes the store away from who sends."""

    def __init__(self, root: Path, sink: Sink) -> None:
        self.sink, self.now, self.away = sink, NOON, False
        (root / "windmill.toml").write_text(
            '[channels.team]\nurl = {from_file = "url"}\n[alerts]\nnotify = ["team"]\n'
        )
        (root / "url").write_text(f"json://127.0.0.1:{sink.port}/")
        self.home = Home(root, {})
        self.home.make_state()
        self.store = SqliteStore(self.home.state / "windmill.db")
        self.store.write(Batch(jobs=[a_job(id="p/a", notify={"on_failure": ["team"]})]))
        self.opened: list[Store] = []
        self.restart()

    def restart(self) -> None:
        self.alerting = Alerting(self.home, open_store=self._open, clock=lambda: self.now)

    def _open(self) -> Store:
        if self.away:
            raise Unavailable("the store is away")
        self.opened.append(store := SqliteStore(self.home.state / "windmill.db"))
        return store

    def turn(self, after: timedelta = SECOND) -> None:
        self.now += after
        self.alerting.turn()

    def fails(self, number: int, job: str = "p/a") -> None:
        facts: dict[str, Any] = {"id": f"{number:016x}", "job": job, "state": State.FAILED, "exit_code": 1}
        times = dict.fromkeys(("queued_at", "started_at", "ended_at"), self.now)
        self.store.write(Batch(executions=[an_execution(**facts, **times)]))

    def settle(self, messages: int) -> None:
        """Turn until the channel was told so often and that is remembered."""
        until(lambda: len(self.sink.asked) == messages, what="the channel is told")
        stopping = threading.Event()
        stopping.set()
        self.alerting.run(stopping)

    def outcomes(self) -> list[str]:
        known = self.store.status(NAME)
        assert known is not None
        return [one["outcome"] for one in known["recent"]]

    def waiting(self) -> int:
        known = self.store.status(NAME)
        assert known is not None
        return sum(len(one["pending"]) for one in known["channels"])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Sink() as sink:
        bench = Bench(tmp_path, sink)
        yield bench
        for store in (bench.store, *bench.opened):
            store.close()


def test_a_message_is_kept_before_it_is_sent_and_struck_out_after(bench: Bench) -> None:
    bench.turn()
    bench.fails(1)
    bench.turn()
    bench.settle(1)
    assert (bench.outcomes(), bench.waiting()) == (["sent"], 0)
    assert json.loads(bench.sink.asked[0].body)["title"] == "[WindMill] p/a failed"


def test_who_is_killed_before_a_message_was_sent_sends_it_later_once(bench: Bench) -> None:
    (bench.home.root / "url").unlink()
    bench.turn()
    bench.fails(1)
    bench.turn()
    until(lambda: all(thread.name != "team" for thread in threading.enumerate()), what="the try has failed")
    bench.restart()
    assert bench.waiting() == 1
    (bench.home.root / "url").write_text(f"json://127.0.0.1:{bench.sink.port}/")
    bench.turn(BACK_OFF)
    bench.settle(1)
    bench.restart()
    for _ in range(3):
        bench.turn()
    assert (bench.outcomes(), len(bench.sink.asked)) == (["sent"], 1)


def test_what_failed_between_two_processes_is_sent_by_the_second(bench: Bench) -> None:
    bench.turn()
    bench.restart()
    bench.fails(1)
    bench.turn()
    bench.settle(1)


def test_a_store_that_is_away_is_waited_for(bench: Bench) -> None:
    bench.away = True
    bench.turn()
    bench.away = False
    bench.turn()
    bench.fails(1)
    bench.turn()
    bench.settle(1)


def test_a_channel_that_is_gone_from_the_settings_is_asked_for_no_more(bench: Bench) -> None:
    bench.turn()
    (bench.home.root / "windmill.toml").write_text('[channels.ops]\nurl = {from_file = "url"}\n')
    bench.fails(1)
    bench.turn()
    bench.turn()
    assert (bench.waiting(), bench.sink.asked) == (0, [])


def test_a_variable_that_is_not_set_is_said_without_a_message_being_lost(bench: Bench) -> None:
    (bench.home.root / "windmill.toml").write_text('[channels.team]\nurl = {from_env = "NOT_THERE"}\n')
    bench.restart()
    bench.turn()
    bench.fails(1)
    bench.turn()
    stopping = threading.Event()
    stopping.set()
    bench.alerting.run(stopping)
    known = bench.store.status(NAME)
    assert known is not None
    (channel,) = known["channels"]
    assert channel["error"] == "the URL of the channel team is not set: there is no variable NOT_THERE"
    assert (len(channel["pending"]), channel["retry_at"]) == (1, to_text(bench.now + BACK_OFF))


def test_quiet_times_write_next_to_nothing(bench: Bench) -> None:
    bench.turn()
    first = bench.store.status(NAME)
    for _ in range(20):
        bench.turn()
    assert bench.store.status(NAME) == first
    bench.turn(timedelta(seconds=30))
    assert bench.store.status(NAME) != first
