"""What an earlier execution ran, to be run again: the same code and environment, by the same definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from windmill.core.documents import Document
from windmill.core.errors import NotFound, Refused
from windmill.core.model import Job, Location
from windmill.core.state import Exact
from windmill.core.wishes import HEAD
from windmill.jobs.spec import job_from_document
from windmill.projects.known import Kind, KnownProjects, key_of


def reproduced(projects: KnownProjects, exact: Exact) -> tuple[Job, Location]:
    """Return the job as it was defined then, and where its code of then lies; nobody collects that for an hour.

    Raises NotFound when the code is not on disk, and WindmillError naming what of the definition does not hold.
    """
    definition = exact.definition
    key = str(definition["job"])
    project, _, name = key.partition("/")
    location = projects.locate_at(project, exact.revision)
    if exact.revision is not None:
        projects.keep(project, exact.revision)
    job = job_from_document(
        definition["document"],
        file=str(definition["file"]),
        stem=name,
        timezone="UTC",
        defaults={},
        projects={project: Path(location.root)},
    )
    if job.key != key:
        raise Refused(f"the definition is that of {job.key}, and not of {key}")
    return replace(job, digest=exact.digest), location


def missing(projects: KnownProjects, execution: Document) -> str:
    """Return the key of the revision that has to be made available again, "" where the code of then is on disk.

    Raises NotFound for code that nobody has any more.
    """
    name, revision = execution["job"].partition("/")[0], execution["revision"]
    try:
        projects.locate_at(name, revision)
    except NotFound as error:
        project = projects.all().get(name)
        if revision is None or project is None or project.kind not in (Kind.GIT, Kind.ARCHIVE):
            raise NotFound(error.message, hint=error.hint or HEAD) from None
        return key_of(revision)
    return ""
