"""What a change of job files and requirements would do, told before it is live. Nothing is changed by looking."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from windmill.app.checkout import GIT, Checkout, all_problems, find_checkout, reader, refusals, requirements
from windmill.app.home import Home
from windmill.app.reading import warnings
from windmill.app.repository import JOBS, Repository, Settled
from windmill.app.upcoming import upcoming
from windmill.core.definition import definition
from windmill.core.documents import Document, to_text
from windmill.core.errors import NotFound, Refused
from windmill.core.model import Job, Schedule
from windmill.core.reconcile import removes_most
from windmill.projects.commits import Commits
from windmill.projects.known import Kind, Project
from windmill.projects.published import Outcome, Published, Revision
from windmill.projects.source import mirrored

STARTS: Final = 3
CHANGES: Final = ("added", "changed", "removed")


class Wanted(NamedTuple):
    """A job on one side of a plan: its definition with what is remembered of it, and when it is due."""

    document: Document
    schedule: Schedule | None


def changes(
    before: Mapping[str, Wanted], after: Mapping[str, Wanted], now: datetime, *, kept: bool = False
) -> dict[str, list[Document]]:
    """Return what is added, changed and removed, each job with its file, the keys that changed and its next starts.

    `kept` says that what is missing afterwards may only be out of sight: then nothing counts as removed.
    """
    changed = [key for key in after.keys() & before.keys() if _digest(after[key]) != _digest(before[key])]
    keys: dict[str, Collection[str]] = {
        "added": after.keys() - before.keys(),
        "changed": changed,
        "removed": [] if kept else before.keys() - after.keys(),
    }
    return {
        what: [_change(key, before.get(key), after.get(key), now) for key in sorted(keys[what])] for what in CHANGES
    }


def plan_checkout(checkout: Checkout, ref: str, environ: Mapping[str, str], now: datetime) -> Document:
    """Return what the working copy changes against `ref`, a branch, tag or commit of its own repository.

    Raises NotFound and Refused. No git command runs that looks at the working copy.
    """
    commits = Commits(_git_directory(checkout), environ)
    commit = commits.named(ref)
    with _laid(commits, commit, checkout.prefix.rstrip("/")) as base:
        read = reader(environ, checkout.root, checkout.prefix)
        known = Published(project=checkout.project)
        if base is not None:
            good = read.settled(known, base).good
            known = Published(project=checkout.project, applied=base, good=good, revisions={base.key: base})
        found = _plan(read, known, checkout.revision, now, remembered={}, prefix=checkout.prefix)
    return {"project": checkout.project, "from": f"{ref}@{commit[:12]}", "to": "working copy", **found}


def plan_project(
    home: Home, name: str, target: Path | str, remembered: Mapping[str, Document], now: datetime
) -> Document:
    """Return what `target` would change in the live project: a working copy, or a ref or commit that was fetched.

    `remembered` is what the store knows of jobs, by key. Raises NotFound and Refused.
    """
    project = home.projects.all().get(name)
    if project is None:
        names = ", ".join(home.projects.names()) or "none"
        raise NotFound(f'there is no project "{name}"', hint=f"the projects of this home: {names}")
    live = _live(home, project)
    read = Repository(
        timezone=home.settings.timezone,
        defaults=home.settings.defaults,
        lint=warnings,
        show=lambda _project, _revision, file: f"{JOBS}/{file}",
    )
    if isinstance(target, Path):
        checkout = _working_copy(target, project)
        label, found = str(target), _plan(read, live, checkout.revision, now, remembered=remembered)
    else:
        commits = Commits(home.state / "mirrors" / f"{name}.git", home.environ)
        commit = _fetched(commits, name, target)
        label = f"{target}@{commit[:12]}"
        with _laid(commits, commit, project.settings.path.strip("/")) as revision:
            if revision is None:
                raise NotFound(f'commit {commit[:12]} has no directory "{project.settings.path}"')
            found = _plan(read, live, revision, now, remembered=remembered)
    return {"project": name, "from": live.applied.name if live.applied else "", "to": label, **found}


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the keys of two job documents that differ, those of mappings with a dot: schedule.cron."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += [
                f"{key}.{inner}" for inner in sorted(old.keys() | new.keys()) if old.get(inner) != new.get(inner)
            ]
        elif old != new:
            found.append(key)
    return found


def _plan(
    read: Repository,
    known: Published,
    after: Revision,
    now: datetime,
    *,
    remembered: Mapping[str, Document],
    prefix: str = "",
) -> Document:
    """Return the changes, the environments to build, the problems, and what a sync of `after` would come to."""
    old = read.settled(known, known.applied).jobs if known.applied else {}
    new = read.settled(known, after)
    found = changes(_wanted(old, remembered, now), _wanted(new.jobs, remembered, now, new), now)
    refused = refusals(new, Path(after.root), prefix, lambda _: None)
    outcome = Outcome.PUBLISHED
    if refused:
        outcome = Outcome.REFUSED
    elif known.applied and known.applied.key and removes_most(len(old), len(found["removed"])):
        outcome = Outcome.HELD
    return {
        **found,
        "environments": _environments(known.applied, after, prefix),
        "problems": [asdict(problem) for problem in all_problems(new, refused)],
        "outcome": str(outcome),
    }


def _wanted(
    jobs: Mapping[str, Job], remembered: Mapping[str, Document], now: datetime, settled: Settled | None = None
) -> dict[str, Wanted]:
    fresh: Document = {"first_seen": to_text(now), "covered": None, "runs": 0, "paused": None}
    return {
        key: Wanted(
            definition(job, stale=settled is not None and key in settled.held)
            | {name: remembered.get(key, fresh).get(name, default) for name, default in fresh.items()},
            job.schedule,
        )
        for key, job in jobs.items()
    }


def _change(key: str, before: Wanted | None, after: Wanted | None, now: datetime) -> Document:
    file, keys = "", []
    for side in (before, after):
        file = side.document["file"] if side else file
    if before and after:  # where the documents are equal, what fills them up is not
        keys = changed_keys(before.document["document"], after.document["document"]) or ["defaults"]
    return {"job": key, "file": file, "keys": keys, "before": _starts(before, now), "after": _starts(after, now)}


def _starts(job: Wanted | None, now: datetime) -> list[str | None]:
    if job is None:
        return []
    return [to_text(start) for start in islice(upcoming(job.schedule, job.document, now), STARTS)]


def _digest(job: Wanted) -> object:
    return job.document["digest"]


def _environments(before: Revision | None, after: Revision, prefix: str) -> list[Document]:
    """Return the environment that the new requirements need, if they differ from those before."""
    old = requirements(Path(before.root))[0] if before and before.root else None
    new = requirements(Path(after.root))[0]
    if new is None or (old is not None and (old.digest, old.python) == (new.digest, new.python)):
        return []
    return [{"file": prefix + new.kind, "python": new.python, "digest": new.digest}]


def _git_directory(checkout: Checkout) -> Path:
    if not (checkout.top / GIT).exists():
        raise Refused(
            f"{checkout.root} is no git repository, so there is nothing to compare it with",
            hint="windmill validate checks its files as they are",
        )
    return checkout.top / GIT


@contextmanager
def _laid(commits: Commits, commit: str, path: str) -> Iterator[Revision | None]:
    """Give the revision laid out in a directory of its own, for as long as it is read; None without that `path`."""
    with tempfile.TemporaryDirectory(prefix="windmill-") as scratch:
        try:
            commits.lay(commit, Path(scratch), path)
        except NotFound:
            yield None
        else:
            yield Revision(name=commit, key=commit, root=scratch, python="", commit=commit)


def _live(home: Home, project: Project) -> Published:
    """Return what of the project is live; a plain directory is live as it lies there."""
    known = home.projects.live(project)
    if known.applied is None and project.kind is Kind.DIRECTORY and project.path is not None:
        here = Revision(name="", key="", root=str(project.path), python="")
        return Published(project=project.name, applied=here)
    return known


def _working_copy(target: Path, project: Project) -> Checkout:
    inner = target / project.settings.path
    checkout = find_checkout(inner, project.name)
    if checkout is None:
        raise NotFound(f"{inner} is no working copy of {project.name}: it holds no {JOBS}/")
    return checkout


def _fetched(commits: Commits, name: str, ref: str) -> str:
    fetched = [mirrored(full) for full in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref)]
    try:
        return commits.named(*fetched, f"refs/windmill/heads/{ref}", f"refs/windmill/tags/{ref}", ref)
    except NotFound:
        raise NotFound(
            f'"{ref}" of {name} was never fetched',
            hint=f"windmill sync {name} fetches the ref of its settings; any commit of its history can be named",
        ) from None
