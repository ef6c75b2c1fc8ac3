"""Jobs that come after jobs: extract comes on the hour, and others follow it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.scheduler.test_scheduler import Bench
from tests.support.world import HOUR, MINUTE, T0, a_job
from windmill.core.documents import Document
from windmill.core.entries import execution_of
from windmill.core.events import PauseRequested, ResumeRequested, RunRequested
from windmill.core.model import After, CatchUp, Execution, Job, Overrun, Retry, Schedule, State, When
from windmill.core.ports import Kind, Plan
from windmill.core.state import ManualRequest, Pause, absorb, state_from_document, state_to_document


class Line(Bench):
    """A bench on which executions end when they are told to."""

    def started(self) -> list[str]:
        return [plan.execution.job.removeprefix("dw/") for plan in self.hand.plans]

    def newest(self, name: str) -> Plan:
        return [plan for plan in self.hand.plans if plan.execution.job == f"dw/{name}"][-1]

    def finish(self, name: str, state: State = State.SUCCEEDED, after: timedelta = MINUTE) -> Execution:
        """End what runs of the job, and let everything follow."""
        self.now += after
        ended = self.end(self.newest(name), state)
        self.at(self.now)
        return ended

    def retells(self, *jobs: Job) -> None:
        """Take over changed files."""
        self.define(*(replace(job, digest=str(self.now)) for job in jobs))
        self.at(self.now)

    def skipped(self) -> list[tuple[str, str]]:
        """The job and reason of everything recorded as skipped."""
        frames: list[Document] = [json.loads(frame.payload) for frame in self.frames(Kind.END)]
        return [(one["job"].removeprefix("dw/"), one["reason"]) for one in frames if one["state"] == "skipped"]

    def restarted(self, directory: Path, after: timedelta = timedelta(0), facts: Iterable[Execution] = ()) -> Line:
        """The same jobs on a scheduler that came back, and read these facts."""
        states = {entry.state.key: state_from_document(state_to_document(entry.state)) for entry in self.table}
        for fact in facts:
            states[fact.job] = absorb(states[fact.job], fact)
        other = Line(directory, states=states.values())
        other.now = other.timers.now = self.now + after
        other.define(*self.table.jobs().values())
        other.at(other.now)
        return other


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "first")
    yield made
    made.ledger.close()


EXTRACT = a_job(name="extract")


def follower(name: str = "load", *above: str, when: When = When.SUCCESS, **changes: object) -> Job:
    after = tuple(After(f"dw/{one}", when) for one in above or ("extract",))
    return replace(a_job(name=name), schedule=None, after=after, **changes)  # type: ignore[arg-type]  # any field


def scheduled(name: str = "load", *, minute: int = 30, every: timedelta = HOUR, **changes: object) -> Job:
    schedule = Schedule(interval=every, start_at=T0 + minute * MINUTE)
    return a_job(schedule, name=name, after=(After("dw/extract"),), **changes)


# A job without a schedule


def test_a_job_starts_when_the_one_before_it_has_succeeded(line: Line) -> None:
    line.define(follower(), EXTRACT)
    line.at(T0)
    assert line.started() == ["extract"]
    before = line.finish("extract")
    assert line.started() == ["extract", "load"]
    execution = line.newest("load").execution
    assert (execution.trigger, execution.slot, execution.after) == ("after", T0, {"dw/extract": before.id})


def test_a_failure_blocks_the_whole_line_below_and_says_why(line: Line) -> None:
    line.define(EXTRACT, follower(), follower("publish", "load"))
    line.at(T0)
    failed = line.finish("extract", State.FAILED)
    assert line.started() == ["extract"]
    (load, why), (publish, why_not) = line.skipped()
    assert (load, why) == ("load", f"blocked: dw/extract failed ({failed.id})")
    assert (publish, why_not[:26]) == ("publish", "blocked: dw/load was block")


def test_an_attempt_that_is_tried_again_is_no_end(line: Line) -> None:
    line.define(replace(EXTRACT, retry=Retry(limit=1, delay=MINUTE)), follower())
    line.at(T0)
    line.finish("extract", State.FAILED)
    assert (line.started(), line.skipped()) == (["extract"], [])
    line.at(line.now + MINUTE)
    line.finish("extract")
    assert line.started() == ["extract", "extract", "load"]
    assert line.skipped() == []


@pytest.mark.parametrize(
    ("when", "end", "follows"),
    [
        (When.FAILURE, State.FAILED, True),
        (When.FAILURE, State.TIMED_OUT, True),
        (When.FAILURE, State.SUCCEEDED, False),
        (When.FAILURE, State.STOPPED, False),
        (When.ANY, State.SUCCEEDED, True),
        (When.ANY, State.STOPPED, True),
        (When.SUCCESS, State.LOST, False),
    ],
)
def test_how_the_one_before_must_end_is_the_files_to_say(line: Line, when: When, end: State, follows: bool) -> None:
    line.define(EXTRACT, follower(when=when))
    line.at(T0)
    line.finish("extract", end)
    assert line.started() == (["extract", "load"] if follows else ["extract"])


def test_a_failure_that_did_not_happen_is_nothing_to_record(line: Line) -> None:
    line.define(EXTRACT, follower(when=When.FAILURE))
    line.at(T0)
    line.finish("extract")
    assert line.skipped() == []


def test_it_waits_for_all_that_it_comes_after_each_time(line: Line) -> None:
    line.define(EXTRACT, replace(EXTRACT, name="rates"), follower("load", "extract", "rates"))
    line.at(T0)
    line.finish("extract")
    assert line.started() == ["extract", "rates"]
    line.finish("rates")
    line.finish("load")
    line.at(T0 + HOUR)
    line.finish("rates")
    assert line.started().count("load") == 1
    line.finish("extract")
    assert line.started().count("load") == 2


def test_ends_that_come_while_it_runs_are_followed_once(line: Line) -> None:
    line.define(EXTRACT, follower())
    line.at(T0)
    for hour in (1, 2, 3):
        line.finish("extract")
        line.at(T0 + hour * HOUR)
    line.finish("extract")
    assert line.started().count("load") == 1
    line.finish("load")
    line.finish("load")
    assert line.started().count("load") == 2
    assert line.newest("load").execution.slot == T0 + 3 * HOUR


def test_what_happened_before_it_was_defined_is_not_followed(line: Line) -> None:
    line.define(EXTRACT)
    line.at(T0)
    line.finish("extract")
    line.define(follower())
    line.at(line.now)
    assert line.started() == ["extract"]


def test_what_happened_while_it_was_disabled_is_not_followed(line: Line) -> None:
    line.define(EXTRACT, follower())
    line.define(replace(follower(), enabled=False, digest="off"))
    line.at(T0)
    line.finish("extract")
    line.define(follower())
    line.at(line.now)
    assert line.started() == ["extract"]


def test_a_pause_leaves_out_what_would_have_followed(line: Line) -> None:
    line.define(EXTRACT, follower())
    line.performer.perform(line.table.apply("dw/load", PauseRequested("r", Pause()), line.now), line.now)
    line.at(T0)
    line.finish("extract")
    assert line.skipped() == [("load", "paused")]
    line.performer.perform(line.table.apply("dw/load", ResumeRequested("s"), line.now), line.now)
    line.at(line.now)
    assert line.started() == ["extract"]


def test_a_start_by_hand_is_followed_too(line: Line) -> None:
    line.define(replace(EXTRACT, schedule=None), follower())
    line.performer.perform(line.table.apply("dw/extract", RunRequested(ManualRequest(id="m")), line.now), line.now)
    line.at(T0)
    line.finish("extract")
    assert (line.started(), line.newest("load").execution.slot) == (["extract", "load"], None)


def test_an_upstream_that_is_not_there_is_waited_for(line: Line) -> None:
    line.define(follower("load", "ghost"))
    line.at(T0)
    assert (line.started(), line.skipped()) == ([], [])


def test_a_start_by_hand_is_followed_also_below_a_job_that_is_not_there(line: Line) -> None:
    line.define(follower("load", "ghost"), follower("publish", "load"))
    line.performer.perform(line.table.apply("dw/load", RunRequested(ManualRequest(id="m")), line.now), line.now)
    line.at(T0)
    line.finish("load")
    assert line.started() == ["load", "publish"]


# A scheduler that comes back


def test_an_end_is_followed_once_however_often_the_scheduler_comes_back(line: Line, tmp_path: Path) -> None:
    line.define(EXTRACT, follower())
    line.at(T0)
    line.now += MINUTE
    line.end(line.newest("extract"))  # and nothing was decided about load
    second = line.restarted(tmp_path / "second")
    assert second.started() == ["load"]
    second.finish("load")
    third = second.restarted(tmp_path / "third")
    assert third.started() == []
    for made in (second, third):
        made.ledger.close()


# A job with a schedule of its own


def test_a_slot_waits_for_what_runs_before_it(line: Line) -> None:
    line.define(EXTRACT, scheduled())
    line.at(T0)
    line.at(T0 + 30 * MINUTE)
    assert line.started() == ["extract"]
    line.finish("extract", after=10 * MINUTE)
    assert line.started() == ["extract", "load"]
    assert line.newest("load").execution.slot == T0 + 30 * MINUTE


def test_a_slot_starts_on_time_when_what_comes_before_it_has_succeeded(line: Line) -> None:
    line.define(EXTRACT, scheduled())
    line.at(T0)
    line.finish("extract")
    assert line.started() == ["extract"]
    line.at(T0 + 30 * MINUTE)
    assert line.started() == ["extract", "load"]


def test_a_slot_is_blocked_by_a_failure_of_its_period_and_the_next_is_not(line: Line) -> None:
    line.define(EXTRACT, scheduled())
    line.at(T0)
    failed = line.finish("extract", State.FAILED)
    line.at(T0 + 30 * MINUTE)
    assert line.skipped() == [("load", f"blocked: dw/extract failed ({failed.id})")]
    line.at(T0 + HOUR)
    line.finish("extract")
    line.at(T0 + 90 * MINUTE)
    assert line.started() == ["extract", "extract", "load"]


def test_a_slot_is_blocked_where_that_of_the_one_before_was_left_out(line: Line) -> None:
    line.define(EXTRACT, scheduled())
    line.at(T0)
    line.finish("extract")
    line.at(T0 + 30 * MINUTE)
    line.finish("load")
    line.performer.perform(line.table.apply("dw/extract", PauseRequested("r", Pause()), line.now), line.now)
    line.at(T0 + HOUR)
    line.at(T0 + 90 * MINUTE)
    assert line.skipped() == [("extract", "paused"), ("load", "blocked: dw/extract was skipped (paused)")]


def test_a_slot_waits_for_the_first_end_there_ever_is(line: Line) -> None:
    line.define(replace(EXTRACT, schedule=Schedule(interval=24 * HOUR, start_at=T0 + 2 * HOUR)), scheduled())
    line.at(T0 + 90 * MINUTE)
    assert line.started() == []
    line.at(T0 + 2 * HOUR)
    line.finish("extract")
    assert line.started() == ["extract", "load"]
    assert line.newest("load").execution.coalesced == 1


def test_an_upstream_that_is_due_less_often_counts_by_its_newest_end(line: Line) -> None:
    line.define(replace(EXTRACT, schedule=Schedule(interval=24 * HOUR, start_at=T0)), scheduled())
    line.at(T0)
    line.finish("extract")
    for hour in range(3):
        line.at(T0 + hour * HOUR + 30 * MINUTE)
        line.finish("load")
    assert line.started() == ["extract", "load", "load", "load"]


def test_two_that_are_due_together_run_one_after_the_other(line: Line) -> None:
    line.define(EXTRACT, scheduled(minute=0))
    line.at(T0)
    assert line.started() == ["extract"]
    line.finish("extract")
    assert line.started() == ["extract", "load"]


def test_a_job_whose_upstream_takes_longer_than_its_interval_does_not_starve(line: Line) -> None:
    line.define(EXTRACT, scheduled(minute=0))
    now = line.now = T0
    line.at(T0)
    starts: list[datetime] = []
    for _ in range(10):
        line.finish("extract", after=90 * MINUTE)
        if line.started()[-1] == "load" or "load" in line.started()[len(starts) :]:
            starts.append(line.now)
        if line.table["dw/load"].state.open is not None:
            line.finish("load", after=MINUTE)
    assert line.started().count("load") >= 9
    assert now == T0


def test_a_scheduled_job_waits_for_the_end_of_a_line(line: Line) -> None:
    last = a_job(Schedule(interval=HOUR, start_at=T0 + 30 * MINUTE), name="last", after=(After("dw/load"),))
    line.define(EXTRACT, follower(), last)
    line.at(T0)
    line.at(T0 + 30 * MINUTE)
    line.finish("extract")
    assert line.started() == ["extract", "load"]
    line.finish("load")
    assert line.started() == ["extract", "load", "last"]


def test_a_slot_that_waits_is_not_missed_because_the_scheduler_restarts(line: Line, tmp_path: Path) -> None:
    line.define(EXTRACT, scheduled())
    line.at(T0)
    running = replace(line.newest("extract").execution, state=State.RUNNING, started_at=T0)
    line.table.confirm(running)
    line.at(T0 + 30 * MINUTE)
    line.at(T0 + 40 * MINUTE)
    second = line.restarted(tmp_path / "second", facts=[running])
    assert second.skipped() == []
    second.hand.plans = line.hand.plans
    second.finish("extract", after=5 * MINUTE)
    assert second.newest("load").execution.slot == T0 + 30 * MINUTE
    second.ledger.close()


def test_slots_that_came_due_unseen_are_missed_also_where_they_would_have_waited(line: Line, tmp_path: Path) -> None:
    line.define(EXTRACT, scheduled())
    line.at(T0)
    running = replace(line.newest("extract").execution, state=State.RUNNING, started_at=T0)
    second = line.restarted(tmp_path / "second", after=40 * MINUTE, facts=[running])
    assert second.skipped() == [("load", "missed")]
    second.ledger.close()


def test_a_slot_that_waits_gets_its_verdict_when_the_schedule_changes(line: Line) -> None:
    line.define(EXTRACT, scheduled())
    line.at(T0)
    line.at(T0 + 30 * MINUTE)
    line.retells(scheduled(minute=45))
    assert line.skipped() == [("load", "rescheduled")]


def test_a_slot_waits_for_every_slot_that_another_attempt_is_for(line: Line) -> None:
    line.define(replace(EXTRACT, retry=Retry(limit=1, delay=5 * MINUTE)), scheduled())
    line.at(T0)
    for quarter in range(1, 8):
        line.at(T0 + quarter * 15 * MINUTE)
    line.finish("extract")
    line.at(T0 + 2 * HOUR)
    line.finish("load")
    for hour in (3, 4):
        line.at(T0 + hour * HOUR)
    line.finish("extract", after=timedelta(0))
    line.finish("load", after=timedelta(0))
    before = line.started().count("load")
    line.finish("extract", State.FAILED)  # of 03:00 and 04:00
    line.at(line.now + 5 * MINUTE)
    assert line.started().count("load") == before
    line.finish("extract")
    assert line.started().count("load") == before + 1


def test_a_slot_that_is_blocked_takes_the_place_of_another_attempt(line: Line) -> None:
    line.define(EXTRACT, scheduled(retry=Retry(limit=1, delay=2 * HOUR, max_delay=2 * HOUR)))
    line.at(T0)
    line.finish("extract")
    line.at(T0 + 30 * MINUTE)
    line.finish("load", State.FAILED)
    line.at(T0 + HOUR)
    line.finish("extract", State.FAILED)
    line.at(T0 + 90 * MINUTE)
    assert line.skipped()[0][0] == "load"
    line.at(T0 + 3 * HOUR - MINUTE)
    assert line.started().count("load") == 1
    assert line.table["dw/load"].state.retry is None


def test_every_slot_is_blocked_whose_slot_upstream_was_missed(line: Line, tmp_path: Path) -> None:
    load = Schedule(interval=HOUR, start_at=T0 + 30 * MINUTE, catch_up=CatchUp.ALL)
    line.define(EXTRACT, replace(scheduled(), schedule=load))
    line.at(T0)
    line.finish("extract")
    line.at(T0 + 30 * MINUTE)
    line.finish("load")
    second = line.restarted(tmp_path / "second", after=4 * HOUR)
    for _ in range(4):
        second.at(second.now)
    assert second.started() == []
    blocked = ("load", "blocked: dw/extract was skipped (missed)")
    assert second.skipped() == [("extract", "missed"), *[blocked] * 4]
    second.ledger.close()


def test_a_resume_of_a_job_that_is_not_paused_skips_nothing_that_waits(line: Line) -> None:
    line.define(EXTRACT, scheduled())
    line.at(T0)
    line.at(T0 + 30 * MINUTE)
    line.performer.perform(line.table.apply("dw/load", ResumeRequested("s"), line.now), line.now)
    line.finish("extract")
    assert (line.started(), line.skipped()) == (["extract", "load"], [])


def test_a_slot_that_waits_did_not_find_its_job_running(line: Line) -> None:
    load = replace(Schedule(interval=HOUR, start_at=T0 + 30 * MINUTE), overrun=Overrun.SKIP)
    line.define(EXTRACT, replace(scheduled(), schedule=load))
    line.at(T0)
    line.at(T0 + 30 * MINUTE)
    line.performer.perform(line.table.apply("dw/load", RunRequested(ManualRequest(id="m")), line.now), line.now)
    line.at(line.now)
    line.finish("load")
    line.finish("extract")
    assert line.skipped() == []
    assert line.newest("load").execution.slot == T0 + 30 * MINUTE


# Files that change


def test_a_job_that_comes_after_another_now_follows_what_ends_while_it_runs(line: Line) -> None:
    rates = replace(EXTRACT, name="rates", schedule=Schedule(interval=HOUR, start_at=T0 + 10 * MINUTE))
    line.define(EXTRACT, rates, follower())
    line.at(T0)
    line.finish("extract")
    line.retells(follower("load", "rates"))
    line.at(T0 + 10 * MINUTE)
    line.finish("rates")
    line.finish("load")
    assert line.started() == ["extract", "load", "rates", "load"]


def test_a_job_that_loses_its_schedule_follows_nothing_of_the_past(line: Line) -> None:
    line.define(EXTRACT, scheduled())
    line.at(T0)
    line.finish("extract")
    line.at(T0 + 30 * MINUTE)
    line.finish("load")
    line.at(T0 + HOUR)
    line.finish("extract")
    line.retells(follower())
    line.at(line.now + MINUTE)
    assert line.started().count("load") == 1
    line.at(T0 + 2 * HOUR)
    line.finish("extract")
    assert line.started().count("load") == 2


def test_what_happened_while_it_was_removed_is_not_followed_by_a_scheduler_that_comes_back(
    line: Line, tmp_path: Path
) -> None:
    line.define(EXTRACT, follower())
    line.performer.define("dw/load", None, line.now)
    line.at(T0)
    line.finish("extract")
    second = Line(tmp_path / "second", states=[entry.state for entry in line.table])
    second.now = second.timers.now = line.now
    second.define(EXTRACT, follower())
    second.at(second.now)
    assert second.started() == []
    second.ledger.close()


def test_files_that_swap_who_comes_after_whom_stop_neither(line: Line) -> None:
    line.define(EXTRACT, follower("first", "extract"), follower("second", "first"))
    line.retells(follower("first", "second"), follower("second", "extract"))
    line.at(T0)
    line.finish("extract")
    line.finish("second")
    assert line.started() == ["extract", "second", "first"]


def test_a_line_of_a_hundred_jobs_is_gone_through(line: Line) -> None:
    names = ["extract", *(f"j{number}" for number in range(100))]
    line.define(*(follower(name, above) for above, name in pairwise(names)), EXTRACT)
    line.at(T0)
    for name in names:
        line.finish(name, after=timedelta(seconds=1))
    assert line.started() == names


# Facts that are read back


def test_a_failure_that_a_slot_took_the_place_of_stays_one_when_it_is_read_back(line: Line, tmp_path: Path) -> None:
    line.define(replace(EXTRACT, retry=Retry(limit=1, delay=2 * HOUR, max_delay=2 * HOUR)), follower())
    line.at(T0)
    line.finish("extract")
    line.finish("load")
    line.at(T0 + HOUR)
    failed = line.finish("extract", State.FAILED)
    state = line.table["dw/extract"].state
    line.at(T0 + 2 * HOUR)
    running = replace(line.newest("extract").execution, state=State.RUNNING, started_at=line.now)
    last = absorb(state, running).last
    assert (last and last.id, last) == (failed.id, line.table["dw/extract"].state.last)


def test_a_start_that_failed_is_judged_though_nothing_else_was_written_down(line: Line) -> None:
    line.define(EXTRACT)
    line.performer.locations = {}
    before = {entry.state.key: entry.state for entry in line.table}
    line.at(T0)
    (frame,) = line.frames(Kind.END)
    ended = execution_of(json.loads(frame.payload))
    state = absorb(before["dw/extract"], ended)
    assert state.open == ended


def test_an_end_that_another_start_followed_counts_when_both_are_read_back(line: Line) -> None:
    line.define(EXTRACT)
    line.at(T0)
    running = replace(line.newest("extract").execution, state=State.RUNNING, started_at=T0)
    ended = replace(running, state=State.SUCCEEDED, ended_at=T0 + MINUTE)
    again = replace(running, id="f" * 16, slot=T0 + HOUR, queued_at=T0 + HOUR, started_at=T0 + HOUR)
    state = line.table["dw/extract"].state
    for fact in (running, ended, again):
        state = absorb(state, fact)
    assert (state.open, state.last and state.last.id) == (again, ended.id)


def test_an_end_counts_that_is_read_after_what_waits_now(line: Line) -> None:
    line.define(EXTRACT)
    line.at(T0)
    running = replace(line.newest("extract").execution, state=State.RUNNING, started_at=T0)
    ended = replace(running, state=State.SUCCEEDED, ended_at=T0 + HOUR)
    queued = replace(running, id="f" * 16, state=State.QUEUED, slot=T0 + HOUR, queued_at=T0 + HOUR, started_at=None)
    state = line.table["dw/extract"].state
    for fact in (running, queued, ended, ended):
        state = absorb(state, fact)
    assert (state.open, state.last and state.last.id) == (queued, ended.id)
