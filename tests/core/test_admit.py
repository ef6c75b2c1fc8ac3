"""The queue in front of the cap."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from tests.support.world import MINUTE, T0
from windmill.core.admit import Queue
from windmill.core.model import Cause, Execution, State


def waiting(number: int, minutes: int = 0) -> Execution:
    at = T0 + minutes * MINUTE
    return Execution(
        id=f"{number:016x}", job=f"dw/j{number}", state=State.QUEUED, trigger=Cause.SCHEDULE, slot=at, queued_at=at
    )


def test_who_became_due_first_goes_first_then_by_name() -> None:
    queue = Queue()
    for execution in (waiting(3), waiting(1, minutes=5), waiting(2)):
        queue.add(execution)
    assert queue.take(9) == ["dw/j2", "dw/j3", "dw/j1"]


def test_no_more_are_taken_than_there_are_places() -> None:
    queue = Queue()
    for number in range(5):
        queue.add(waiting(number))
    assert (len(queue.take(2)), len(queue)) == (2, 3)
    assert queue.take(0) == queue.take(-1) == []


def test_what_was_given_up_is_not_taken() -> None:
    queue = Queue()
    queue.add(waiting(1))
    queue.add(waiting(2))
    queue.discard(waiting(1).id)
    assert queue.take(5) == ["dw/j2"]


def test_adding_twice_is_waiting_once() -> None:
    queue = Queue()
    queue.add(waiting(1))
    queue.add(waiting(1))
    assert queue.take(5) == ["dw/j1"]
    assert queue.take(5) == []


@given(turns=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=40))
def test_nothing_starves_whatever_comes_after_it(turns: list[tuple[int, int]]) -> None:
    queue, number, taken = Queue(), 0, list[str]()
    due: dict[str, datetime] = {}
    for turn, (coming, places) in enumerate(turns):
        for _ in range(coming):
            number += 1
            execution = waiting(number, minutes=turn)
            due[execution.job] = execution.queued_at
            queue.add(execution)
        taken += queue.take(places)
    taken += queue.take(number)
    assert sorted(taken) == sorted(due)
    assert [due[job] for job in taken] == sorted(due.values())
