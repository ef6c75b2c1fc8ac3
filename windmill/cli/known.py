"""The jobs and executions of a home as documents, and which of them a person means."""

from __future__ import annotations

from pathlib import PurePath

import rich_click as click
from click.shell_completion import CompletionItem

from windmill.cli.naming import job_key
from windmill.cli.session import Session
from windmill.core.documents import Document, to_text
from windmill.core.errors import NotFound, WindmillError
from windmill.core.model import Schedule, is_system


def known_jobs(session: Session) -> list[Document]:
    """Return the wanted jobs by id: from the store while a scheduler keeps it current, else from the files."""
    if session.scheduler_alive and session.store.status("catalog") is not None:
        return [job for job in session.store.jobs() if not job["deleted"] and not is_system(job["id"])]
    return from_files(session)


def from_files(session: Session) -> list[Document]:
    """Return the jobs as their files say now, by id, with what the store remembers of them."""
    from windmill.core.definition import definition

    stored, catalog = {job["id"]: job for job in session.store.jobs()}, session.catalog
    fresh: Document = {"first_seen": to_text(session.now), "covered": None, "runs": 0, "paused": None}
    return [
        definition(job, stale=key in catalog.stale)
        | {name: stored.get(key, fresh).get(name, default) for name, default in fresh.items()}
        for key, job in sorted(catalog.jobs.items())
        if not is_system(key)
    ]


def schedule_of(session: Session, job: Document) -> Schedule | None:
    """Return when the job is due, read from its definition; None for one that is started by hand only."""
    from windmill.app.schedules import schedule_of as read

    return read(session.home, job)


def wanted_key(session: Session, name: str) -> str:
    """Return the key of the wanted job that `name` means. Raises NotFound or Refused in words."""
    names = [job["id"] for job in known_jobs(session)] if session.scheduler_alive else session.catalog.jobs
    try:
        return job_key(name, names)
    except NotFound as error:
        if file := _broken_file(session, name):
            raise NotFound(error.message, hint=f"{file} has a mistake: windmill problems says where") from None
        raise


def _broken_file(session: Session, name: str) -> str | None:
    """Return the file that would hold the job, by the habit of calling both the same, where it has an error."""
    files = (problem.file for problem in session.catalog.problems if problem.severity == "error")
    return next((file for file in files if PurePath(file).stem == name.rpartition("/")[2]), None)


def recorded_key(session: Session, name: str) -> str:
    """Return the key that `name` means among all jobs ever recorded, also removed ones, then the wanted ones."""
    try:
        return job_key(name, {job["id"] for job in session.store.jobs()} | session.store.latest_executions().keys())
    except NotFound:
        return wanted_key(session, name)


def find_execution(session: Session, given: str) -> Document | None:
    """Return the execution whose id begins with `given`, or None; a job's name is no beginning of an id.

    Raises Refused for several.
    """
    return None if not given or _is_job(session, given) else session.store.execution(given)


def _is_job(session: Session, given: str) -> bool:
    return any(given == job["name"] for job in session.store.jobs())


def execution_of(session: Session, given: str) -> Document:
    """Return the execution whose id begins with `given`, else the latest one of the job it names.

    A slot that was only skipped is none. Raises NotFound or Refused in words.
    """
    if (found := find_execution(session, given)) is not None:
        return found
    try:
        key = recorded_key(session, given)
    except NotFound as error:
        raise NotFound(f'no execution and no job is called "{given}"', hint=error.hint) from None
    latest = session.store.latest_executions().get(key)
    if latest is None:
        hint = f"windmill sync {key.partition('/')[0]}" if is_system(key) else f"windmill run {key}"
        raise NotFound(f"{key} has not run yet", hint=hint)
    return latest


def complete_job(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the jobs that `incomplete` begins, for the shell; nothing where the home cannot be read."""
    session = context.find_object(Session) or Session()
    try:
        jobs = known_jobs(session)
    except WindmillError:
        return []
    return [
        CompletionItem(job["id"], help=job["description"])
        for job in jobs
        if job["id"].startswith(incomplete) or job["name"].startswith(incomplete)
    ]
