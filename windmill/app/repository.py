"""The job files of published revisions: which of them count, and at which revision each job is held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from windmill.core.errors import Problem, WindmillError
from windmill.core.model import Job
from windmill.jobs import spec
from windmill.jobs.claims import JobFile, settle
from windmill.jobs.excerpt import with_excerpts
from windmill.jobs.scan import content_of, reason, scan
from windmill.projects.published import Published, Revision

JOBS: Final = "jobs.d"
MOST_FILES: Final = 10_000  # of one revision
SHOWN: Final = 10  # digits of a revision's key


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The jobs a project's published state wants, by key; `held` names the older revision a job is kept at.

    `good` tells for every job file of the newest revision, and every broken one, in which revision it was good.
    """

    jobs: Mapping[str, Job]
    problems: tuple[Problem, ...]
    held: Mapping[str, str]
    good: Mapping[str, str]
    files: int
    complete: bool = True  # False while a file could not be read
    broken: tuple[str, ...] = ()  # files with a mistake that never were good


class Repository:
    """Reads job files out of revisions, each once: a revision never changes. `lint` returns warnings about a job,
    `show` how people know the file of this name below jobs.d.
    """

    def __init__(
        self,
        *,
        timezone: str,
        defaults: Mapping[str, Any],
        lint: Callable[[Job], list[Problem]] | None = None,
        show: Callable[[str, Revision, str], str] | None = None,
    ) -> None:
        self._timezone, self._defaults, self._lint = timezone, defaults, lint
        self._show = show or shown
        self._read: dict[tuple[str, str], dict[str, JobFile]] = {}

    def settled(self, known: Published, newest: Revision) -> Settled:
        """Return what `newest` makes of the project; a file that is broken in it keeps its last good revision."""
        before = {
            file: (key, self._of(known, key).get(file)) for file, key in known.good.items() if key in known.revisions
        }
        files: dict[str, JobFile] = {}
        for name, file in self.files(known.project, newest).items():
            last = before.get(name, ("", None))[1]
            files[name] = JobFile(
                jobs=file.jobs if file.valid else (),
                problems=file.problems,
                good=last.jobs if last else (),
                read=True,
            )
        settlement = settle(files, ())
        good = {
            name: newest.key if file.valid and name not in settlement.contested else before[name][0]
            for name, file in files.items()
            if (file.valid and name not in settlement.contested) or name in before
        }
        held = {
            job.key: key
            for name, key in good.items()
            if key != newest.key
            for job in files[name].good
            if settlement.jobs.get(job.key) is job
        }
        problems = [problem for file in files.values() for problem in file.problems] + settlement.problems
        return Settled(
            jobs=settlement.jobs,
            problems=tuple(problems),
            held=held,
            good=good,
            files=len(files),
            complete=not any(problem.code == "unreadable" for problem in problems),
            broken=tuple(name for name, file in files.items() if not file.valid and name not in good),
        )

    def _of(self, known: Published, key: str) -> Mapping[str, JobFile]:
        """Return the job files of a revision that was live before; none where its tree is gone."""
        try:
            return self.files(known.project, known.revisions[key])
        except WindmillError:
            return {}

    def files(self, project: str, revision: Revision) -> dict[str, JobFile]:
        """Return the job files of a revision by their path below its jobs.d; none when it carries none.

        Raises WindmillError when the revision is not on disk. What could not be read is read again the next time.
        """
        if (known := self._read.get((project, revision.key))) is not None:
            return known
        if not Path(revision.root).is_dir():
            raise WindmillError(f"the revision {revision.name} of {project} is not on disk ({revision.root})")
        found = self._look(project, revision)
        if not any(problem.code == "unreadable" for file in found.values() for problem in file.problems):
            self._read[project, revision.key] = found
        return found

    def forget(self, project: str, keys: Mapping[str, Revision]) -> None:
        """Let go of what was read of revisions that are no longer named."""
        for known in [known for known in self._read if known[0] == project and known[1] not in keys]:
            del self._read[known]

    def _look(self, project: str, revision: Revision) -> dict[str, JobFile]:
        directory = Path(revision.root) / JOBS
        if not directory.is_dir():
            return {}
        found = scan(directory)
        files = {name: self._file(project, revision, directory, name) for name in sorted(found.files)[:MOST_FILES]}
        for name, message in found.unreadable.items():
            problem = Problem(file=self._show(project, revision, name), message=message, code="unreadable")
            files[name] = JobFile(problems=(problem,), read=True)
        return files

    def _file(self, project: str, revision: Revision, directory: Path, name: str) -> JobFile:
        where, path = self._show(project, revision, name), directory / name
        try:
            if not path.resolve().is_relative_to(Path(revision.root).resolve()):
                raise OSError(0, "it leads out of the project by a link")  # noqa: TRY301 - as any unreadable file
            content = content_of(path)
        except OSError as error:
            problem = Problem(file=where, message=f"the file cannot be read: {reason(error)}", code="unreadable")
            return JobFile(problems=(problem,), read=True)
        jobs, problems = spec.read(
            content,
            file=where,
            stem=PurePosixPath(name).stem,
            timezone=self._timezone,
            defaults=self._defaults,
            projects={project: Path(revision.root)},
        )
        if self._lint is not None:
            problems += [warning for job in jobs for warning in self._lint(job)]
        return JobFile(jobs=tuple(jobs), problems=tuple(with_excerpts(problems, content)), read=True)


def shown(project: str, revision: Revision, name: str) -> str:
    """Return the path of a job file of a revision as people know it."""
    at = f"@{revision.key[:SHOWN]}" if revision.key else ""
    return f"{project}{at}:{JOBS}/{name}"
