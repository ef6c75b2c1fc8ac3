"""A working copy of a jobs repository, read as a sync would read it: without a home, running nothing of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from windmill import settings
from windmill.app.home import SETTINGS_FILE
from windmill.app.reading import warnings
from windmill.app.repository import JOBS, Repository, Settled
from windmill.core.errors import NotFound, Problem, Refused
from windmill.core.paths import is_module
from windmill.projects import preflight
from windmill.projects.published import Published, Revision
from windmill.projects.requirements import KINDS, Requirements, find

GIT: Final = ".git"
KEY: Final = "0" * 40  # of the working copy, which is no commit
NO_ENTRY_POINT: Final = "no-entry-point"
_LOWEST: Final = re.compile(r"(?:^|>=?|[=~]=)\s*(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The directory `root` holds jobs.d and is the whole project; `top` is where its repository begins."""

    project: str
    root: Path
    top: Path

    @property
    def prefix(self) -> str:
        """The path of `root` in the repository: "" or such as "jobs/reports/"."""
        inside = self.root.relative_to(self.top).as_posix()
        return "" if inside == "." else inside + "/"

    @property
    def revision(self) -> Revision:
        """The working copy as a revision."""
        return Revision(name="", key=KEY, root=str(self.root), python=sys.executable)


def find_checkout(start: Path, project: str | None = None) -> Checkout | None:
    """Return the jobs repository that `start` lies in, None where a home is nearer or there is neither.

    The project is called as its directory is, unless `project` names it.
    """
    start = start.resolve()
    top = repository_root(start)
    above = [start, *start.parents]
    near = above[: above.index(top) + 1] if top else above
    if any((directory / SETTINGS_FILE).is_file() for directory in near):
        return None
    root = next((directory for directory in near if (directory / JOBS).is_dir()), None)
    return Checkout(project=project or project_name(root), root=root, top=top or root) if root else None


def repository_root(start: Path) -> Path | None:
    """Return the nearest directory above that holds .git, None outside of any repository."""
    return next((directory for directory in (start, *start.parents) if (directory / GIT).exists()), None)


def reader(environ: Mapping[str, str], root: Path, prefix: str) -> Repository:
    """Return what reads the job files of a repository outside of any home; `prefix` comes before their names."""
    found = settings.load(root, environ)
    return Repository(
        timezone=found.timezone,
        defaults={},
        lint=warnings,
        show=lambda _project, _revision, name: f"{prefix}{JOBS}/{name}",
    )


def validate(
    checkout: Checkout, environ: Mapping[str, str], say: Callable[[str], None]
) -> tuple[Settled, list[Problem]]:
    """Return the jobs of the working copy and everything that would keep a sync from publishing it.

    Entry points are compiled where this Python is the one the project wants; none of its modules is executed.
    """
    settled = reader(environ, checkout.root, checkout.prefix).settled(
        Published(project=checkout.project), checkout.revision
    )
    refused = refusals(settled, checkout.root, checkout.prefix, say)
    return settled, all_problems(settled, refused)


def refusals(settled: Settled, root: Path, prefix: str, say: Callable[[str], None]) -> list[Problem]:
    """Return everything for which a sync would refuse the whole tree at `root`, and not only hold a job."""
    problems = [replace(problem, severity="error") for problem in settled.problems if problem.code == NO_ENTRY_POINT]
    needs, refused = requirements(root, prefix)
    if not _wants_newer(needs):
        problems += _uncompiled(settled, root, prefix, say)
    return problems + refused


def all_problems(settled: Settled, refused: list[Problem]) -> list[Problem]:
    """Return the problems of the job files and the `refusals`, each once, by their places."""
    problems = [problem for problem in settled.problems if problem.code != NO_ENTRY_POINT] + refused
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))


def requirements(root: Path, prefix: str = "") -> tuple[Requirements | None, list[Problem]]:
    """Return what packages the tree asks for, or the problem that no environment can be built from it."""
    try:
        return find(root), []
    except Refused as error:
        file = next((kind for kind in KINDS if (root / kind).is_file()), "")
        problem = Problem(file=prefix + file, message=error.message, hint=error.hint, code="requirements")
        return None, [problem]


def _wants_newer(needs: Requirements | None) -> bool:
    """Return True when the project asks for a newer Python than this one, which cannot judge its code then."""
    lowest = _LOWEST.findall(needs.python or "") if needs else []
    return any((int(major), int(minor)) > sys.version_info[:2] for major, minor in lowest)


def _uncompiled(settled: Settled, root: Path, prefix: str, say: Callable[[str], None]) -> list[Problem]:
    """Return the mistakes of syntax in the files that jobs start; modules may come from elsewhere."""
    missing = {problem.job for problem in settled.problems if problem.code == NO_ENTRY_POINT}
    entries = [
        preflight.Entry(job=job.key, entry_point=job.entry_point, file=job.file, line=job.line, imports=False)
        for job in settled.jobs.values()
        if job.key not in missing and job.key not in settled.held and not is_module(job.entry_point)
    ]
    found = preflight.check(root, entries, python=sys.executable, say=say)
    own = {job.file for job in settled.jobs.values()}
    return [problem if problem.file in own else replace(problem, file=prefix + problem.file) for problem in found]


def project_name(root: Path) -> str:
    """Return what a project is called after its directory."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", root.resolve().name).strip("-_") or "project"


def no_place(start: Path) -> NotFound:
    """Return the error for a directory that lies neither in a home nor in a jobs repository."""
    return NotFound(
        f"{start} lies neither in a home ({SETTINGS_FILE}) nor in a jobs repository ({JOBS}/)",
        hint="windmill init makes a home, windmill init --git a jobs repository; --home DIR names a home",
    )
