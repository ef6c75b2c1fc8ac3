"""Timers: the `schedule` package driven by our clock, and what we rely on of it."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta

import pytest
import schedule
from hypothesis import given
from hypothesis import strategies as st

from tests.support.world import HOUR, T0
from windmill.scheduler.timers import Timers

SECOND = timedelta(seconds=1)


def turn(timers: Timers, now: datetime) -> None:
    timers.now = now
    timers.run_pending()


@pytest.mark.parametrize("name", ["_schedule_next_run", "run", "should_run", "do", "tag"])
def test_schedule_still_has_what_timers_replace_and_use(name: str) -> None:
    assert hasattr(schedule.Job, name)


def test_schedule_still_calls_what_timers_replace() -> None:
    assert "_schedule_next_run" in inspect.getsource(schedule.Job.do)
    assert "_run_job" in inspect.getsource(schedule.Scheduler.run_pending)
    assert "CancelJob" in inspect.getsource(schedule.Scheduler._run_job)


def test_a_period_does_not_drift_with_the_lateness_of_its_turns() -> None:
    timers, ran = Timers(T0), list[datetime]()
    timers.every(1).seconds.do(lambda: ran.append(timers.now))
    for number in range(1, 10_001):
        turn(timers, T0 + number * SECOND + timedelta(milliseconds=number % 900))
    assert len(ran) == 10_000
    assert timers.get_next_run() == T0 + 10_001 * SECOND


def test_a_turn_that_comes_hours_late_runs_a_period_once() -> None:
    timers, ran = Timers(T0), list[datetime]()
    timers.every(1).seconds.do(lambda: ran.append(timers.now))
    turn(timers, T0 + 5 * HOUR)
    turn(timers, T0 + 5 * HOUR)
    assert len(ran) == 1


def test_a_clock_that_was_set_back_does_not_silence_periods() -> None:
    timers, ran = Timers(T0), list[datetime]()
    timers.every(1).seconds.do(lambda: ran.append(timers.now))
    timers.now = T0 - 5 * HOUR
    timers.clock_moved()
    turn(timers, T0 - 5 * HOUR + SECOND)
    assert len(ran) == 1


def test_a_failing_timer_neither_starves_the_others_nor_stays_due(caplog: pytest.LogCaptureFixture) -> None:
    timers, ran = Timers(T0), list[str]()

    def fails() -> None:
        raise ValueError("broken")

    timers.every(1).seconds.do(fails)
    timers.every(1).seconds.do(ran.append, "other")
    turn(timers, T0 + SECOND)
    turn(timers, T0 + 2 * SECOND)
    assert ran == ["other", "other"]
    assert [record.getMessage() for record in caplog.records] == ["a timer failed", "a timer failed"]


def test_a_timer_that_asks_is_due_when_the_answer_says() -> None:
    timers, ran = Timers(T0), list[datetime]()
    answers = iter([T0 + HOUR, T0 + 3 * HOUR, None])
    timers.when(lambda _now: next(answers)).do(lambda: ran.append(timers.now))
    for hours in range(6):
        turn(timers, T0 + hours * HOUR)
    assert ran == [T0 + HOUR, T0 + 3 * HOUR]
    assert timers.get_next_run() is None


def test_arming_again_makes_the_earlier_instant_void() -> None:
    timers, ran = Timers(T0), list[datetime]()
    wanted = [T0 + HOUR]
    timer = timers.when(lambda _now: wanted[0])
    timer.do(lambda: ran.append(timers.now))
    wanted[0] = T0 + 2 * HOUR
    timer.arm()
    turn(timers, T0 + HOUR)
    assert ran == []
    assert timers.idle_seconds == 3600


def test_a_cancelled_timer_does_not_run() -> None:
    timers, ran = Timers(T0), list[str]()
    timer = timers.every(1).seconds.do(ran.append, "ran")
    timers.cancel_job(timer)
    turn(timers, T0 + HOUR)
    assert (ran, len(timers.jobs)) == ([], 0)


def test_a_timer_may_cancel_itself_the_library_way() -> None:
    timers, ran = Timers(T0), list[str]()

    def once() -> type[schedule.CancelJob]:
        ran.append("ran")
        return schedule.CancelJob

    timers.every(1).seconds.do(once)
    for number in range(5):
        turn(timers, T0 + number * SECOND)
    assert ran == ["ran"]


def test_tags_select_timers_as_in_the_library() -> None:
    timers = Timers(T0)
    timers.every(5).seconds.tag("a").do(print)
    timers.every(2).seconds.tag("b").do(print)
    assert timers.get_next_run("a") == T0 + 5 * SECOND
    timers.clear("b")
    assert len(timers.jobs) == 1


@given(instants=st.lists(st.integers(0, 1000), max_size=60))
def test_what_is_due_together_runs_in_order_of_instants_each_once(instants: list[int]) -> None:
    timers, ran = Timers(T0), list[int]()
    for seconds in instants:
        answers = iter([T0 + seconds * SECOND])
        timers.when(lambda _now, answers=answers: next(answers, None)).do(ran.append, seconds)  # type: ignore[misc]  # a default binds the loop's value
    turn(timers, T0 + 1000 * SECOND)
    assert ran == sorted(instants)


def test_how_late_turns_come_is_known() -> None:
    timers = Timers(T0)
    timers.every(1).seconds.do(lambda: None)
    for number in range(1, 201):
        turn(timers, T0 + number * SECOND + timedelta(milliseconds=900 if number % 50 == 0 else 10))
    assert timers.lateness.summary() == {"p99": 0.9, "max": 0.9}


def test_what_was_due_before_it_was_armed_is_not_late() -> None:
    timers = Timers(T0)
    timers.when(lambda _now: T0 - HOUR).do(lambda: None)
    turn(timers, T0 + SECOND)
    assert timers.lateness.summary() == {"p99": 1.0, "max": 1.0}


def test_a_loop_that_has_run_no_timer_has_no_lateness() -> None:
    assert Timers(T0).lateness.summary() == {}
