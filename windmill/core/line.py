"""Where an execution that waits for a place stands, by what the scheduler last said of itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from windmill.core.documents import Document


class Place(NamedTuple):
    """`number` counts from 1 those that wait for the same; `group` is "" where all places of the home are taken.

    `taken` of `cap` places are; where fewer are, it starts any moment.
    """

    execution: str
    job: str
    since: str | None
    number: int
    group: str
    taken: int
    cap: int


def line(scheduler: Document | None) -> Iterator[Place]:
    """Yield those that wait, in order, as far as the scheduler names them.

    Who waits for a place in a group does not stand in the way of those that wait for any place at all.
    """
    told = scheduler or {}
    most, running = told.get("max_running") or 0, told.get("running", 0)
    caps, taken = told.get("groups", {}), told.get("groups_taken", {})
    before: dict[str, int] = {}
    for one in told.get("waiting", ()):
        group = one.get("group", "")
        held = group if group in caps and taken.get(group, 0) >= caps[group] else ""
        before[held] = before.get(held, 0) + 1
        yield Place(
            execution=one["execution"],
            job=one["job"],
            since=one.get("since"),
            number=before[held],
            group=held,
            taken=taken.get(held, 0) if held else running,
            cap=caps[held] if held else most,
        )


def groups(scheduler: Document) -> list[tuple[str, int, int]]:
    """Return the groups that have a cap, by name, with how many of each run and may run."""
    taken = scheduler.get("groups_taken", {})
    return [(name, taken.get(name, 0), cap) for name, cap in sorted(scheduler.get("groups", {}).items())]


def place(scheduler: Document | None, execution: str) -> Place | None:
    """Return where the execution stands, None where the scheduler does not tell."""
    return next((one for one in line(scheduler) if one.execution == execution), None)


def count(scheduler: Document) -> int:
    """Return how many wait for a place, those that the scheduler does not name included."""
    return int(scheduler.get("waiting_count", len(scheduler.get("waiting", ()))))


def by_execution(places: Iterable[Place]) -> dict[str, Place]:
    """Return the places by the execution's id."""
    return {one.execution: one for one in places}
