"""Looks at the store again and again, and finds what people want to hear of.

What it knows is a document that is stored together with the messages that follow from it, so that a restart at any
instant loses none of them and finds none twice.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from windmill.alerts import rules
from windmill.alerts.home import HomeWatch
from windmill.alerts.reading import Cursor, ended_since, last_success, newest_slot
from windmill.alerts.rules import Alert, Memory, Wanted
from windmill.core.documents import Document, from_document, from_text
from windmill.core.model import Execution, State
from windmill.core.ports import Store

USUAL_FROM: Final = 3  # successes before a duration is called usual
USUAL_OF: Final = 20  # the last executions
RECORDED: Final = timedelta(seconds=2)  # after which a start is in the store

Found = tuple[Alert, tuple[str, ...]]  # and the channels that are to hear of it
Due = Callable[[Document, datetime], datetime | None]  # a job's first slot after an instant


class Watch:
    """`due` answers when a job, by its document, has a slot. Made from the document it wrote, or for a beginning."""

    def __init__(self, known: Document | None, now: datetime, *, due: Due) -> None:
        self._due = due
        self._cursor = Cursor.from_document(known["cursor"]) if known else Cursor(until=now)
        self._memory = {one["job"]: rules.memory_from_document(one) for one in (known or {}).get("jobs", ())}
        self._home = HomeWatch((known or {}).get("home", []))
        self._revision: str | None = None
        self._jobs: dict[str, tuple[Wanted, Document]] = {}
        self._expecting: list[tuple[Wanted, Document]] = []
        self._next: dict[str, datetime | None] = {}  # by job: its first slot that may not have been started
        self._succeeded: dict[str, datetime] = {}
        self._hold: datetime | None = None

    def to_document(self) -> Document:
        """Return what is to be remembered."""
        jobs = [{"job": job} | rules.memory_to_document(known) for job, known in self._memory.items() if known]
        return {"cursor": self._cursor.to_document(), "jobs": jobs, "home": self._home.to_document()}

    def store_away(self) -> None:
        """Take note that the store did not answer: what happened meanwhile may come late, and in no order."""
        self._hold = self._hold or self._cursor.until

    def look(self, store: Store, now: datetime, *, home_channels: Sequence[str]) -> list[Found]:
        """Return what is new, oldest first; the caller stores it together with `to_document`. Raises Unavailable."""
        self._read_jobs(store)
        beat, projects = store.status("scheduler"), store.status("projects")
        self._hold = held(self._hold, beat)
        running = {one["id"]: one for one in store.open_executions()}
        ended, cursor = ended_since(
            store,
            self._cursor,
            jobs=frozenset(self._jobs),
            lost=bool(home_channels),
            running=running,
            now=now,
            hold=self._hold,
        )
        memory = dict(self._memory)
        found = list(self._of_ended(store, ended, memory, tuple(home_channels)))
        if self._hold is None and cursor.until + timedelta(minutes=1) > now and self._home.hears(beat, now):
            by_job = {one["job"]: one for one in running.values() if one["state"] == State.RUNNING}
            for wanted, job in self._expecting:
                if not _halted(job, now):
                    found += self._of_now(store, wanted, job, memory=memory, running=by_job.get(job["id"]), now=now)
        found += [(alert, tuple(home_channels)) for alert in self._home.look(beat, projects, now)]
        self._memory = {job: known for job, known in memory.items() if known and job in self._jobs}
        self._cursor = cursor
        return found

    def _read_jobs(self, store: Store) -> None:
        """Read the jobs that somebody wants to hear of, where one of them may have changed."""
        told = store.status("jobs")
        revision = str(told["revision"]) if told else ""
        if revision == self._revision:
            return
        known = {job["id"]: (rules.wanted_of(job), job) for job in store.jobs() if not job.get("deleted")}
        self._jobs = {job: one for job, one in known.items() if one[0].channels}
        self._expecting = [one for one in self._jobs.values() if one[0].expects]
        self._next.clear()
        self._succeeded.clear()
        self._revision = revision

    def _of_ended(
        self, store: Store, ended: list[Document], memory: dict[str, Memory], home_channels: tuple[str, ...]
    ) -> Iterator[Found]:
        for one in ended:
            execution = from_document(one)
            wanted = self._jobs[one["job"]][0] if one["job"] in self._jobs else Wanted()
            if one["state"] == State.LOST and home_channels:
                yield rules.lost(execution), tuple(name for name in home_channels if name not in wanted.on_failure)
            if one["job"] not in self._jobs:
                continue
            if one["state"] == State.SUCCEEDED and execution.ended_at:
                self._succeeded[one["job"]] = execution.ended_at
            usual = _usual(store, execution) if wanted.slower_than is not None else None
            memory[one["job"]], alerts = rules.at_end(
                wanted, memory.get(one["job"], Memory()), execution, usual=usual
            )
            yield from ((alert, wanted.told(alert.rule)) for alert in alerts)

    def _of_now(
        self,
        store: Store,
        wanted: Wanted,
        job: Document,
        *,
        memory: dict[str, Memory],
        running: Document | None,
        now: datetime,
    ) -> list[Found]:
        execution = from_document(running) if running else None
        slow = execution is not None and wanted.slower_than is not None
        memory[job["id"]], alerts = rules.at_instant(
            wanted,
            memory.get(job["id"], Memory()),
            job["id"],
            now,
            due=self._not_started(store, job, now - RECORDED - wanted.late_after) if wanted.late_after else None,
            succeeded_at=self._success(store, job) if wanted.max_age else None,
            running=execution,
            usual=_usual(store, execution) if slow and execution else None,
        )
        return [(alert, wanted.told(alert.rule)) for alert in alerts]

    def _not_started(self, store: Store, job: Document, before: datetime) -> datetime | None:
        """Return the oldest slot up to `before` that was not started, None where all were or are settled."""
        key = job["id"]
        if key in self._next and ((due := self._next[key]) is None or due > before):
            return None
        newest = newest_slot(store, key)
        if newest and newest["state"] == State.QUEUED:
            due = self._next[key] = from_text(newest["coalesced_from"] or newest["slot"])
        else:
            known = [from_text(job["covered"]), rules.settled_by(newest) if newest else None]
            due = self._next[key] = self._due(job, max(filter(None, known)))
        return due if due is not None and due <= before else None

    def _success(self, store: Store, job: Document) -> datetime | None:
        if job["id"] not in self._succeeded:
            succeeded_at = last_success(store, job["id"]) or from_text(job["first_seen"])
            if succeeded_at is not None:
                self._succeeded[job["id"]] = succeeded_at
        return self._succeeded.get(job["id"])


def held(hold: datetime | None, beat: Document | None) -> datetime | None:
    """Return the instant from which on records may be missing in the store, None where none are.

    It is that at which the store went away first, until nothing of that time waits in the journal.
    """
    backlog = (beat or {}).get("backlog") or {}
    if away_since := from_text(backlog.get("away_since")):
        return min(away_since, hold or away_since)
    return hold if backlog.get("bytes") else None


def _halted(job: Document, now: datetime) -> bool:
    pause = job.get("paused")
    until = from_text(pause["until"]) if pause else None
    return not job["enabled"] or bool(pause and (until is None or until > now))


def _usual(store: Store, execution: Execution) -> timedelta | None:
    """Return the median duration of the successes before the execution, None where they are too few to say."""
    recent = store.recent([execution.job], limit=USUAL_OF + 1).get(execution.job, [])
    lengths = [
        one["duration_ms"]
        for one in recent
        if one["state"] == State.SUCCEEDED and one["duration_ms"] is not None and one["id"] != execution.id
    ]
    return timedelta(milliseconds=statistics.median(lengths)) if len(lengths) >= USUAL_FROM else None
