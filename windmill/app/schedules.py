"""When a job is due, read again from its document."""

from __future__ import annotations

from windmill.app.home import Home
from windmill.core.documents import Document
from windmill.core.model import Schedule
from windmill.jobs.spec import job_from_document


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
