"""When a job, described by its document, is due next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from windmill.core.documents import Document, from_text
from windmill.core.errors import WindmillError
from windmill.core.model import Schedule
from windmill.core.triggers import trigger_for


def slot_after(schedule: Schedule | None, job: Document, instant: datetime) -> datetime | None:
    """Return the first slot of the job after the instant, None where there is none, or none that can be."""
    if schedule is None:
        return None
    try:
        trigger = trigger_for(schedule, key=job["id"], first_seen=from_text(job["first_seen"]) or instant)
        return trigger.next_after(instant)
    except WindmillError:
        return None


def upcoming(schedule: Schedule | None, job: Document, now: datetime) -> Iterator[datetime]:
    """Yield the instants at which the job is due from now on; none while it is disabled or paused without end.

    Raises WindmillError for a schedule that cannot be.
    """
    pause = job["paused"]
    if schedule is None or not job["enabled"] or (pause and not pause["until"]):
        return
    known = [from_text(job["covered"]), from_text(pause["until"]) if pause else None]
    after = max([now, *filter(None, known)])
    trigger = trigger_for(schedule, key=job["id"], first_seen=from_text(job["first_seen"]) or now)
    left = None if schedule.max_runs is None else max(schedule.max_runs - job["runs"], 0)
    due = trigger.next_after(after)
    for _ in islice(iter(int, 1), left):
        if due is None:
            return
        yield due
        due = trigger.next_after(due)
