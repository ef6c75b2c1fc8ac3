"""What every trigger promises. A test module runs each of PROPERTIES on an instance of each kind of trigger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from windmill.core.triggers import Trigger, slots

TICK = timedelta(milliseconds=1)


def next_is_strictly_later(trigger: Trigger, instant: datetime, other: datetime) -> None:
    due = trigger.next_after(instant)
    assert due is None or due > instant


def next_is_a_whole_millisecond_in_utc(trigger: Trigger, instant: datetime, other: datetime) -> None:
    due = trigger.next_after(instant)
    assert due is None or (due.tzinfo is UTC and due.microsecond % 1000 == 0)


def nothing_is_due_between_the_question_and_its_answer(trigger: Trigger, instant: datetime, other: datetime) -> None:
    due = trigger.next_after(instant)
    if due is None or instant <= other < due:
        assert trigger.next_after(max(instant, other)) == due


def an_instant_is_due_however_close_the_question(trigger: Trigger, instant: datetime, other: datetime) -> None:
    due = trigger.next_after(instant)
    assert due is None or trigger.next_after(due - TICK) == due


def a_later_question_has_no_earlier_answer(trigger: Trigger, instant: datetime, other: datetime) -> None:
    first, second = (trigger.next_after(question) for question in sorted((instant, other)))
    assert second is None or (first is not None and first <= second)


def slots_are_what_asking_again_and_again_finds(trigger: Trigger, instant: datetime, other: datetime) -> None:
    found = slots(trigger, after=instant, until=instant + timedelta(days=2), limit=20)
    asked = [instant, *found]
    assert all(trigger.next_after(before) == due for before, due in zip(asked, found, strict=False))


PROPERTIES = (
    next_is_strictly_later,
    next_is_a_whole_millisecond_in_utc,
    nothing_is_due_between_the_question_and_its_answer,
    an_instant_is_due_however_close_the_question,
    a_later_question_has_no_earlier_answer,
    slots_are_what_asking_again_and_again_finds,
)
