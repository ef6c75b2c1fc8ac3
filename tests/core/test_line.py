from __future__ import annotations

from typing import Any

from windmill.core.documents import Document
from windmill.core.line import Place, count, line, place


def waits(job: str, group: str = "") -> Document:
    return {"job": job, "execution": job[-1] * 16, "since": None, "group": group}


def told(*waiting: Document, **facts: Any) -> Document:
    known: Document = {"running": 8, "max_running": 8, "groups": {}, "groups_taken": {}, "waiting": list(waiting)}
    return known | facts


def places(scheduler: Document) -> list[tuple[str, int, str, int, int]]:
    return [(one.job, one.number, one.group, one.taken, one.cap) for one in line(scheduler)]


def test_who_waits_stands_in_line_for_the_places_of_the_home() -> None:
    assert places(told(waits("p/a"), waits("p/b"))) == [("p/a", 1, "", 8, 8), ("p/b", 2, "", 8, 8)]


def test_who_waits_for_a_group_stands_in_a_line_of_its_own() -> None:
    scheduler = told(
        waits("p/a", "warehouse"),
        waits("p/b"),
        waits("p/c", "warehouse"),
        groups={"warehouse": 1},
        groups_taken={"warehouse": 1},
    )
    assert places(scheduler) == [("p/a", 1, "warehouse", 1, 1), ("p/b", 1, "", 8, 8), ("p/c", 2, "warehouse", 1, 1)]


def test_a_group_with_room_is_no_reason_to_wait() -> None:
    scheduler = told(waits("p/a", "warehouse"), groups={"warehouse": 2}, groups_taken={"warehouse": 1})
    assert places(scheduler) == [("p/a", 1, "", 8, 8)]


def test_a_place_is_found_by_its_execution() -> None:
    scheduler = told(waits("p/a"), waits("p/b"))
    assert place(scheduler, "b" * 16) == Place("b" * 16, "p/b", None, 2, "", 8, 8)
    assert place(scheduler, "0" * 16) is None


def test_nothing_is_known_of_a_scheduler_that_said_nothing() -> None:
    assert list(line(None)) == []


def test_those_that_are_not_named_count() -> None:
    assert (count(told(waits("p/a"), waiting_count=7)), count(told(waits("p/a"))), count({})) == (7, 1, 0)
