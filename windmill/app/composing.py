"""The composer's drafts, judged and placed by what holds for job files everywhere."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from windmill.app.entry_points import entry_points
from windmill.app.home import Home
from windmill.app.placing import digest_in, put
from windmill.app.reading import known_projects
from windmill.app.upcoming import upcoming
from windmill.app.uploads import take_in
from windmill.core.errors import Problem, Refused, WindmillError
from windmill.core.explain import in_words
from windmill.core.model import Job
from windmill.core.zones import zone
from windmill.dashboard.drafts import Checked, Finding, Listing, Record, Source
from windmill.jobs import spec, strict_yaml
from windmill.jobs.fields import NAME_PATTERN
from windmill.jobs.lint import lint
from windmill.jobs.scan import content_of
from windmill.projects.known import Kind, KnownProjects

STARTS: Final = 10
JOBS: Final = "jobs.d"
_WHOLE: Final = {"missing": "entry_point", "project": "project", "name": "name"}  # by code, of problems without a key


class HomeDrafts:
    """`dashboard.drafts.Drafts` of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._projects: KnownProjects | None = None

    def sources(self) -> list[Source]:
        """See Drafts."""
        return [
            Source(
                name=name,
                kind=str(project.kind),
                file=project.path.name if project.path and project.kind in (Kind.FILE, Kind.ARCHIVE) else "",
            )
            for name, project in self._known().all().items()
        ]

    def listing(self, project: str) -> Listing:
        """See Drafts."""
        path = self._known().paths().get(project)
        return Listing() if path is None else entry_points(path)

    def keys_of(self, text: str) -> tuple[Mapping[str, Any], list[Problem]]:
        """See Drafts."""
        documents, problems = strict_yaml.read(text.encode(), file="")
        if problems or not documents:
            return {}, problems
        data = documents[0].data
        if len(documents) > 1 or not isinstance(data, dict):
            return {}, [Problem(file="", message="not a mapping of keys", expected="lines such as  kill_grace: 10s")]
        return data, []

    def check(self, content: bytes, name: str, now: datetime) -> Checked:
        """See Drafts."""
        jobs, problems = self._read(content, name)
        documents, _ = strict_yaml.read(content, file="")
        document = documents[0] if documents else strict_yaml.Document()
        job = jobs[0] if len(jobs) == 1 else None
        problems += lint(job, now=now) if job else []
        findings = tuple(Finding(_path(document, problem), problem) for problem in problems)
        if job is None:
            return Checked(findings=findings)
        schedule = job.schedule
        return Checked(
            findings=findings,
            key=job.key,
            words=in_words(schedule) if schedule else "",
            starts=_starts(job, now),
        )

    def job_file(self, name: str) -> bytes | None:
        """See Drafts."""
        with suppress(OSError):
            path = self._home.root / JOBS / f"{name}.yaml"
            if _is_name(name) and stat.S_ISREG(path.lstat().st_mode):
                return content_of(path)
        return None

    def place(self, name: str, content: bytes, *, replaces: str, record: Record) -> None:
        """See Drafts."""
        if not _is_name(name):
            raise Refused(f"{name[:100]!r} cannot name a file of jobs.d/")
        jobs, problems = self._read(content, name)
        errors = [problem for problem in problems if problem.severity == "error"]
        if len(jobs) != 1 or errors:
            raise Refused("; ".join(map(str, errors)) or "a file of the composer holds one job")
        project = jobs[0].project
        if self._known().all()[project].kind is Kind.GIT:
            hint = f"commit it as jobs.d/{name}.yaml in the repository of {project}"
            raise Refused(f"{project} comes from git: its definitions change in git only", hint=hint)
        self._no_other_ending(name)
        file = f"{name}.yaml"

        def settle(before: str, after: str) -> None:
            record(f"{JOBS}/{file}", before, after)

        put(self._home.root / JOBS, file, BytesIO(content), replaces=replaces, settle=settle)

    def digest_of(self, file: str) -> str:
        """See Drafts."""
        path = self._home.root / "projects" / file
        with suppress(OSError, WindmillError):
            status = path.lstat()
            return _digest(path, status.st_mtime_ns, status.st_ino, status.st_size)
        return ""

    def upload(self, file: str, content: IO[bytes], *, replaces: str, record: Record) -> str:
        """See Drafts."""
        plain = file.replace("\\", "/").rpartition("/")[2]
        self._home.make_state()
        return take_in(
            self._home.root,
            self._home.state,
            plain,
            content,
            known=self._known().all,
            replaces=replaces,
            settle=lambda before, after: record(f"projects/{plain}", before, after),
        )

    def _known(self) -> KnownProjects:
        if self._projects is None:
            self._projects = known_projects(self._home)
        return self._projects

    def _read(self, content: bytes, name: str) -> tuple[list[Job], list[Problem]]:
        return spec.read(
            content,
            file=f"{JOBS}/{name}.yaml",
            stem=name,
            timezone=self._home.settings.timezone,
            defaults=self._home.settings.defaults,
            projects=self._known().paths(),
        )

    def _no_other_ending(self, name: str) -> None:
        other = self._home.root / JOBS / f"{name}.yml"
        if os.path.lexists(other):
            raise Refused(f"{JOBS}/{name}.yml is there already", hint="rename it to .yaml, or choose another name")


def _is_name(name: str) -> bool:
    return re.fullmatch(NAME_PATTERN, name) is not None


def _path(document: strict_yaml.Document, problem: Problem) -> tuple[str | int, ...]:
    """Return the key that the problem was found at."""
    place = (problem.line, problem.column)
    if place != document.place(()):
        for known in (document.places, document.keys):
            for path, its in known.items():
                if its == place:
                    return path
    whole = _WHOLE.get(problem.code)
    return (whole,) if whole else ()


def _starts(job: Job, now: datetime) -> tuple[datetime, ...]:
    if job.schedule is None:
        return ()
    new = {"id": job.key, "enabled": job.enabled, "paused": None, "covered": None, "first_seen": None, "runs": 0}
    place = zone(job.schedule.timezone)
    return tuple(at.astimezone(place) for at in islice(upcoming(job.schedule, new, now), STARTS))


@lru_cache(maxsize=1000)
def _digest(path: Path, *_status: int) -> str:
    return digest_in(path.parent, path.name)
