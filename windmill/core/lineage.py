"""A job among those before and those after it, by the documents of jobs and executions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES, TERMINAL, Cause, When, execution_id
from windmill.core.ports import ExecutionFilter, Store

DEEP: Final = 20  # levels in either direction
MANY: Final = 40  # jobs that are named
LOOKED_AT: Final = 50  # executions of a job among which the one that followed is looked for
FOLLOWERS: Final = 20  # jobs whose executions are looked for

Edges = Mapping[str, Iterable[str]]


@dataclass(frozen=True, slots=True)
class Lineage:
    """The jobs by level, those that come first first; `present` is the place of the level of the job itself.

    A job stands right behind the last of those it comes after. `more` are not named.
    """

    levels: Sequence[Sequence[str]]
    present: int
    more: int

    def __bool__(self) -> bool:
        return len(self.levels) > 1

    @property
    def jobs(self) -> Iterator[str]:
        """All that are named."""
        return (job for level in self.levels for job in level)


def lineage(key: str, jobs: Iterable[Document]) -> Lineage:
    """Return where the job stands; also jobs that others name and that are not there have their place."""
    above = {job["id"]: [one["job"] for one in job.get("after", ())] for job in jobs}
    below: dict[str, list[str]] = {}
    for job, named in above.items():
        for one in named:
            below.setdefault(one, []).append(job)
    after = _distances(key, below)
    before = {job: far for job, far in _distances(key, above).items() if job not in after}
    place = {**_from_the_first(before, above), **after}
    near = sorted([(far, job) for job, far in (before | after).items()])
    levels: dict[int, list[str]] = {0: [key]}
    for _, job in near[:MANY]:
        levels.setdefault(place[job], []).append(job)
    ordered = sorted(levels)
    return Lineage([sorted(levels[level]) for level in ordered], ordered.index(0), max(len(near) - MANY, 0))


def followers(key: str, jobs: Iterable[Document]) -> list[str]:
    """Return the jobs that come right after the job, by key."""
    return [job["id"] for job in jobs if any(one["job"] == key for one in job.get("after", ()))]


def followed(store: Store, execution: Document, jobs: Iterable[Document]) -> list[Document]:
    """Return the executions, or slots left out, of the jobs right after its own that answered to this one."""
    if execution["state"] not in TERMINAL:
        return []
    job, identity, found = execution["job"], execution["id"], list[Document]()
    after = [one for one in jobs if any(above["job"] == job for above in one.get("after", ()))][:FOLLOWERS]
    direct = {execution_id(one["id"], cause=Cause.AFTER, what=identity): one["id"] for one in after}
    found += store.named(list(direct)).values()  # that of a job that comes after this one only
    for one in after:
        if len(one["after"]) > 1:
            since = from_text(execution["ended_at"] or execution["queued_at"])
            page = store.executions(ExecutionFilter(job=one["id"], since=since), limit=LOOKED_AT)
            found += (follower for follower in page.items if follower.get("after", {}).get(job) == identity)
    return sorted({one["id"]: one for one in found}.values(), key=lambda one: (one["job"], one["queued_at"]))


def taken(store: Store, key: str) -> Mapping[str, str]:
    """Return the executions whose ends the job answered to last, by the key of their job."""
    page = store.executions(ExecutionFilter(job=key, triggers=frozenset({Cause.AFTER})), limit=1)
    return page.items[0].get("after", {}) if page.items else {}


def awaited(
    job: Document, newest: Mapping[str, Document], answered: Mapping[str, str], retried: Sequence[str] = ()
) -> list[str]:
    """Return the jobs whose end a job without a schedule waits for now, by the `newest` execution of each.

    `answered` is what it has `taken`; `retried` are the jobs whose failure is to be tried again, and so is no end
    yet. What ended before the job was there is none for it.
    """
    found, seen = list[str](), job.get("first_seen") or ""
    for above in job.get("after", ()):
        last, key = newest.get(above["job"]), above["job"]
        before = key not in answered and last is not None and (last["ended_at"] or last["queued_at"]) <= seen
        if before or key in retried or not _arrived(above, last, answered.get(key)):
            found.append(key)
    return found


def _arrived(above: Document, last: Document | None, answered: str | None) -> bool:
    if last is None or last["state"] not in TERMINAL:
        return False
    if above["when"] == When.FAILURE and last["state"] not in FAILURES:
        return False
    return bool(answered != last["id"])


def _from_the_first(before: Mapping[str, int], above: Edges) -> dict[str, int]:
    """Return the levels, all below 0, of the jobs before, by how far each stands from the job at most."""
    place: dict[str, int] = {}
    for job in sorted(before, key=lambda job: -before[job]):
        behind = [place[one] + 1 for one in above.get(job, ()) if one in place]
        place[job] = min(max(behind, default=-max(before.values())), -1)
    return place


def _distances(key: str, edges: Edges) -> dict[str, int]:
    """Return how long the longest way to every other job is, by an edge a step."""
    found: dict[str, int] = {}
    reached = {key}
    for far in range(1, DEEP + 1):
        reached = {job for one in reached for job in edges.get(one, ())} - {key}
        found |= dict.fromkeys(reached, far)
    return found
