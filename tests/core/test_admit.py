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


def test_a_group_has_no_more_places_than_its_cap_leaves() -> None:
    queue = Queue()
    for number in range(3):
        queue.add(waiting(number), group="warehouse")
    queue.add(waiting(3))
    assert queue.take(9, {"warehouse": 1}) == ["dw/j0", "dw/j3"]
    assert queue.take(9, {"warehouse": 0}) == queue.take(9, {"warehouse": -1}) == []
    assert queue.take(9, {"warehouse": 5}) == ["dw/j1", "dw/j2"]


def test_a_full_group_lets_others_pass() -> None:
    queue = Queue()
    queue.add(waiting(1), group="warehouse")
    queue.add(waiting(2, minutes=9), group="mail")
    assert queue.take(1, {"warehouse": 0, "mail": 1}) == ["dw/j2"]


def test_a_group_without_a_cap_has_room() -> None:
    queue = Queue()
    queue.add(waiting(1), group="unknown")
    assert queue.take(1, {"warehouse": 0}) == ["dw/j1"]


def test_a_point_of_priority_is_worth_a_minute_of_waiting() -> None:
    queue = Queue()
    queue.add(waiting(1))
    queue.add(waiting(2, minutes=5), priority=6)
    queue.add(waiting(3), priority=-1)
    assert queue.take(9) == ["dw/j2", "dw/j1", "dw/j3"]


def test_what_is_added_again_waits_where_it_says_now() -> None:
    queue = Queue()
    queue.add(waiting(1), group="warehouse")
    queue.add(waiting(1), group="mail", priority=1)
    assert (len(queue), queue.line()[0].group) == (1, "mail")
    assert queue.take(1, {"mail": 0}) == []
    queue.add(waiting(1), group="warehouse")
    assert queue.take(9, {"warehouse": 1}) == ["dw/j1"]


@given(
    turns=st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.integers(-100, 100)), max_size=4),
            st.integers(0, 3),
            st.fixed_dictionaries({"a": st.integers(-1, 2), "b": st.integers(0, 1)}),
        ),
        max_size=40,
    )
)
def test_nothing_that_had_room_is_overtaken_by_what_came_two_hundred_minutes_later(
    turns: list[tuple[list[tuple[str, int]], int, dict[str, int]]],
) -> None:
    queue, number, waits = Queue(), 0, dict[str, tuple[int, str]]()
    for turn, (coming, places, room) in enumerate(turns):
        for group, priority in coming:
            number += 1
            queue.add(waiting(number, minutes=turn * 50), group=group, priority=priority)
            waits[f"dw/j{number}"] = (turn * 50, group)
        taken = queue.take(places, room)
        assert len(taken) <= places
        left = room | {"": places}
        for job in taken:
            left[waits[job][1]] -= 1
        newest = max((waits.pop(job)[0] for job in taken), default=None)
        if newest is not None and len(taken) == places:
            stayed = [since for since, group in waits.values() if left[group] > 0]
            assert all(since >= newest - 200 for since in stayed)


@given(
    patient=st.tuples(st.sampled_from(["", "a"]), st.integers(-100, 100)),
    rivals=st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.integers(-100, 100)), min_size=1, max_size=6),
    places=st.integers(1, 3),
)
def test_whoever_waits_starts_however_many_come_later_and_however_urgent(
    patient: tuple[str, int], rivals: list[tuple[str, int]], places: int
) -> None:
    queue = Queue()
    queue.add(waiting(0), group=patient[0], priority=patient[1])
    for minute in range(250):  # each minute more come than there are places, for ever
        for number, (group, priority) in enumerate(rivals * 2):
            queue.add(waiting(1000 * (minute + 1) + number, minutes=minute), group=group, priority=priority)
        if "dw/j0" in queue.take(places, {"a": 1, "b": 1}):
            return
    # Nothing that comes from now on goes before it: what does is finite, and known.
    before = [one for one in queue.line() if one.rank <= T0 - patient[1] * MINUTE]
    for number, (group, priority) in enumerate(rivals * 2):
        queue.add(waiting(number + 1, minutes=250), group=group, priority=priority)
    assert "dw/j0" in queue.take(len(before))
