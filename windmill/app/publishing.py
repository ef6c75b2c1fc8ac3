"""From a tree to a published revision: laid out, judged, with its environment, and the old ones taken away."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from windmill.app import environments
from windmill.app.chains import chains
from windmill.app.home import Home
from windmill.app.reading import repository
from windmill.app.repository import SHOWN, Settled
from windmill.core.documents import to_text
from windmill.core.errors import Problem, Refused, WindmillError
from windmill.core.model import Job, is_system
from windmill.core.paths import is_module
from windmill.core.reconcile import removes_most
from windmill.projects import preflight, published
from windmill.projects.environment import Environments
from windmill.projects.git import Mirror
from windmill.projects.installer import find_uv
from windmill.projects.interpreters import Interpreters
from windmill.projects.known import Project
from windmill.projects.published import Attempt, Outcome, Published, Removal, Revision
from windmill.projects.requirements import find
from windmill.projects.revisions import Revisions
from windmill.scheduler.clock import now

RECENT: Final = 3  # revisions that stay beside those in use
REMOVED: Final = 1000  # removals that are remembered
MOST: Final = 200  # problems, and jobs that would be removed, that are remembered of an attempt
BUILD_TIMEOUT: Final = 1500.0  # seconds
UNUSED: Final = 86400.0  # seconds after which an environment that nothing names goes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What a source holds now. `lay` writes it into an empty directory; None for what is used in place."""

    content: str  # what tells it from every other state of the source
    name: str
    key: str
    lay: Callable[[Path], None] | None
    verify: Callable[[], None] = lambda: None  # raises Refused for what must not be published
    commit: str = ""
    author: str = ""
    subject: str = ""
    committed_at: str = ""


class Publisher:
    """Makes, judges and collects the revisions of one project; `say` gets what happens, a line at a time."""

    def __init__(self, home: Home, project: Project, say: Callable[[str], None]) -> None:
        self._home, self._project, self._say = home, project, say
        self._revisions = Revisions(home.state, project.name)
        self._repository = repository(home)
        self._groups = {None, *home.settings.groups}

    def make(self, tree: Tree) -> Revision:
        """Return the revision with its tree and its environment on disk. Raises Refused."""
        tree.verify()
        root = self._lay(tree)
        environment, python = self._environment(root)
        revision = Revision(
            name=tree.name,
            key=tree.key,
            root=str(root),
            python=python,
            environment=environment,
            commit=tree.commit,
            author=tree.author,
            subject=tree.subject,
            committed_at=tree.committed_at,
            published_at=to_text(now()) or "",
        )
        if tree.key:
            published.describe(self._home.state, self._project.name, revision)
        return revision

    def provide(self, tree: Tree) -> None:
        """Make the revision and its environment available without publishing it; nobody collects it for an hour."""
        self.make(tree)
        self._revisions.keep(tree.key)

    def judge(self, known: Published, revision: Revision, mirror: Mirror, *, accept: bool) -> Published:
        """Return the published state with this revision; where it must not go live, the attempt says why."""
        settled = self._repository.settled(known, revision) if revision.key else None
        problems = self._preflight(known, revision, settled)
        if problems:
            first = problems[0]
            error = f"{len(problems)} problem(s) in the code, such as {first.file}:{first.line}: {first.message}"
            return replace(known, attempted=_attempt(revision, Outcome.REFUSED, error, problems=problems))
        before = self._jobs_now(known)
        removed = {key: job for key, job in before.items() if settled and key not in settled.jobs}
        removed = {key: job for key, job in removed.items() if key not in self._home_jobs}
        if removed and not accept and removes_most(len(before), len(removed)):
            error = f"it would remove {len(removed)} of {len(before)} jobs: " + ", ".join(list(removed)[:5])
            return replace(known, attempted=_attempt(revision, Outcome.HELD, error, removes=tuple(removed)))
        if removed and not accept and settled is not None and settled.broken:
            error = (
                f"it would remove {', '.join(list(removed)[:5])}, and {settled.broken[0]} is new and cannot be read"
            )
            held = _attempt(revision, Outcome.HELD, error, removes=tuple(removed), problems=settled.problems)
            return replace(known, attempted=held)
        return self._with(known, revision, settled, removed, mirror)

    def collect(self, known: Published) -> None:
        """Take away the revisions that nothing names or uses any more."""
        keep = {*known.revisions, *known.recent}
        for key in self._revisions.collect(keep, now=now(), in_use=self._revisions.in_use()):
            self._say(f"removed the old revision {key[:12]}")
        for key in environments.prune(self._home.state, older_than=UNUSED):
            self._say(f"removed the unused environment {key[:12]}")

    def _lay(self, tree: Tree) -> Path:
        if tree.lay is None:
            if self._project.path is None:
                raise Refused(f"the project {self._project.name} has nothing under projects/")
            return self._project.path.absolute()
        if not self._revisions.path(tree.key).exists():
            with self._revisions.temporary() as temporary:
                tree.lay(temporary)
                self._revisions.publish(temporary, tree.key)
        root = self._revisions.path(tree.key) / self._project.settings.path
        if not root.is_dir():
            raise Refused(f'the revision has no directory "{self._project.settings.path}"')
        return root

    def _environment(self, root: Path) -> tuple[str, str]:
        """Return the key and interpreter of the environment the tree asks for, built if it is not there."""
        requirements, python = find(root), self._project.settings.python
        if requirements is None and python is None:
            return "", sys.executable
        uv = find_uv()
        if requirements is None:
            return "", Interpreters(uv, sys.executable, os.environ).find(python)
        built = Environments(self._home.state, uv=uv, python_default=sys.executable)
        key = built.build(
            requirements,
            root,
            python=python,
            say=self._say,
            timeout=BUILD_TIMEOUT,
            environ=os.environ,
            allow_builds=self._project.settings.source_builds,
        )
        return key, str(built.python(key))

    def _preflight(self, known: Published, revision: Revision, settled: Settled | None) -> tuple[Problem, ...]:
        """Return what is certain to fail, of all jobs that would run this code, without running any of it."""
        here = [job for key, job in settled.jobs.items() if key not in settled.held] if settled else []
        jobs = {job.key: job for job in [*self._outside(known), *here]}
        entries = [_entry(job) for job in sorted(jobs.values(), key=lambda job: job.key)]
        found = preflight.check(Path(revision.root), entries, python=revision.python, say=self._say)
        found += [_no_group(job) for job in here if job.complete.get("group") not in self._groups]
        name = self._project.name
        others = {key: job for key, job in self._wanted.items() if job.project != name}
        ours_now = {job.key: job for job in here}
        linked = chains({**others, **ours_now}, {}).problems
        found += [problem for problem in linked if problem.severity == "error" and problem.job in ours_now]
        ours = {job.file for job in self._home_jobs.values()}
        again = f"; then windmill sync {name}"  # a change of the home's files is none of the source
        found = [replace(one, hint=(one.hint or "mend it") + again) if one.file in ours else one for one in found]
        files = {entry.file for entry in entries}
        at = f"{name}@{revision.key[:SHOWN]}" if revision.key else f"projects/{name}"
        return tuple(
            problem if problem.file in files else replace(problem, file=f"{at}:{problem.file}") for problem in found
        )

    @cached_property
    def _wanted(self) -> Mapping[str, Job]:
        """All jobs that the home wants now."""
        return self._home.catalog().jobs

    @cached_property
    def _home_jobs(self) -> dict[str, Job]:
        """The jobs of this project that the home's own files define."""
        name = self._project.name
        found = self._wanted.items()
        return {
            key: job
            for key, job in found
            if job.project == name and not is_system(key) and not job.file.startswith(f"{name}@")
        }

    def _outside(self, known: Published) -> list[Job]:
        """Return the jobs of the home's own files that run this project's code as it is live.

        One that does not is no reason against a revision: no revision may ever satisfy it.
        """
        if known.applied is None:
            return []
        root = Path(known.applied.root)
        return [
            job
            for job in self._home_jobs.values()
            if is_module(job.entry_point) or (root / job.entry_point).is_file()
        ]

    def _jobs_now(self, known: Published) -> dict[str, Job]:
        if known.applied is None or not known.applied.key:
            return {}
        return dict(self._repository.settled(known, known.applied).jobs)

    def _with(
        self, known: Published, revision: Revision, settled: Settled | None, removed: dict[str, Job], mirror: Mirror
    ) -> Published:
        """Return the published state once the revision is live."""
        good = dict(settled.good) if settled else {}
        recent = tuple(dict.fromkeys([revision.key, *known.recent]))[:RECENT] if revision.key else ()
        described = {**known.revisions, revision.key: revision}
        named = {key for key in (*good.values(), *recent, revision.key) if key in described}
        gone = {key: self._removal(job, known, revision, mirror) for key, job in removed.items()}
        still = {key: who for key, who in known.removed.items() if not settled or key not in settled.jobs}
        return Published(
            project=known.project,
            applied=revision,
            attempted=None,
            good=good,
            revisions={key: described[key] for key in named},
            recent=recent,
            removed=dict([*still.items(), *gone.items()][-REMOVED:]),
        )

    def _removal(self, job: Job, known: Published, revision: Revision, mirror: Mirror) -> Removal:
        """Return who took the job's file away; where history does not tell, who published this revision."""
        file = str(Path(self._project.settings.path) / job.file.partition(":")[2])
        old = known.applied.commit if known.applied else ""
        commit = None
        if old and revision.commit:
            try:
                commit = mirror.last_removal(old, revision.commit, file)
            except WindmillError:
                self._say(f"who removed {file} cannot be told")
        if commit is None:
            return Removal(
                commit=revision.commit, author=revision.author, subject=revision.subject, at=revision.committed_at
            )
        return Removal(commit=commit.sha, author=commit.author, subject=commit.subject, at=to_text(commit.at) or "")


def _entry(job: Job) -> preflight.Entry:
    return preflight.Entry(
        job=job.key,
        entry_point=job.entry_point,
        file=job.file,
        line=job.line,
        folder=job.working_dir or "",
        imports="PYTHONPATH" not in job.env and not job.env_file,
    )


def _no_group(job: Job) -> Problem:
    return Problem(
        file=job.file,
        line=job.line,
        column=1,
        message=f'there is no group "{job.complete["group"]}" in windmill.toml',
        hint=f"[groups] {job.complete['group']} = 1, or mend the name",
        code="preflight",
        job=job.key,
    )


def _attempt(
    revision: Revision,
    outcome: Outcome,
    error: str,
    *,
    problems: tuple[Problem, ...] = (),
    removes: tuple[str, ...] = (),
) -> Attempt:
    return Attempt(
        fingerprint="",
        revision=revision.name,
        at="",
        outcome=outcome,
        error=error,
        problems=problems[:MOST],
        removes=removes[:MOST],
    )
