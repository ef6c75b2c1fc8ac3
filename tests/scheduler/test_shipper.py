from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from tests.support.executions import START, document, identity
from tests.support.faults import Crash, Faults, failing
from tests.support.journals import Reader, drop, output, record, segments, writer
from windmill.core.documents import Document
from windmill.core.errors import Unavailable
from windmill.core.model import Cause, State, execution_id
from windmill.core.ports import Batch, ExecutionFilter, Frame, Position, Store, Stream
from windmill.execution.journal import Writer
from windmill.scheduler import backlog
from windmill.scheduler.shipper import Outbox, Shipper
from windmill.store.sqlite import SqliteStore

NOTHING = {"bytes": 0, "away_since": None, "error": None, "full": False, "rejected": 0}


class Place:
    """A journal directory with a store beside it, and shippers that come and go."""

    def __init__(self, root: Path) -> None:
        self.journal = root / "journal"
        self.state = root
        self.cursors = root / "cursors"
        self.database = root / "windmill.db"
        self.faults = Faults()
        self.away = False
        self.connections = 0
        self.kind: type[SqliteStore] = SqliteStore
        self.delivered: list[Document] = []
        self.opened = ExitStack()
        self.store = self.opened.enter_context(closing(SqliteStore(self.database)))
        self.shipper = self.new_shipper()

    def new_shipper(self) -> Shipper:
        self.shipper = Shipper(
            journal=Reader(self.journal),
            open_store=self._open,
            cursors=self.cursors,
            state=self.state,
            deliver=self.delivered.extend,
        )
        self.opened.callback(self.shipper.close)
        return self.shipper

    def _open(self) -> Store:
        if self.away:
            raise Unavailable("the store is away")
        self.connections += 1
        return failing(self.kind(self.database), self.faults)

    def writer(self, stream: str = "runner", *, segment_size: int = 16 << 20) -> Writer:
        created = writer(self.journal, stream, segment_size=segment_size)
        self.opened.callback(created.close, settled=False)
        return created

    def ship(self) -> None:
        """Ship until nothing is left, as the thread does: again after a failure, by a new one after a crash."""
        while True:
            try:
                if not self.shipper.ship_once(START) and self.shipper.failures == 0:
                    return
            except Crash:
                self.shipper.close()
                self.new_shipper()

    def text(self, number: int) -> bytes:
        return b"".join(block.data for block in self.store.output(identity(number)))

    def states(self) -> dict[str, str]:
        return {item["id"]: item["state"] for item in self.store.executions(ExecutionFilter()).items}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    with place.opened:
        yield place


def written(number: int, *sequences: int) -> bytes:
    return b"".join(b"%d:%d;" % (number, sequence) for sequence in sequences)


# Shipping


def test_what_is_written_is_in_the_store_one_round_later(place: Place) -> None:
    journal = place.writer()
    journal.append([record(1), output(1, 1), output(1, 2)])
    assert place.shipper.ship_once(START) is False
    assert (place.states(), place.text(1)) == ({identity(1): "running"}, b"1:1;1:2;")
    journal.append([output(1, 3), record(1, State.FAILED)])
    assert place.shipper.ship_once(START) is False
    assert (place.states(), place.text(1)) == ({identity(1): "failed"}, b"1:1;1:2;1:3;")


def test_a_failure_is_stored_with_what_caused_it(place: Place) -> None:
    words = b'Traceback (most recent call last):\n  File "/srv/projects/dw/main.py", line 3, in f\nKeyError: 1\n'
    journal = place.writer()
    journal.append([record(1), output(1, 1, words[:50])])
    place.ship()
    journal.append([output(1, 2, words[50:]), record(1, State.FAILED, exit_code=1), record(2, State.LOST)])
    place.ship()
    found = place.store.named([identity(1), identity(2)])
    assert [found[identity(n)]["failure"]["exception"] for n in (1, 2)] == ["KeyError: 1", "lost"]


def test_all_streams_are_shipped_whatever_their_order(place: Place) -> None:
    place.writer("runner-2").append([record(1), record(2)])
    place.writer("runner-1").append([record(1, State.LOST), record(3, State.QUEUED)])
    place.writer("scheduler").append([record(4, State.SKIPPED), record(3)])
    place.ship()
    assert place.states() == {
        identity(n): s for n, s in {1: "lost", 2: "running", 3: "running", 4: "skipped"}.items()
    }


def test_a_round_is_bounded(place: Place) -> None:
    journal = place.writer(segment_size=1 << 20)
    for sequence in range(1, 161):
        journal.append([output(1, sequence, b"x" * (64 << 10))])
    place.shipper.applied("runner", journal.position)  # far ahead of what is shipped
    assert place.shipper.ship_once(START) is True
    assert 0 < place.store.last_sequence(identity(1)) < 160
    place.ship()
    blocks = place.store.output(identity(1), limit=1 << 30)
    assert sum(len(block.data) for block in blocks) == 10 << 20
    assert max(len(block.data) for block in blocks) == 256 << 10


def test_a_flood_leaves_only_what_the_journal_did_not_drop(place: Place) -> None:
    journal = place.writer()
    for sequence in range(1, 41):
        journal.append([output(1, sequence, b"%2d" % sequence * 40_000)])
        if sequence > 20:
            journal.append([drop(1, sequence - 10, sequence - 10)])
        place.ship()
    firsts = [block.first for block in place.store.output(identity(1), limit=1 << 30)]
    assert firsts == [*range(1, 11), *range(31, 41)]


def test_documents_of_the_loop_reach_the_store_the_latest_of_each_name(place: Place) -> None:
    place.shipper.put("job", {"p/a": {"id": "p/a", "n": 1}})
    place.shipper.put("job", {"p/a": {"id": "p/a", "n": 2}, "p/b": {"id": "p/b"}})
    place.shipper.put("status", {"scheduler": {"pid": 1}})
    place.ship()
    assert place.store.jobs() == [{"id": "p/a", "n": 2}, {"id": "p/b"}]
    assert place.store.status("scheduler") == {"pid": 1}


def test_a_document_that_is_replaced_while_it_is_written_is_not_forgotten() -> None:
    outbox = Outbox()
    outbox.put("status", {"scheduler": {"pid": 1}})
    taken = outbox.take(9)
    outbox.put("status", {"scheduler": {"pid": 2}})
    outbox.acknowledge(taken)
    assert outbox.take(9) == {("status", "scheduler"): {"pid": 2}}


def test_documents_are_written_once(place: Place) -> None:
    place.shipper.put("status", {"scheduler": {"pid": 1}})
    place.ship()
    place.store.write(Batch(status={"scheduler": {"pid": 2}}))
    place.ship()
    assert place.store.status("scheduler") == {"pid": 2}


# Faults


def scenario(place: Place, *, every: int) -> None:
    """Two streams, shipped after `every` parts: output of both kinds, a drop, ends, a request, a status."""
    runner, scheduler = place.writer("runner", segment_size=400), place.writer("scheduler")
    parts: list[tuple[Writer, list[Frame]]] = [
        (scheduler, [record(1, State.QUEUED), record(9, State.SKIPPED)]),
        (runner, [record(1), output(1, 1), output(1, 2), output(1, 3, stream=Stream.STDERR)]),
        (runner, [record(2), output(2, 1), output(1, 4), output(2, 2)]),
        (runner, [output(2, 3), drop(2, 2, 3), output(2, 4)]),
        (scheduler, [record(3, State.LOST)]),
        (runner, [output(1, 5), record(1, State.SUCCEEDED), record(2, State.TIMED_OUT), record(3)]),
    ]
    place.shipper.put("status", {"scheduler": {"pid": 1}})
    for number, (journal, frames) in enumerate(parts):
        journal.append(frames)
        if number == 3:
            place.store.add_request(request("a"))
        if number % every == every - 1:
            place.ship()
    place.ship()


def outcome(place: Place) -> dict[str, object]:
    return {
        "states": place.states(),
        "one": place.text(1),
        "two": {block.first for block in place.store.output(identity(2))} | {2},  # whether 2 stays depends on blocks
        "delivered": {one["id"] for one in place.delivered},
        "cursors": {path.parent.name: json.loads(path.read_bytes()) for path in place.cursors.glob("*/cursor")},
    }


EXPECTED_STATES = {1: "succeeded", 2: "timed_out", 3: "lost", 9: "skipped"}


@pytest.mark.parametrize("every", [1, 2, 6])
@pytest.mark.parametrize("error", [Unavailable, OSError, ZeroDivisionError, Crash])
def test_a_fault_at_any_point_loses_nothing_and_doubles_nothing(
    tmp_path: Path, error: type[BaseException], every: int
) -> None:
    def run(at: int) -> dict[str, object] | None:
        (tmp_path / str(at)).mkdir()
        place = Place(tmp_path / str(at))
        place.faults.at, place.faults.error = at, error
        with place.opened:
            scenario(place, every=every)
            assert len(place.delivered) == 1 or error is Crash
            return outcome(place) if place.faults.met or at < 0 else None

    smooth = run(-1)
    assert smooth is not None
    assert smooth["states"] == {identity(number): state for number, state in EXPECTED_STATES.items()}
    assert smooth["one"] == written(1, 1, 2, 3, 4, 5)
    points = 0
    while found := run(points):
        assert found == smooth
        points += 1
    assert points > 8


@pytest.mark.parametrize("keep", range(6))
def test_a_cursor_of_any_earlier_time_changes_nothing(place: Place, keep: int) -> None:
    journal = place.writer()
    cursor = place.cursors / "runner" / "cursor"
    old = b"torn {"
    for number in range(6):
        journal.append([output(1, 2 * number + 1), output(1, 2 * number + 2)])
        if number % 2:
            place.ship()
        if number == keep and cursor.exists():
            old = cursor.read_bytes()
    cursor.write_bytes(old)
    place.new_shipper().ship_once(START)
    assert place.text(1) == written(1, *range(1, 13))
    journal.append([output(1, 13)])
    place.ship()
    assert place.text(1) == written(1, *range(1, 14))


def test_a_store_that_is_away_is_told_and_everything_arrives_when_it_is_back(place: Place) -> None:
    place.away = True
    journal = place.writer()
    for sequence in range(1, 6):
        journal.append([output(1, sequence)])
        place.shipper.put("status", {"scheduler": {"beat": sequence}})
        assert place.shipper.ship_once(START) is False
    told = place.shipper.backlog()
    assert (told["away_since"], told["error"]) == ("2026-01-01T00:00:00.000Z", "the store is away")
    assert told["bytes"] > 0
    assert (backlog.read(place.state) or {})["away_since"] == told["away_since"]
    place.away = False
    place.ship()
    assert place.text(1) == written(1, 1, 2, 3, 4, 5)
    assert place.store.status("scheduler") == {"beat": 5}
    assert place.shipper.backlog() == NOTHING


def test_a_store_that_failed_is_opened_anew(place: Place) -> None:
    place.ship()
    place.faults.at = place.faults.count
    place.ship()
    assert (place.faults.met, place.connections) == (True, 2)


def test_the_time_the_store_went_away_is_that_of_the_first_failure(place: Place) -> None:
    place.away = True
    place.shipper.ship_once(START)
    place.shipper.ship_once(START.replace(hour=5))
    assert place.shipper.backlog()["away_since"] == "2026-01-01T00:00:00.000Z"


class SlowStore(SqliteStore):
    """Times out over more than 100 KiB."""

    def write(self, batch: Batch) -> None:
        if sum(len(block.data) for block in batch.output) + 4096 * len(batch.jobs) > 100 << 10:
            raise Unavailable("the store did not answer in time")
        super().write(batch)


def test_a_slow_store_gets_as_little_at_a_time_as_it_takes(place: Place) -> None:
    place.kind = SlowStore
    journal = place.writer()
    for sequence in range(1, 101):
        journal.append([output(1, sequence, b"x" * (20 << 10))])
    place.ship()
    assert place.store.last_sequence(identity(1)) == 100
    assert place.connections < 60


def test_a_slow_store_gets_the_loops_documents_in_parts(place: Place) -> None:
    place.kind = SlowStore
    place.shipper.put("job", {f"p/{number:03}": {"id": f"p/{number:03}"} for number in range(500)})
    place.ship()
    assert len(place.store.jobs()) == 500


def test_more_documents_than_a_round_takes_all_arrive(place: Place) -> None:
    place.shipper.put("job", {f"p/{number}": {"id": f"p/{number}"} for number in range(5000)})
    place.ship()
    assert len(place.store.jobs()) == 5000


def test_a_journal_that_is_full_is_told_and_everything_in_it_arrives(place: Place) -> None:
    place.away = True
    journal = Writer(place.journal, "runner-9", boot_id="b", now_ms=lambda: 0, checkpoint=list, max_size=64 << 10)
    with suppress(OSError):
        for sequence in range(1, 101):
            journal.append([output(1, sequence, b"x" * 1000)])
    journal.append([record(1, State.FAILED)])
    place.shipper.ship_once(START)
    assert place.shipper.backlog()["full"] is True
    assert (backlog.read(place.state) or {})["full"] is True
    journal.close(settled=False)
    place.away = False
    place.ship()
    assert place.shipper.backlog() == NOTHING
    assert place.states() == {identity(1): "failed"}
    assert place.store.last_sequence(identity(1)) == sequence - 1


# What no store takes


def test_a_frame_no_store_could_keep_is_set_aside_and_the_rest_shipped(place: Place) -> None:
    place.writer().append([record(1)._replace(payload=b'{"id": "x"}'), record(2), output(2, 1)])
    place.ship()
    assert (place.states(), place.text(2)) == ({identity(2): "running"}, b"2:1;")
    assert place.shipper.backlog() == NOTHING | {"rejected": 1}
    (path,) = (place.state / "rejected").iterdir()
    assert json.loads(path.read_text())["item"] == '{"id": "x"}'


def test_nothing_is_set_aside_before_the_store_answers(place: Place) -> None:
    place.away = True
    place.writer().append([record(1)._replace(payload=b"{}")])
    for _ in range(3):
        place.shipper.ship_once(START)
    assert place.shipper.backlog()["rejected"] == 0


@pytest.mark.parametrize("odd", [{"id": {}}, {"id": "p/odd", "what": object()}, {"id": "p/odd", "nested": None}])
def test_a_document_of_the_loop_that_no_store_takes_holds_up_nothing(place: Place, odd: Document) -> None:
    if "nested" in odd:
        for _ in range(2000):
            odd = {"id": "p/odd", "nested": odd}
    place.shipper.put("job", {"p/odd": odd, "p/a": {"id": "p/a"}})
    place.writer().append([record(1), output(1, 1)])
    place.ship()
    assert [job["id"] for job in place.store.jobs()] == ["p/a"]
    assert (place.states(), place.text(1)) == ({identity(1): "running"}, b"1:1;")
    assert (place.shipper.failures, place.shipper.backlog()["rejected"]) == (0, 1)


# A store's file that somebody takes away


def test_a_deleted_database_is_made_anew_and_gets_what_comes(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    journal = place.writer()
    journal.append([record(1), output(1, 1)])
    place.ship()
    for path in place.state.glob("windmill.db*"):
        path.unlink()
    journal.append([output(1, 2), record(1, State.FAILED)])
    place.ship()
    with closing(SqliteStore(place.database, readonly=True)) as store:
        assert [block.data for block in store.output(identity(1))] == [b"1:2;"]
        assert (store.execution(identity(1)) or {})["state"] == "failed"
    assert "was deleted or replaced while in use" in caplog.text


def test_a_replaced_database_is_noticed_although_nothing_is_written(place: Place) -> None:
    place.ship()
    place.database.rename(place.state / "old.db")
    place.shipper.ship_once(START)
    assert "deleted or replaced" in place.shipper.backlog()["error"]
    place.ship()
    assert place.shipper.backlog() == NOTHING


# Releasing


def filled(place: Place, stream: str = "runner") -> Writer:
    journal = place.writer(stream, segment_size=200)
    for sequence in range(1, 20):
        journal.append([output(1, sequence)])
    assert len(segments(place.journal, stream)) > 3
    return journal


def test_what_is_shipped_but_not_applied_stays(place: Place) -> None:
    filled(place)
    before = segments(place.journal, "runner")
    place.ship()
    assert segments(place.journal, "runner") == before


def test_what_is_applied_but_not_shipped_stays(place: Place) -> None:
    journal = filled(place)
    before = segments(place.journal, "runner")
    place.away = True
    place.shipper.applied("runner", journal.position)
    place.shipper.ship_once(START)
    assert segments(place.journal, "runner") == before


def test_what_is_shipped_and_applied_goes_except_the_newest_segment(place: Place) -> None:
    journal = filled(place)
    before = segments(place.journal, "runner")
    place.shipper.applied("runner", Position(3, 0))
    place.ship()
    assert segments(place.journal, "runner") == before[2:]
    place.shipper.applied("runner", journal.position)
    place.ship()
    assert segments(place.journal, "runner") == before[-1:]


def test_a_settled_stream_goes_whole_once_it_is_shipped_and_applied(place: Place) -> None:
    journal = writer(place.journal, "runner")
    journal.append([record(1), record(1, State.FAILED)])
    position = journal.position
    journal.close(settled=True)
    place.ship()
    assert segments(place.journal, "runner") != []
    place.shipper.applied("runner", position)
    place.ship()
    assert not (place.journal / "runner").exists()
    assert not (place.cursors / "runner").exists()
    assert place.states() == {identity(1): "failed"}


def test_a_stream_that_settles_after_everything_was_shipped_and_applied_goes_too(place: Place) -> None:
    journal = writer(place.journal, "runner")
    journal.append([record(1), record(1, State.FAILED)])
    place.shipper.applied("runner", journal.position)
    place.ship()
    journal.close(settled=True)
    place.ship()
    assert not (place.journal / "runner").exists()


def test_a_stream_that_is_not_settled_stays(place: Place) -> None:
    journal = place.writer()
    journal.append([record(1), record(1, State.FAILED)])
    place.shipper.applied("runner", journal.position)
    place.ship()
    assert segments(place.journal, "runner") != []


# Requests


def request(name: str, kind: str = "run") -> Document:
    at = "2026-01-01T00:00:00.000Z"
    return {"id": name, "kind": kind, "job": "p/job", "by": "ann@host", "at": at, "state": "pending"}


def test_a_request_is_delivered_once_per_process(place: Place) -> None:
    place.store.add_request(request("a"))
    for _ in range(3):
        place.ship()
    place.store.add_request(request("b", "stop"))
    place.ship()
    assert place.delivered == [request("a"), request("b", "stop")]
    place.new_shipper()
    place.ship()
    assert [one["id"] for one in place.delivered] == ["a", "b", "a", "b"]


def test_many_unanswered_requests_do_not_hide_later_ones(place: Place) -> None:
    for number in range(250):
        place.store.add_request(request(f"{number:03}"))
    for _ in range(4):
        place.ship()
    assert [one["id"] for one in place.delivered] == [f"{number:03}" for number in range(250)]


def test_an_answer_is_stored_and_the_request_not_delivered_again(place: Place) -> None:
    place.store.add_request(request("a"))
    place.ship()
    place.shipper.put("answer", {"a": {"id": "a", "state": "refused", "answer": {"message": "paused"}}})
    for _ in range(3):
        place.ship()
    assert place.store.request("a") == {**request("a"), "state": "refused", "answer": {"message": "paused"}}
    assert len(place.delivered) == 1


def test_a_wish_to_run_that_was_started_before_is_answered_here(place: Place) -> None:
    started = execution_id("p/job", cause=Cause.MANUAL, what="a")
    place.store.add_request(request("a"))
    frame = record(1)
    place.writer().append([frame._replace(payload=json.dumps({**document(1), "id": started}).encode())])
    place.ship()
    assert place.delivered == []
    assert place.store.request("a") == {**request("a"), "state": "done", "answer": {"execution": started}}


def test_no_request_is_delivered_before_the_journal_is_shipped(place: Place) -> None:
    place.store.add_request(request("a"))
    journal = place.writer()
    for sequence in range(1, 161):
        journal.append([output(1, sequence, b"x" * (64 << 10))])
    assert place.shipper.ship_once(START) is True
    assert place.delivered == []
    place.ship()
    assert place.delivered == [request("a")]
