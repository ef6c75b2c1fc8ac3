"""All jobs, as lists show them: read again, whole, only when the store says that one has changed.

Thousands of documents take longer to read than a page may take to appear, and change seldom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, cast

from flask import Flask, current_app

from windmill.core.documents import Document
from windmill.core.ports import Store
from windmill.dashboard.context import facts, now, store

_KEY: Final = "windmill.catalog"


class _Read(NamedTuple):
    """The jobs as they were at a revision."""

    revision: str
    jobs: Sequence[Document]


class _Due(NamedTuple):
    """When a job, as its document was, is due next, asked at some instant."""

    job: Document
    asked: datetime
    at: datetime | None


class _Known:
    """What this process has read and found out; threads may do the same work twice, never half of it."""

    def __init__(self) -> None:
        self.read: _Read | None = None
        self.due: dict[str, _Due] = {}


def install(app: Flask) -> None:
    """Let the application remember jobs."""
    app.extensions[_KEY] = _Known()


def all_jobs() -> Sequence[Document]:
    """Return every job by id, also those that are gone and the system's. Nobody changes these documents.

    Of what a job's file says (`document`) there is no more than the schedule. Raises Unavailable.
    """
    known, read = _known(), store()
    revision = (read.status("jobs") or {}).get("revision")  # before the jobs: what changes meanwhile is read again
    if known.read is None or known.read.revision != revision:
        found = _lean(read)
        if revision is None:  # as an older version left it: nobody would tell of a change
            return found
        known.read = _Read(revision, found)
        known.due = {job["id"]: known.due[job["id"]] for job in found if job["id"] in known.due}
    return known.read.jobs


def jobs() -> list[Document]:
    """Return the jobs that people have now, by id; see `all_jobs`."""
    return [job for job in all_jobs() if not (job.get("deleted") or job.get("system"))]


def latest(jobs: Sequence[Document]) -> dict[str, Document]:
    """Return {id, state, queued_at, duration_ms} of the last execution of each job that has one, by job key."""
    return {key: last for key, (last,) in store().recent([job["id"] for job in jobs], limit=1).items()}


def next_start(job: Document) -> datetime | None:
    """Return when the job of `jobs` is due next; found out again when that has passed, or the job has changed."""
    return next((at for at, _ in due_next([job])), None)


def due_next(jobs: Iterable[Document]) -> Iterator[tuple[datetime, Document]]:
    """Yield those of the jobs that are due at all, each with when that is next; see `next_start`."""
    due, instant, starts = _known().due, now(), facts().starts
    for job in jobs:
        known = due.get(job["id"])
        if known is None or not _still(known, job, instant):
            known = due[job["id"]] = _Due(job, instant, next(iter(starts(job, instant)), None))
        if known.at is not None:
            yield known.at, job


def _still(known: _Due, job: Document, instant: datetime) -> bool:
    same = known.job is job or known.job == job
    return same and known.asked <= instant and (known.at is None or instant < known.at)


def _lean(read: Store) -> Sequence[Document]:
    return tuple(
        {**job, "document": {"schedule": job["document"].get("schedule")}} if "document" in job else job
        for job in read.jobs()
    )


def _known() -> _Known:
    return cast(_Known, current_app.extensions[_KEY])
