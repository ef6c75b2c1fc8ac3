"""`jobs` and `next`: what is wanted, and when it starts."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import rich_click as click

from windmill.app.upcoming import upcoming
from windmill.cli.known import complete_job, known_jobs, schedule_of, wanted_key
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.tables import Column, show
from windmill.cli.text import STATE_STYLES, local, one_line, relative, state_word
from windmill.core.documents import Document, from_text, to_text
from windmill.core.zones import zone


@click.command(cls=Verb)
@click.pass_obj
def jobs(session: Session) -> None:
    """List all jobs: when they start next, and how their last execution went.

    Examples:
        windmill jobs
        windmill jobs --json

    Flags: disabled in its file; paused by a person; stale, its file is broken and the last good version is in effect.
    Piped, the columns are separated by tabs: id, next start, last state, last start, flags, schedule.
    """
    now, latest = session.now, session.store.latest_executions()
    rows = [_row(session, job, latest.get(job["id"]), now) for job in known_jobs(session)]
    columns = [
        Column(title="job", value=lambda row: row["id"]),
        Column(title="next", value=lambda row: row["next"], pretty=lambda row: _distance(row["next"], now)),
        Column(
            title="last",
            value=lambda row: row["state"],
            pretty=lambda row: state_word(row["state"] or ""),
            style=lambda row: STATE_STYLES.get(row["state"] or "", ""),
        ),
        Column(
            title="started", value=lambda row: row["started_at"], pretty=lambda row: _distance(row["started_at"], now)
        ),
        Column(title="flags", value=lambda row: " ".join(row["flags"]), style=lambda _: "yellow"),
        Column(
            title="schedule",
            value=lambda row: row["schedule_words"],
            pretty=lambda row: one_line(row["schedule_words"]),
        ),
    ]
    show(session, columns, rows, empty="no jobs; windmill validate says what is in jobs.d")


def _row(session: Session, job: Document, last: Document | None, now: datetime) -> Document:
    return job | {
        "next": to_text(next(upcoming(schedule_of(session, job), job, now), None)),
        "last": last,
        "state": last["state"] if last else None,
        "started_at": last["started_at"] if last else None,
        "flags": flags(job),
    }


def flags(job: Document) -> list[str]:
    """Return in one word each what sets the job apart from an ordinary one."""
    paused = job["paused"]
    marks = [
        ("disabled", not job["enabled"]),
        ("paused", paused is not None),
        ("stale", job["stale"]),
    ]
    return [word for word, set_ in marks if set_]


def _distance(text: str | None, now: datetime) -> str:
    instant = from_text(text)
    return relative(instant, now) if instant else ""


@click.command("next", cls=Verb)
@click.argument("job", required=False, shell_complete=complete_job)
@click.option("-n", "count", type=click.IntRange(min=1, max=10_000), default=10, show_default=True, help="How many.")
@click.pass_obj
def next_starts(session: Session, job: str | None, count: int) -> None:
    """List the next starts of all jobs, or of one.

    Examples:
        windmill next                 the next ten of all jobs
        windmill next nightly -n 3    of one job

    An instant here is when a job is due; if it still runs by then, its overrun rule decides.
    """
    now = session.now
    wanted = known_jobs(session)
    if job:
        key = wanted_key(session, job)
        wanted = [known for known in wanted if known["id"] == key]
    starts = heapq.merge(*(_starts(session, known, now) for known in wanted))
    rows: list[Document] = [
        {"job": key, "slot": to_text(instant), "timezone": timezone}
        for instant, key, timezone in islice(starts, count)
    ]
    columns = [
        Column(title="slot", value=lambda row: row["slot"], pretty=_on_the_wall),
        Column(title="job", value=lambda row: row["job"]),
        Column(title="in", value=lambda row: row["timezone"], pretty=lambda row: _distance(row["slot"], now)),
    ]
    show(session, columns, rows, empty="nothing is due: no enabled job has a schedule with a start left")


def _starts(session: Session, job: Document, now: datetime) -> Iterator[tuple[datetime, str, str]]:
    schedule = schedule_of(session, job)
    timezone = schedule.timezone if schedule else "UTC"
    return ((instant, job["id"], timezone) for instant in upcoming(schedule, job, now))


def _on_the_wall(row: Document) -> str:
    return local(datetime.fromisoformat(row["slot"]), zone(row["timezone"]))
