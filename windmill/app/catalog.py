"""Everything a home wants at once: its own job files, those of its projects, and where all of them start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from windmill.app.chains import chains
from windmill.app.home import SETTINGS_FILE
from windmill.app.repository import JOBS, Repository, Settled
from windmill.app.unheard import unheard
from windmill.core.errors import Problem, WindmillError
from windmill.core.model import Caps, Catalog, Job, Location
from windmill.jobs.loader import Loader
from windmill.projects.known import Kind, KnownProjects, Project
from windmill.projects.published import Outcome, Published
from windmill.projects.system import sync_job, sync_location


@dataclass(slots=True)
class _Parts:
    """What is gathered from all sources; the first claim of a key counts."""

    jobs: dict[str, Job] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)
    locations: dict[str, Location] = field(default_factory=dict)
    removed: dict[str, Mapping[str, str]] = field(default_factory=dict)
    files: int = 0
    unreadable: bool = False

    def add(self, jobs: Mapping[str, Job]) -> None:
        for key, job in jobs.items():
            if (first := self.jobs.setdefault(key, job)) is not job:
                self.problems.append(_claimed_twice(job, first))


class HomeCatalog:
    """Reads all job files there are. `loader_of` makes the reader of a directory, `home` being the home's own.

    `extra_problems` answers with what is wrong outside of job files, `caps` and `channels` with those of the
    settings.
    """

    def __init__(
        self,
        *,
        home: Loader,
        projects: KnownProjects,
        repository: Repository,
        loader_of: Callable[[Project, Path], Loader],
        state: Path,
        root: Path,
        extra_problems: Callable[[], list[Problem]] = list,
        caps: Callable[[], Caps | None] = lambda: None,
        channels: Callable[[], Iterable[str] | None] = lambda: None,
    ) -> None:
        self.projects = projects
        self._extra_problems, self._caps, self._channels = extra_problems, caps, channels
        self._home, self._repository = home, repository
        self._loader_of = loader_of
        self._state, self._root = state, root
        self._loaders: dict[str, Loader] = {}
        self._settled: dict[str, tuple[Published, Settled]] = {}
        self._last: Catalog | None = None

    @property
    def unsettled(self) -> bool:
        """True when a file seems to be in the middle of being written and should be looked at again shortly."""
        return self._home.unsettled or any(loader.unsettled for loader in self._loaders.values())

    def places(self) -> list[Path]:
        """Return what, beside the home's own directory of job files, says that something may have changed."""
        carried = [
            project.path / JOBS
            for project in self.projects.all().values()
            if project.kind is Kind.DIRECTORY and project.path is not None
        ]
        fixed = [self._root / SETTINGS_FILE, self._root / "projects", self._state / "projects"]
        return [*fixed, *(path for path in carried if path.is_dir())]

    def load(self) -> Catalog:
        """Return what is wanted now; the same object when nothing changed. Never raises for what a file holds."""
        own = self._home.load()
        parts = _Parts(stale=set(own.stale), problems=[*own.problems, *self._extra_problems()], files=own.files)
        parts.add(own.jobs)
        parts.locations |= self.projects.locations()
        projects = self.projects.all()
        for project in projects.values():
            if project.kind is Kind.DIRECTORY and project.path is not None:
                self._from_directory(project, project.path, parts)
            if project.syncs:
                self._from_revisions(project, parts)
                job = sync_job(project, self._root)
                parts.jobs[job.key] = job
                parts.locations[job.key] = sync_location(self._state)
        for name in self._loaders.keys() - projects.keys():
            del self._loaders[name]
        linked = chains(parts.jobs, self._last.jobs if self._last else {})
        parts.problems += linked.problems
        caps = self._caps()
        known = caps.groups if caps else {}
        parts.problems += [_no_cap(job) for job in parts.jobs.values() if caps and job.group not in {"", *known}]
        if (channels := self._channels()) is not None:
            parts.problems += unheard(parts.jobs.values(), channels)
        wanted = Catalog(
            jobs=linked.jobs,
            problems=tuple(sorted(parts.problems, key=lambda problem: (problem.file, problem.line, problem.column))),
            stale=frozenset(parts.stale) | linked.stale,
            unreadable=own.unreadable or parts.unreadable,
            files=parts.files,
            locations=parts.locations,
            removed=parts.removed,
            caps=caps,
        )
        if self._last is None or wanted != self._last:
            self._last = wanted
        return self._last

    def _from_directory(self, project: Project, path: Path, parts: _Parts) -> None:
        """Add the job files that lie in a plain directory; they are watched as the home's own."""
        directory = path / JOBS
        if project.name not in self._loaders:
            if not directory.is_dir():
                return
            self._loaders[project.name] = self._loader_of(project, directory)
        catalog = self._loaders[project.name].load()
        parts.add(catalog.jobs)
        parts.problems += catalog.problems
        parts.stale |= catalog.stale
        parts.files += catalog.files

    def _from_revisions(self, project: Project, parts: _Parts) -> None:
        """Add the jobs of the published revision, and what is wrong with the one that was tried last."""
        known = self.projects.live(project)
        if known.trouble:
            parts.problems.append(_refused(project, Outcome.REFUSED, known.trouble))
        if (attempt := known.attempted) is not None and attempt.outcome is not Outcome.PUBLISHED:
            parts.problems += attempt.problems or [_refused(project, attempt.outcome, attempt.error)]
        if known.applied is None or not known.applied.key:
            return
        if not known.applied.on_disk:
            gone = f"the live revision {known.applied.name} is not on disk; a sync makes it anew"
            parts.problems.append(_refused(project, Outcome.REFUSED, gone))
        # from the state that the jobs come from, too: another may have been published since the places were asked for
        parts.locations[project.name] = self.projects.at(project.name, known.applied)
        before = self._settled.get(project.name)
        if before is None or before[0] != known or not before[1].complete:
            self._repository.forget(project.name, known.revisions)
            try:
                before = self._settled[project.name] = (known, self._repository.settled(known, known.applied))
            except WindmillError as error:
                parts.problems.append(_refused(project, Outcome.REFUSED, error.message))
                parts.unreadable = True
        if before is None:
            return
        settled = before[1]
        parts.add(settled.jobs)
        parts.problems += settled.problems
        parts.stale |= settled.held.keys()
        parts.files += settled.files
        for key, revision in settled.held.items():
            if revision in known.revisions:
                parts.locations[key] = self.projects.at(project.name, known.revisions[revision])
        parts.removed |= {key: asdict(removal) for key, removal in known.removed.items()}


def _claimed_twice(job: Job, first: Job) -> Problem:
    return Problem(
        file=job.file,
        line=job.line,
        column=1,
        message=f'job "{job.key}" is also defined in {first.file}:{first.line}, which counts',
        hint="give one of them another name, or remove it",
        code="claimed-twice",
        job=job.key,
    )


def _no_cap(job: Job) -> Problem:
    return Problem(
        file=job.file,
        line=job.line,
        column=1,
        message=f'there is no group "{job.group}" in windmill.toml, so nothing caps it',
        hint=f"[groups] {job.group} = 1, or mend the name",
        severity="warning",
        code="group",
        job=job.key,
    )


def _refused(project: Project, outcome: Outcome, error: str) -> Problem:
    hint = f"windmill sync {project.name} --accept" if outcome is Outcome.HELD else f"windmill sync {project.name}"
    return Problem(file=f"projects/{project.name}", message=error, hint=hint, code=str(outcome))
