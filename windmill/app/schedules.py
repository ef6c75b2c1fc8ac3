"""When a job is due, read again from its document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from windmill.app.home import Home
from windmill.core.documents import Document
from windmill.core.errors import WindmillError
from windmill.core.model import Schedule
from windmill.jobs.spec import job_from_document

KEPT: Final = 20_000


def schedule_of(home: Home, job: Document) -> Schedule | None:
    """Return when the job is due; None for one that is started by hand only.

    Only the schedule is of interest: the code may be gone, and is not looked at. Raises WindmillError.
    """
    written = job["document"].get("schedule")
    if written is None:
        return None
    return job_from_document(
        {"entry_point": "-m job", "schedule": written},
        file=job["file"],
        stem=job["name"],
        timezone=home.settings.timezone,
        defaults={},
        projects={job["project"]: home.root},
    ).schedule


def schedules_of(home: Home) -> Callable[[Document], Schedule | None]:
    """Return what answers by what schedule a job, by its document, is due; it reads every definition once."""
    known: dict[str, Schedule | None] = {}  # by the digest of the job

    def schedule(job: Document) -> Schedule | None:
        if len(known) > KEPT:
            known.clear()
        if job["digest"] not in known:
            try:
                known[job["digest"]] = schedule_of(home, job)
            except WindmillError:  # a definition that a newer version recorded
                known[job["digest"]] = None
        return known[job["digest"]]

    return schedule
