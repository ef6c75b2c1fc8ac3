from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from tests.support.executions import START, identity
from tests.support.journals import Reader, output, segments, writer
from tests.support.waiting import until
from windmill.core.documents import Document
from windmill.core.errors import Unavailable
from windmill.core.ports import Store
from windmill.execution.journal import Writer
from windmill.scheduler.recorder import Recorder
from windmill.store.sqlite import SqliteStore


class Home:
    """A journal, a store file and a recorder between them, not started yet."""

    def __init__(self, root: Path) -> None:
        self.path = root / "windmill.db"
        self.directory = root / "journal"
        self.away = False
        self.delivered: list[Document] = []
        self.threads: set[str] = set()
        self.opened = ExitStack()
        self.store = self.opened.enter_context(closing(SqliteStore(self.path)))
        self.journal: Writer = writer(self.directory, "runner", segment_size=200)
        self.opened.callback(self.journal.close, settled=False)
        self.recorder = Recorder(
            journal=Reader(self.directory),
            open_store=self._open,
            cursors=self.directory,
            state=root,
            deliver=self._deliver,
            clock=lambda: START,
        )

    def _open(self) -> Store:
        self.threads.add(threading.current_thread().name)
        if self.away:
            raise Unavailable("the store is away")
        return SqliteStore(self.path)

    def _deliver(self, requests: list[Document]) -> None:
        self.threads.add(threading.current_thread().name)
        self.delivered += requests

    def last(self, number: int) -> int:
        return self.store.last_sequence(identity(number))

    def reached(self, number: int, sequence: int) -> bool:
        return self.last(number) == sequence


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    with home.opened:
        yield home
        home.recorder.stop(20)


def test_what_the_journal_gets_reaches_the_store_without_being_asked(home: Home) -> None:
    home.recorder.start()
    for sequence in range(1, 4):
        home.journal.append([output(1, sequence)])
        until(partial(home.reached, 1, sequence))


def test_stop_ships_what_is_there(home: Home) -> None:
    for start in range(1, 321, 8):  # more than two rounds take
        home.journal.append([output(1, sequence, b"x" * (64 << 10)) for sequence in range(start, start + 8)])
    home.recorder.start()
    home.recorder.put(jobs=[{"id": "p/a"}], status={"scheduler": {"pid": 1}})
    assert home.recorder.stop(20) is True
    assert home.last(1) == 320
    assert home.store.jobs() == [{"id": "p/a"}]
    assert home.store.status("scheduler") == {"pid": 1}


def test_stop_ends_although_the_store_is_away_and_says_so(home: Home) -> None:
    home.away = True
    home.recorder.start()
    until(lambda: home.recorder.backlog()["error"])
    assert home.recorder.stop(20) is False
    assert [thread.name for thread in threading.enumerate() if thread.name == "recorder"] == []


def test_the_recorder_goes_on_by_itself_when_the_store_is_back(home: Home) -> None:
    home.away = True
    home.recorder.start()
    home.journal.append([output(1, 1)])
    until(lambda: home.recorder.backlog()["away_since"] == "2026-01-01T00:00:00.000Z")
    home.away = False
    until(lambda: home.last(1) == 1)
    until(lambda: home.recorder.backlog()["away_since"] is None)


def test_requests_are_delivered_and_their_answers_stored(home: Home) -> None:
    request = {"id": "a", "kind": "pause", "job": "p/a", "at": "2026-01-01T00:00:00.000Z", "state": "pending"}
    home.recorder.start()
    home.store.add_request(request)
    until(lambda: home.delivered)
    home.recorder.put(answers=[{"id": "a", "state": "done", "answer": {}}])
    home.recorder.wake()
    until(lambda: home.store.request("a") == {**request, "state": "done", "answer": {}})
    assert home.delivered == [request]


def test_segments_go_when_the_loop_has_applied_them(home: Home) -> None:
    for sequence in range(1, 9):
        home.journal.append([output(1, sequence)])
    home.recorder.start()
    until(lambda: home.last(1) == 8)
    assert len(segments(home.directory, "runner")) > 1
    home.recorder.applied("runner", home.journal.position)
    until(lambda: len(segments(home.directory, "runner")) == 1)


def test_only_the_recorders_thread_touches_the_store(home: Home) -> None:
    home.recorder.start()
    home.store.add_request({"id": "a", "kind": "stop", "at": "2026-01-01T00:00:00.000Z"})
    until(lambda: home.delivered)
    home.recorder.stop(20)
    assert home.threads == {"recorder"}
