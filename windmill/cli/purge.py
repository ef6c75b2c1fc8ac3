"""`purge`: delete executions that need not be kept, now instead of little by little."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Final

import rich_click as click

from windmill.cli.known import complete_job, known_jobs
from windmill.cli.naming import job_key
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.tables import Column, show
from windmill.cli.text import count, size
from windmill.core.documents import Document
from windmill.core.model import Keep
from windmill.core.ports import Store
from windmill.core.retention import MAX_DAYS, MAX_RUNS, bounds, keep_of, kept_bytes
from windmill.scheduler.retention import keeps, remove_some

PAGE: Final = 1000
PAUSE_SECONDS: Final = 0.02  # between pieces, for a scheduler that waits to write
COLUMNS: Final = [
    Column(title="job", value=lambda row: row["job"]),
    Column(title="executions", value=lambda row: row["executions"], right=True),
    Column(title="output", value=lambda row: row["output_bytes"], pretty=lambda row: size(row["output_bytes"])),
    Column(title="oldest", value=lambda row: row["oldest"]),
    Column(title="newest", value=lambda row: row["newest"]),
]


@click.command(cls=Verb)
@click.argument("jobs", metavar="[JOB...]", nargs=-1, shell_complete=complete_job)
@click.option("--dry-run", is_flag=True, help="Delete nothing; say what would go.")
@click.option("--days", type=click.IntRange(1, MAX_DAYS), help="Keep so many days, whatever the jobs say.")
@click.option("--runs", type=click.IntRange(1, MAX_RUNS), help="Keep so many executions, whatever the jobs say.")
@click.pass_obj
def purge(session: Session, jobs: tuple[str, ...], *, dry_run: bool, days: int | None, runs: int | None) -> None:
    """Delete the executions, with their output, that a job's keep does not ask for; of all jobs when none is named.

    Examples:
        windmill purge --dry-run              what would go
        windmill purge                        what windmill up deletes within the hour, at once
        windmill purge nightly --runs 10      all of one job but the newest ten

    Each job's newest success and newest failure stay, and what has not ended. It works beside a running scheduler.
    Piped, the columns are separated by tabs: job, executions, output_bytes, oldest, newest.
    """
    given = {name: value for name, value in (("days", days), ("runs", runs)) if value is not None}
    now, total = session.now, {"executions": 0, "output_bytes": 0}
    with closing(session.home.store(readonly=dry_run)) as store:
        wanted = keeps(store) | {job["id"]: keep_of(job) for job in known_jobs(session)}
        chosen = dict.fromkeys([job_key(name, wanted) for name in jobs] or sorted(wanted))
        find = _would_go if dry_run else _go
        rows = (_row(job, find(store, job, replace(wanted[job], **given), now), total) for job in chosen)
        show(session, COLUMNS, filter(None, rows))
    done = "would delete" if dry_run else "deleted"
    session.say(f"{done} {count(total['executions'], 'execution')} with {size(total['output_bytes'])} of output")


def _would_go(store: Store, job: str, keep: Keep, now: datetime) -> Iterator[Document]:
    after = None
    while found := store.expired(job, **bounds(keep, now), after=after, limit=PAGE):
        yield from found
        after = found[-1]


def _go(store: Store, job: str, keep: Keep, now: datetime) -> Iterator[Document]:
    more = True
    while more:
        deleted, more = remove_some(store, job, keep, now)
        yield from deleted
        time.sleep(PAUSE_SECONDS if more or deleted else 0)


def _row(job: str, executions: Iterable[Document], total: dict[str, int]) -> Document | None:
    """Return what is to be said of the executions, which come oldest first; None when there are none."""
    row: Document = {"job": job, "executions": 0, "output_bytes": 0, "oldest": None, "newest": None}
    for one in executions:
        row["executions"] += 1
        row["output_bytes"] += kept_bytes(one) or 0
        row["oldest"], row["newest"] = row["oldest"] or one["queued_at"], one["queued_at"]
    for name in total:
        total[name] += row[name]
    return row if row["executions"] else None
