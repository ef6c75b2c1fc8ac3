"""What the scheduler tells about itself: documents of jobs, of the catalog and of its own health."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Final, Protocol

from windmill.core.admit import Waiting
from windmill.core.definition import definition
from windmill.core.documents import Document, to_text
from windmill.core.errors import Problem
from windmill.core.model import Catalog, is_system
from windmill.core.state import state_to_document
from windmill.scheduler.perform import Performer
from windmill.scheduler.table import Entry, Table

log = logging.getLogger("windmill.scheduler")

WAITING_TOLD: Final = 100


class Outbox(Protocol):
    """Where documents are left; never blocks."""

    def put(
        self,
        *,
        jobs: Iterable[Document] = (),
        status: dict[str, Document] | None = None,
        answers: Iterable[Document] = (),
    ) -> None:
        """Keep the documents until they are stored; the latest of a name wins."""

    def wake(self) -> None:
        """Say that the journal has something new."""

    def backlog(self) -> Document:
        """Return what waits to be stored, and since when the store is away."""


class Report:
    """Turns the loop's values into documents.

    `facts` are those that never change: pid, host, version, start; `also` gives further ones of now.
    """

    def __init__(
        self,
        outbox: Outbox,
        table: Table,
        performer: Performer,
        *,
        clock: Callable[[], datetime],
        facts: Document,
        also: Callable[[], Document] = dict,
    ) -> None:
        self._outbox, self._table, self._performer = outbox, table, performer
        self._clock = clock
        self._facts, self._also = facts, also
        self._stale: frozenset[str] = frozenset()
        self._told: frozenset[Problem] = frozenset()
        self._catalog: Catalog | None = None
        self.removed: Mapping[str, Mapping[str, str]] = {}  # by job: the commit that took its file away
        self.wake = outbox.wake

    def heartbeat(self, *, left: bool = False) -> None:
        """Say that the scheduler lives, and how it is; `left` says that it ends with this."""
        waiting = self._performer.waiting
        retries = [
            {"job": retry.of.job, "at": to_text(retry.at), "attempt": retry.of.attempt + 1, "of": retry.of.id}
            for retry in (entry.state.retry for entry in self._table)
            if retry is not None
        ]
        self._outbox.put(
            status={
                "scheduler": {
                    "id": "scheduler",
                    **self._facts,
                    "at": to_text(self._clock()),
                    "left": left,
                    "running": len(self._performer.running),
                    "max_running": self._performer.caps.max_running,
                    "groups": dict(self._performer.caps.groups),
                    "groups_taken": self._taken(),
                    "groups_waiting": dict(Counter(one.group for one in waiting if one.group)),
                    "waiting": [self._waits(one) for one in waiting[:WAITING_TOLD]],
                    "waiting_count": len(waiting),
                    "retries": retries[:100],
                    "backlog": self._outbox.backlog(),
                    **self._also(),
                }
            }
        )

    def _taken(self) -> dict[str, int]:
        """Return how many run of each group that has a cap."""
        jobs = (self._table.job(key) for key in self._performer.running.values())
        counts = Counter(job.group for job in jobs if job is not None)
        return {group: counts[group] for group in self._performer.caps.groups}

    def summary(self) -> str:
        """Return how the scheduler is, in a line for people."""
        if self._catalog is None:
            return "reading the files"
        jobs, problems = _jobs(self._catalog), len(self._catalog.problems)
        running, waiting = len(self._performer.running), len(self._performer.waiting)
        return f"jobs: {jobs}, running: {running}, waiting: {waiting}, problems: {problems}"

    def _waits(self, waiting: Waiting) -> Document:
        execution = self._table[waiting.job].state.open
        since = to_text(execution.slot or execution.queued_at) if execution else None
        return {"job": waiting.job, "execution": waiting.id, "since": since, "group": waiting.group}

    def catalog(self, catalog: Catalog, now: datetime) -> None:
        """Say what was read and what is wrong with it."""
        self._catalog = catalog
        for key in self._stale ^ catalog.stale:
            if key in self._table:
                self._outbox.put(jobs=[self._document(self._table[key], stale=key in catalog.stale)])
        self._stale = catalog.stale
        self._tell(catalog)
        self._outbox.put(
            status={
                "catalog": {
                    "id": "catalog",
                    "at": to_text(now),
                    "files": catalog.files,
                    "problems": [asdict(problem) for problem in catalog.problems[:1000]],
                    "stale": sorted(catalog.stale),
                    "unreadable": catalog.unreadable,
                }
            }
        )

    def everything(self, now: datetime) -> None:
        """Say again what the jobs are and what was read."""
        for entry in self._table:
            self.job(entry)
        if self._catalog is not None:
            self.catalog(self._catalog, now)

    def _tell(self, catalog: Catalog) -> None:
        log.info("jobs: %d, problems: %d", _jobs(catalog), len(catalog.problems), extra={"event": "catalog.read"})
        for problem in catalog.problems[:100]:
            if problem not in self._told:
                log.warning("%s", problem, extra={"event": "catalog.problem"})
        self._told = frozenset(catalog.problems[:100])

    def job(self, entry: Entry) -> None:
        """Tell what the job is now."""
        self._outbox.put(jobs=[self._document(entry, stale=entry.state.key in self._stale)])

    def counted(self, entry: Entry) -> None:
        """Tell how often the job has started, where that decides whether it starts again."""
        job = entry.definition.job
        if job is not None and job.schedule is not None and job.schedule.max_runs is not None:
            self.job(entry)

    def _document(self, entry: Entry, *, stale: bool) -> Document:
        state, job = entry.state, entry.definition.job
        known = state_to_document(state)
        project, _, name = state.key.partition("/")
        gone = {"id": state.key, "project": project, "name": name, "deleted": True}  # the store keeps the rest
        if removal := self.removed.get(state.key):
            gone["removed"] = dict(removal)
        return (definition(job, stale=stale) if job else gone) | {
            "first_seen": known["first_seen"],
            "covered": known["covered"],
            "runs": state.runs,
            "paused": known.get("paused"),
        }


def _jobs(catalog: Catalog) -> int:
    """Return how many jobs people have."""
    return sum(not is_system(key) for key in catalog.jobs)
