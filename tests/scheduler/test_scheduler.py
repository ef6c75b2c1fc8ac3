"""Table, performer, ledger and recovery together, turned by hand: no thread, no process, a real journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.world import HOUR, MINUTE, T0, a_job
from windmill.core.documents import Document, to_document
from windmill.core.errors import NotFound, WindmillError
from windmill.core.events import RunRequested, StopRequested
from windmill.core.model import Caps, Execution, Job, Location, Retry, Schedule, Secret, State
from windmill.core.ports import ExecutorEvent, Frame, Kind, Plan, Position
from windmill.core.state import Exact, JobState, ManualRequest, state_from_document, state_to_document
from windmill.execution.journal import Reader, Writer
from windmill.scheduler.ledger import Ledger
from windmill.scheduler.perform import Performer
from windmill.scheduler.recovery import OWN_STREAM, recover
from windmill.scheduler.requests import to_event
from windmill.scheduler.table import Table
from windmill.scheduler.timers import Timers

DEFINITION = {
    "id": "d0", "job": "dw/load", "document": {"args": ["then"]}, "file": "f", "line": 1,
    "seen_at": "2026-01-01T00:00:00.000Z",
}  # fmt: skip


class Hand:
    """An executor that starts nothing by itself: the test says what becomes of the plans it was given."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.stopped: list[str] = []

    def fileno(self) -> int:
        raise OSError("there is nothing to wait for")

    def start(self, plan: Plan) -> None:
        self.plans.append(plan)

    def stop(self, execution: str, *, by: str) -> None:
        self.stopped.append(execution)

    def flush(self) -> None:
        """Nothing waits."""

    def events(self) -> Sequence[ExecutorEvent]:
        return []

    def detach(self) -> None:
        """Nothing is held."""


class Bench:
    """A scheduler without its loop."""

    def __init__(
        self,
        directory: Path,
        *,
        max_running: int = 8,
        groups: dict[str, int] | None = None,
        states: Iterable[JobState] = (),
        heard: Callable[[Job, Execution], None] = lambda _job, _execution: None,
    ) -> None:
        self.now = T0 - MINUTE
        self.journal = directory / "journal"
        self.timers = Timers(self.now)
        self.table = Table(self.timers, states)
        self.hand = Hand()
        self.ledger = Ledger(self._writer)
        self.ledger.open(lambda: [entry.state for entry in self.table], lambda: self.now)
        self.answers: list[Document] = []
        self.performer = Performer(
            self.table,
            self.hand,
            self.ledger,
            answers=self.answers.extend,
            environ={"TOKEN": "t0ps3cret"},
            caps=Caps(max_running=max_running, groups=groups or {}),
            reproduce=self.reproduce,
            heard=heard,
        )
        self.performer.locations = {"dw": Location(root="/p/dw", revision=None, python="/usr/bin/python3")}

    def reproduce(self, exact: Exact) -> tuple[Job, Location]:
        """Make any job of the past, with the args its definition names, as long as its revision is "then"."""
        if exact.revision != "then":
            raise NotFound(f"revision {exact.revision} of dw is not on disk")
        args = tuple(exact.definition["document"]["args"])
        place = Location(root="/p/then", revision="then", python="/usr/bin/python3", author="ana")
        return a_job(args=args, digest=exact.digest), place

    def define(self, *jobs: Job) -> None:
        for job in jobs:
            self.performer.define(job.key, job, self.now)

    def at(self, now: datetime) -> None:
        self.now = self.timers.now = now
        self.timers.run_pending()
        while due := self.table.take_due():
            for key in due:
                self.performer.perform(self.table.due(key, now), now)
        self.performer.admit(now)
        self.ledger.write(now)

    def end(self, plan: Plan, state: State = State.SUCCEEDED) -> Execution:
        ended = replace(plan.execution, state=state, started_at=self.now, ended_at=self.now)
        self.performer.ended(ended, self.now)
        return ended

    def persist(self) -> None:
        changed, self.table.changed = self.table.changed, set()
        self.ledger.states((self.table[key].state for key in changed), self.now, mark=True)
        self.ledger.write(self.now)

    def frames(self, kind: Kind) -> list[Frame]:
        reader = Reader(self.journal)
        frames, _ = reader.read(OWN_STREAM, reader.first(OWN_STREAM))
        return [frame for frame in frames if frame.kind == kind]

    def _writer(self, checkpoint: object) -> Writer:
        return Writer(self.journal, OWN_STREAM, boot_id="b", now_ms=lambda: 0, checkpoint=checkpoint)  # type: ignore[arg-type]  # the ledger's own


@pytest.fixture
def bench(tmp_path: Path) -> Iterable[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def jobs(count: int) -> list[Job]:
    return [a_job(name=f"j{number}") for number in range(count)]


def test_a_slot_that_comes_due_is_ordered_at_once(bench: Bench) -> None:
    bench.define(a_job())
    bench.at(T0)
    assert [(plan.execution.slot, plan.root) for plan in bench.hand.plans] == [(T0, "/p/dw")]


def test_an_ordered_start_is_not_ordered_again(bench: Bench) -> None:
    bench.define(a_job())
    bench.at(T0)
    bench.at(T0 + 2 * HOUR)
    assert len(bench.hand.plans) == 1


def test_the_cap_holds_and_the_first_due_goes_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_running=2)
    late, early = a_job(Schedule(interval=HOUR, start_at=T0 + MINUTE), name="a"), jobs(3)
    bench.define(late, *early)
    bench.at(T0 + 2 * MINUTE)
    assert [plan.execution.job for plan in bench.hand.plans] == ["dw/j0", "dw/j1"]
    bench.end(bench.hand.plans[0])
    bench.at(T0 + 3 * MINUTE)
    bench.end(bench.hand.plans[1])
    bench.at(T0 + 4 * MINUTE)
    assert [plan.execution.job for plan in bench.hand.plans[2:]] == ["dw/j2", "dw/a"]
    bench.ledger.close()


def test_a_hundred_due_jobs_all_start_under_a_cap_of_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_running=1)
    bench.define(*jobs(100))
    bench.at(T0)
    for number in range(100):
        bench.end(bench.hand.plans[number])
        bench.at(T0 + timedelta(seconds=number))
    assert len({plan.execution.job for plan in bench.hand.plans}) == 100
    bench.ledger.close()


def test_what_has_to_wait_is_recorded_as_queued_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_running=1)
    bench.define(*jobs(2))
    bench.at(T0)
    bench.at(T0 + MINUTE)
    assert len(bench.frames(Kind.RECORD)) == 1
    bench.ledger.close()


def test_a_job_without_its_project_fails_in_words_and_holds_no_place(bench: Bench) -> None:
    bench.define(a_job(project="ghost"))
    bench.at(T0)
    (end,) = bench.frames(Kind.END)
    assert b'not_started: there is no project \\"ghost\\"' in end.payload
    assert bench.performer.running == {}


def test_a_secret_that_is_not_set_fails_the_start_and_names_the_variable(bench: Bench) -> None:
    bench.define(a_job(secrets=(Secret(name="DB", from_env="MISSING"),)))
    bench.at(T0)
    (end,) = bench.frames(Kind.END)
    assert b"MISSING" in end.payload


def test_a_secret_reaches_the_plan_and_not_the_journal(bench: Bench) -> None:
    bench.define(a_job(secrets=(Secret(name="DB", from_env="TOKEN"),)))
    bench.at(T0)
    bench.persist()
    assert bench.hand.plans[0].env["DB"] == "t0ps3cret"
    written = b"".join(path.read_bytes() for path in bench.journal.rglob("*") if path.is_file())
    assert b"t0ps3cret" not in written


def test_arguments_are_filled_in_with_slot_and_params(bench: Bench) -> None:
    bench.define(a_job(args=("--at", "${slot}", "--id", "${execution}")))
    bench.at(T0)
    plan = bench.hand.plans[0]
    assert plan.args == ("--at", "2026-01-01T00:00:00.000Z", "--id", plan.execution.id)


def test_a_stop_of_an_ordered_execution_reaches_the_executor(bench: Bench) -> None:
    bench.define(a_job())
    bench.at(T0)
    execution = bench.hand.plans[0].execution.id
    bench.performer.perform(bench.table.apply("dw/load", StopRequested("r", execution, "ana"), T0), T0)
    assert (bench.hand.stopped, bench.answers[0]["state"]) == ([execution], "done")


@pytest.mark.parametrize("from_", [T0 - HOUR, T0, T0 + MINUTE])
def test_a_defect_about_one_job_rests_that_job_and_leaves_the_others_alone(bench: Bench, from_: datetime) -> None:
    class Broken:
        def next_after(self, instant: datetime) -> datetime | None:
            if instant >= from_:
                raise ZeroDivisionError
            return T0 + MINUTE

    bench.define(a_job(name="a"), a_job(name="b"))
    bench.table["dw/a"].definition = replace(bench.table["dw/a"].definition, trigger=Broken())
    bench.at(T0)
    bench.at(T0 + MINUTE)
    bench.at(T0 + 2 * MINUTE)
    assert "dw/b" in [plan.execution.job for plan in bench.hand.plans]
    assert bench.table["dw/a"].broken


@pytest.mark.parametrize(
    "request_",
    [
        {"kind": "dance", "job": "dw/load"},
        {"kind": "run", "job": "dw/ghost"},
        {"kind": "run", "job": "dw/load", "params": [1]},
        {"kind": "run", "job": "dw/load", "params": {"nope": 1}},
        {"kind": "run", "job": "dw/load", "rerun_of": 7},
        {"kind": "run", "job": "dw/load", "definition": 7},
        {"kind": "run", "job": "dw/load", "definition": {"id": "d0", "job": "dw/load"}},
        {"kind": "run", "job": "dw/load", "definition": DEFINITION, "revision": 7},
        {"kind": "pause", "job": "dw/load", "until": "tomorrow"},
        {"kind": "pause", "job": "dw/load", "until": "2026-01-01T00:00:00"},
        {"kind": "pause", "job": "dw/load", "until": 7},
        {"kind": "stop", "execution": "feed"},
        {"kind": None, "job": None},
    ],
)
def test_a_request_that_cannot_be_understood_is_refused_in_words(bench: Bench, request_: Document) -> None:
    bench.define(a_job())
    with pytest.raises(WindmillError):
        to_event({"id": "r", **request_}, bench.table.job, bench.performer.owner_of, bench.reproduce)


# Exactly again


def ask_again(bench: Bench, **facts: object) -> None:
    """Ask for what the job was once."""
    wish = {"id": "r", "kind": "run", "job": "dw/load", "definition": DEFINITION, "revision": "then", **facts}
    key, event = to_event(wish, bench.table.job, bench.performer.owner_of, bench.reproduce)
    bench.performer.perform(bench.table.apply(key, event, bench.now), bench.now)


def test_an_exact_rerun_starts_the_definition_and_the_revision_of_then(bench: Bench) -> None:
    bench.define(a_job(args=("now",)))
    ask_again(bench)
    bench.at(bench.now)
    (plan,) = bench.hand.plans
    assert (plan.args, plan.root) == (("then",), "/p/then")
    assert (plan.execution.revision, plan.execution.author, plan.execution.job_digest) == ("then", "ana", "d0")


def test_what_starts_after_an_exact_rerun_is_the_job_as_it_stands(bench: Bench) -> None:
    bench.define(a_job(args=("now",)))
    ask_again(bench)
    bench.at(bench.now)
    bench.end(bench.hand.plans[0])
    bench.at(T0)
    assert [(plan.args, plan.execution.job_digest) for plan in bench.hand.plans[1:]] == [(("now",), a_job().digest)]


def test_the_retry_of_an_exact_rerun_is_exact(bench: Bench, tmp_path: Path) -> None:
    job = a_job(Schedule(at=T0 + 9 * HOUR), retry=Retry(limit=1, delay=MINUTE))
    bench.define(job)
    ask_again(bench)
    bench.at(T0)
    bench.end(bench.hand.plans[0], State.FAILED)
    bench.persist()
    again = back(bench, tmp_path)
    again.now = T0 + MINUTE
    again.define(job)
    again.at(T0 + MINUTE)
    (plan,) = again.hand.plans
    assert (plan.execution.attempt, plan.args, plan.execution.job_digest) == (2, ("then",), "d0")
    again.ledger.close()


@pytest.mark.parametrize("wait", [False, True])
def test_an_exact_rerun_survives_a_restart_before_its_start(tmp_path: Path, wait: bool) -> None:
    bench = Bench(tmp_path, max_running=0 if not wait else 8)
    job = a_job(Schedule(at=T0))
    bench.define(job)
    if wait:
        bench.at(T0)
    ask_again(bench, wait=wait)
    bench.at(T0)
    bench.persist()
    again = back(bench, tmp_path)
    again.now = T0 + MINUTE
    again.define(job)
    if wait:
        again.end(again.hand.plans[0] if again.hand.plans else bench.hand.plans[0])
    again.at(T0 + MINUTE)
    assert [(plan.args, plan.root) for plan in again.hand.plans][-1] == (("then",), "/p/then")
    again.ledger.close()


def test_a_waiting_exact_rerun_that_was_queued_after_the_last_word_stays_exact(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_running=1)
    bench.define(a_job(Schedule(at=T0)), a_job(Schedule(at=T0), name="other"))
    bench.at(T0)
    ask_again(bench, wait=True)
    bench.persist()
    bench.at(T0 + MINUTE)
    bench.end(bench.hand.plans[0])
    bench.at(T0 + MINUTE)
    again = back(bench, tmp_path)
    state = again.table["dw/load"].state
    assert (state.waiting, state.exact) == (None, Exact(definition=DEFINITION, revision="then"))
    again.ledger.close()


def test_a_revision_that_is_gone_refuses_the_request(bench: Bench) -> None:
    bench.define(a_job())
    with pytest.raises(NotFound, match="revision gone of dw is not on disk"):
        ask_again(bench, revision="gone")


def test_a_definition_of_another_job_refuses_the_request(bench: Bench) -> None:
    bench.define(a_job())
    with pytest.raises(WindmillError, match="that of dw/other, and not of dw/load"):
        ask_again(bench, definition=DEFINITION | {"job": "dw/other"})


def test_what_an_execution_runs_with_is_written_down_once_before_its_start(bench: Bench) -> None:
    bench.define(a_job(complete={"entry_point": "load.py"}))
    bench.at(T0)
    bench.end(bench.hand.plans[0])
    bench.at(T0 + HOUR)
    (frame,) = bench.frames(Kind.DEFINITION)
    noted = json.loads(frame.payload)
    assert (noted["id"], noted["job"], noted["document"]) == (a_job().digest, "dw/load", {"entry_point": "load.py"})
    assert len(bench.hand.plans) == 2


# Coming back


def back(bench: Bench, directory: Path) -> Bench:
    """kill -9 the scheduler and start another one on the same journal."""
    bench.ledger.close()
    reader = Reader(bench.journal)
    return Bench(directory, states=recover(reader.newest(OWN_STREAM), reader).states.values())


def test_the_anchor_of_the_grid_survives_a_restart(bench: Bench, tmp_path: Path) -> None:
    job = a_job(Schedule(interval=HOUR))
    bench.define(job)
    bench.persist()
    again = back(bench, tmp_path)
    again.define(job)
    assert again.timers.get_next_run() == T0 - MINUTE + HOUR


def test_an_order_that_died_with_the_scheduler_is_given_again_under_the_same_id(bench: Bench, tmp_path: Path) -> None:
    bench.define(a_job())
    bench.at(T0)
    bench.persist()
    again = back(bench, tmp_path)
    again.now = T0 + MINUTE
    again.define(a_job())
    again.at(T0 + MINUTE)
    assert [plan.execution.id for plan in again.hand.plans] == [bench.hand.plans[0].execution.id]


def test_what_a_runner_recorded_after_the_last_word_is_read_from_its_journal(bench: Bench, tmp_path: Path) -> None:
    bench.define(a_job())
    bench.persist()
    bench.at(T0)
    runner = Writer(bench.journal, "runner-1-1", boot_id="b", now_ms=lambda: 0, checkpoint=list)
    execution = replace(bench.hand.plans[0].execution, state=State.RUNNING, started_at=T0)
    runner.append([_frame(Kind.RECORD, execution)])
    again = back(bench, tmp_path)
    assert again.table["dw/load"].state.open == execution
    assert again.table["dw/load"].state.covered == T0
    again.ledger.close()
    runner.append([_frame(Kind.END, replace(execution, state=State.SUCCEEDED, ended_at=T0 + MINUTE))])
    third = back(again, tmp_path)
    third.now = T0 + 2 * MINUTE
    third.define(a_job())
    third.at(T0 + HOUR)
    assert [plan.execution.slot for plan in third.hand.plans] == [T0 + HOUR]
    runner.close(settled=True)
    third.ledger.close()


def test_an_execution_no_runner_knows_of_is_lost(bench: Bench) -> None:
    bench.define(a_job())
    bench.at(T0)
    running = replace(bench.hand.plans[0].execution, state=State.RUNNING, started_at=T0)
    bench.table.confirm(running)
    bench.persist()
    bench.ledger.close()
    recovered = recover(Reader(bench.journal).newest(OWN_STREAM), Reader(bench.journal))
    (lost,) = recovered.without_process(frozenset(), T0 + MINUTE)
    assert (lost.id, lost.state) == (running.id, State.LOST)


def test_a_waiting_request_and_a_pause_survive_a_restart(bench: Bench, tmp_path: Path) -> None:
    bench.define(a_job())
    bench.at(T0)
    asked = RunRequested(ManualRequest(id="m", by="ana"), wait=True)
    bench.performer.perform(bench.table.apply("dw/load", asked, T0), T0)
    bench.persist()
    assert back(bench, tmp_path).table["dw/load"].state.waiting == asked.request


def test_a_full_disk_loses_no_record(tmp_path: Path) -> None:
    class Full:
        """A stream on a disk that has no room until it is said to."""

        def __init__(self) -> None:
            self.room = False
            self.frames: list[Frame] = []

        position = Position(1, 0)

        def append(self, frames: Iterable[Frame], *, urgent: bool = False) -> None:
            if not self.room:
                raise OSError(28, "No space left on device")
            self.frames += frames

        def commit(self) -> None:
            """Nothing to do."""

        def close(self, *, settled: bool) -> None:
            """Nothing to do."""

    disk = Full()
    ledger = Ledger(lambda _checkpoint: disk)
    ledger.open(list, lambda: T0)
    ledger.record(Execution(id="0" * 16, job="dw/load", state=State.SKIPPED, trigger="schedule", queued_at=T0), T0)  # type: ignore[arg-type]  # text serves
    assert ledger.write(T0) is False
    disk.room = True
    assert ledger.write(T0) is True
    assert len(disk.frames) == 1


def test_every_part_of_a_state_survives_its_document(bench: Bench) -> None:
    bench.define(a_job())
    bench.at(T0)
    state = replace(
        bench.table["dw/load"].state, ordered=False, skip_until=T0, skip_reason="missed", catch_up_until=T0
    )
    assert state_from_document(state_to_document(state)) == state


def _frame(kind: Kind, execution: Execution) -> Frame:
    return Frame(kind, execution.id, 0, 0, 0, json.dumps(to_document(execution)).encode())
