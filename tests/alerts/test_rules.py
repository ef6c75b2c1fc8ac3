from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.alerts.rules import (
    Alert,
    Memory,
    Rule,
    Wanted,
    at_end,
    at_instant,
    is_slow,
    lost,
    memory_from_document,
    memory_to_document,
    of_home,
    settled_by,
    wanted_of,
)
from windmill.core.definition import definition
from windmill.core.documents import to_document, to_text
from windmill.core.model import Cause, Execution, Expect, Job, Notify, Retry, State

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL = Wanted(on_failure=("team",), on_recovery=("ops",), on_late=("boss",))


def an_end(number: int, state: State = State.SUCCEEDED, **changes: Any) -> Execution:
    """Return the execution of the slot `number` minutes after noon, which took a second."""
    slot = NOON + number * MINUTE
    execution = Execution(
        id=f"{number:016x}",
        job="p/a",
        state=state,
        trigger=Cause.SCHEDULE,
        slot=slot,
        queued_at=slot,
        started_at=slot,
        ended_at=slot + timedelta(seconds=1),
        exit_code=0 if state is State.SUCCEEDED else 1,
    )
    return replace(execution, **changes)


def told(wanted: Wanted, ends: list[Execution], usual: timedelta | None = None) -> list[Alert]:
    memory = Memory()
    found: list[Alert] = []
    for end in ends:
        memory, alerts = at_end(wanted, memory, end, usual=usual)
        memory = memory_from_document(memory_to_document(memory))  # as after a restart
        found += alerts
    return found


def rules(wanted: Wanted, states: list[State]) -> list[Rule]:
    return [alert.rule for alert in told(wanted, [an_end(number, state) for number, state in enumerate(states)])]


def test_a_failure_is_told_once_while_it_lasts() -> None:
    (alert,) = told(ALL, [an_end(number, State.FAILED) for number in range(5)])
    assert (alert.rule, alert.about, alert.execution, alert.count) == (Rule.FAILED, "p/a", f"{0:016x}", 1)
    assert alert.since == NOON + timedelta(seconds=1)


def test_the_first_success_after_it_is_told() -> None:
    failed, recovered = told(ALL, [an_end(0, State.FAILED), an_end(1, State.TIMED_OUT), an_end(2), an_end(3)])
    assert (recovered.rule, recovered.execution, recovered.count) == (Rule.RECOVERED, f"{2:016x}", 2)
    assert (recovered.first, recovered.since) == (failed.first, failed.since)


def test_so_many_failures_in_a_row_are_waited_for() -> None:
    (alert,) = told(replace(ALL, after_failures=3), [an_end(number, State.FAILED) for number in range(4)])
    assert (alert.execution, alert.count, alert.first) == (f"{2:016x}", 3, f"{0:016x}")


def test_a_recovery_from_what_nobody_was_told_is_none() -> None:
    assert rules(replace(ALL, after_failures=2), [State.FAILED, State.SUCCEEDED]) == []


def test_a_failure_that_is_tried_again_is_none_yet() -> None:
    wanted = replace(ALL, retry=Retry(limit=1))
    first = an_end(0, State.FAILED)
    second = an_end(1, State.FAILED, attempt=2, trigger=Cause.RETRY, retry_of=first.id)
    assert told(wanted, [first]) == []
    assert [alert.execution for alert in told(wanted, [first, second])] == [second.id]


def test_a_failure_with_an_exit_code_that_is_not_tried_again_is_told_at_once() -> None:
    wanted = replace(ALL, retry=Retry(limit=3, exit_codes=(75,)))
    assert told(wanted, [an_end(0, State.FAILED, exit_code=75)]) == []
    assert len(told(wanted, [an_end(0, State.FAILED, exit_code=1)])) == 1


@pytest.mark.parametrize("between", [State.STOPPED, State.SKIPPED])
def test_what_a_person_stopped_or_was_skipped_is_neither_failure_nor_success(between: State) -> None:
    assert rules(ALL, [State.FAILED, between, State.FAILED]) == [Rule.FAILED]


outcomes = st.lists(st.sampled_from([State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.LOST, State.STOPPED]))


@given(outcomes, st.integers(1, 4))
def test_failures_and_recoveries_are_those_of_the_streaks(states: list[State], after: int) -> None:
    final = [state for state in states if state is not State.STOPPED]
    expected, streak = [], 0
    for state in final:
        if state is State.SUCCEEDED:
            expected += [Rule.RECOVERED] * (streak >= after)
            streak = 0
        else:
            streak += 1
            expected += [Rule.FAILED] * (streak == after)
    assert rules(replace(ALL, after_failures=after), states) == expected


@given(outcomes)
def test_no_two_messages_have_the_same_cause(states: list[State]) -> None:
    found = told(
        replace(ALL, late_after=MINUTE, slower_than=0.5),
        [an_end(number, state, started_at=NOON) for number, state in enumerate(states)],
        usual=timedelta(seconds=10),
    )
    assert len({alert.key for alert in found}) == len(found)


LATE = replace(ALL, late_after=timedelta(seconds=30))


def now(wanted: Wanted, memory: Memory, seconds: float, **facts: Any) -> tuple[Memory, tuple[Alert, ...]]:
    known = {"due": None, "succeeded_at": None, "running": None, "usual": None} | facts
    return at_instant(wanted, memory, "p/a", NOON + timedelta(seconds=seconds), **known)


def test_a_slot_is_late_from_the_instant_on_that_was_named() -> None:
    assert now(LATE, Memory(), 29.9, due=NOON) == (Memory(), ())
    _, (alert,) = now(LATE, Memory(), 30, due=NOON)
    assert (alert.rule, alert.since, alert.first) == (Rule.LATE, NOON, to_text(NOON))


def test_what_is_late_is_told_once_however_it_is_found() -> None:
    memory, _ = now(LATE, Memory(), 30, due=NOON)
    memory, again = now(LATE, memory, 31, due=NOON)
    started = an_end(0, started_at=NOON + MINUTE)
    memory, at_last = at_end(LATE, memory, started, usual=None)
    assert (again, at_last) == ((), ())


def test_a_start_in_time_ends_the_lateness() -> None:
    memory, _ = now(LATE, Memory(), 30, due=NOON)
    memory, _ = at_end(LATE, memory, an_end(1), usual=None)
    assert not memory
    assert len(now(LATE, memory, 150, due=NOON + 2 * MINUTE)[1]) == 1


def test_the_oldest_of_coalesced_slots_is_the_one_that_is_late() -> None:
    (alert,) = told(LATE, [an_end(3, coalesced_from=NOON, coalesced=3)])
    assert (alert.rule, alert.since) == (Rule.LATE, NOON)


def test_a_slot_that_was_missed_is_late() -> None:
    (alert,) = told(LATE, [an_end(0, State.SKIPPED, reason="missed", started_at=None)])
    assert (alert.rule, alert.detail) == (Rule.LATE, "missed")


@pytest.mark.parametrize("reason", ["paused", "overrun", "window", "blocked: p/b failed"])
def test_a_slot_that_was_skipped_for_a_reason_is_not_late(reason: str) -> None:
    assert told(LATE, [an_end(0, State.SKIPPED, reason=reason, started_at=None)]) == []


def test_a_manual_start_and_a_retry_are_never_late() -> None:
    assert told(LATE, [an_end(0, trigger=Cause.MANUAL, slot=None)]) == []
    assert told(LATE, [an_end(0, trigger=Cause.RETRY, started_at=NOON + MINUTE)]) == []


def test_a_success_that_is_too_long_ago_is_told_once_until_there_is_another() -> None:
    wanted = replace(ALL, max_age=MINUTE)
    memory, first = now(wanted, Memory(), 60, succeeded_at=NOON)
    memory, same = now(wanted, memory, 90, succeeded_at=NOON)
    memory, good = now(wanted, memory, 100, succeeded_at=NOON + MINUTE)
    memory, again = now(wanted, memory, 120, succeeded_at=NOON + MINUTE)
    assert [alert.rule for alert in (*first, *same, *good, *again)] == [Rule.OLD, Rule.OLD]


SLOW = replace(ALL, slower_than=0.5)


@pytest.mark.parametrize(
    ("taken", "usual", "slow"), [(15.0, 10, False), (15.1, 10, True), (1.9, 1, False), (2.1, 1, True)]
)
def test_slow_is_notably_more_than_usual(taken: float, usual: float, slow: bool) -> None:
    assert is_slow(timedelta(seconds=taken), timedelta(seconds=usual), 0.5) is slow


def test_a_slow_execution_is_told_once_while_it_runs_and_after() -> None:
    running = an_end(0, State.RUNNING, ended_at=None)
    memory, first = now(SLOW, Memory(), 16, running=running, usual=timedelta(seconds=10))
    memory, same = now(SLOW, memory, 17, running=running, usual=timedelta(seconds=10))
    ended = an_end(0, ended_at=NOON + timedelta(seconds=20))
    memory, after = at_end(SLOW, memory, ended, usual=timedelta(seconds=10))
    assert [alert.rule for alert in (*first, *same, *after)] == [Rule.SLOW]
    memory, _ = at_end(SLOW, memory, an_end(1), usual=timedelta(seconds=10))
    assert not memory


def test_what_is_usual_has_to_be_known() -> None:
    assert told(SLOW, [an_end(0, ended_at=NOON + 99 * MINUTE)]) == []


def test_each_rule_has_its_channels() -> None:
    assert [ALL.told(rule) for rule in (Rule.FAILED, Rule.RECOVERED, Rule.LATE, Rule.OLD, Rule.SLOW, Rule.LOST)] == [
        ("team",),
        ("ops",),
        ("boss",),
        ("boss",),
        ("boss",),
        (),
    ]


def test_a_lost_execution_is_a_cause_of_its_own() -> None:
    assert lost(an_end(4, State.LOST)).key == f"lost p/a {4:016x}"


def test_what_stands_for_the_home_is_told_once_until_it_is_good() -> None:
    memory = Memory()
    found: list[Alert] = []
    for since in (None, NOON, NOON, None, NOON + MINUTE):
        memory, alerts = of_home(memory, Rule.SYNC, "reports", since=since, now=NOON, detail="refused")
        found += alerts
    assert [alert.since for alert in found] == [NOON, NOON + MINUTE]


def test_what_is_wanted_comes_from_the_document_of_a_job() -> None:
    job = Job(
        project="p",
        name="a",
        entry_point="a.py",
        file="a.yaml",
        digest="d",
        expect=Expect(late_after=MINUTE, max_age=60 * MINUTE, slower_than=0.5),
        notify=Notify(on_failure=("a",), after_failures=2, on_recovery=("b",), on_late=("c", "a")),
        retry=Retry(limit=2, exit_codes=(3,)),
    )
    wanted = wanted_of(definition(job, stale=False))
    assert wanted == Wanted(
        on_failure=("a",),
        after_failures=2,
        on_recovery=("b",),
        on_late=("c", "a"),
        late_after=MINUTE,
        max_age=60 * MINUTE,
        slower_than=0.5,
        retry=Retry(limit=2, exit_codes=(3,)),
    )
    assert wanted.channels == {"a", "b", "c"}


def test_a_job_that_an_older_version_described_wants_nothing() -> None:
    assert wanted_of({"id": "p/a"}) == Wanted()


def test_slots_are_settled_by_what_was_scheduled_only() -> None:
    assert settled_by(to_document(an_end(1))) == NOON + MINUTE
    assert settled_by(to_document(an_end(1, coalesced_to=NOON + 2 * MINUTE))) == NOON + 2 * MINUTE
    assert settled_by(to_document(an_end(1, trigger=Cause.RETRY))) is None
