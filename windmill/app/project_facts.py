"""What people are told of projects beside what the scheduler says: where they come from, and what lies on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from windmill.app.home import Home
from windmill.core.documents import Document, to_text
from windmill.core.errors import NotFound, WindmillError
from windmill.projects import published
from windmill.projects.contents import contents
from windmill.projects.environment import DIRECTORY
from windmill.projects.git import Mirror
from windmill.projects.known import Kind, KnownProjects, Project, key_of
from windmill.projects.published import Attempt, Outcome, Published, Revision
from windmill.projects.revisions import is_key
from windmill.projects.settings import ProjectSettings, SecretSource
from windmill.projects.source import shown

REVISIONS_MAX: Final = 100
BEHIND_MAX: Final = 100  # commits that are counted
LISTED_MAX: Final = 1000  # jobs that a held revision would remove, and entries of a directory that are looked at


class ProjectFacts:
    """Answers for `dashboard.ground.Ground`; `projects` goes by what windmill.toml says whenever asked."""

    def __init__(self, home: Home, projects: KnownProjects) -> None:
        self._home, self._projects = home, projects

    def every(self) -> Mapping[str, Document]:
        """Return {kind, source, ref, path, syncs, behind} of every project, by name."""
        return {name: self._brief(project) for name, project in self._projects.all().items()}

    def one(self, name: str) -> Document | None:
        """Return everything that is known of a project, None where there is none of that name."""
        project = self._projects.all().get(name)
        if project is None:
            return None
        known = self._projects.live(project)
        attempted = known.attempted
        return self._brief(project) | {
            "id": name,
            "settings": _settings(self._home, project),
            "webhook": project.settings.webhook is not None,
            "revisions": self._revisions(known),
            "attempted": self._attempt(name, attempted) if attempted else None,
            "trouble": known.trouble,
            "environment": self._environment(known.applied),
            "good": dict(known.good),
        }

    def changed(self, file: str) -> datetime | None:
        """Return when a file below the home was last written, None for what lies elsewhere or is not there."""
        root = self._home.root
        with suppress(OSError, ValueError):
            path = root / file
            if path.is_relative_to(root) and ".." not in path.parts:
                return datetime.fromtimestamp(int(path.lstat().st_mtime), UTC)
        return None

    def _brief(self, project: Project) -> Document:
        return {
            "kind": str(project.kind),
            "source": _source(self._home, project),
            "ref": project.settings.ref if project.kind is Kind.GIT else "",
            "path": project.settings.path,
            "syncs": project.syncs,
            "behind": self._behind(project),
        }

    def _behind(self, project: Project) -> int | None:
        """Return how many commits a revision that was not published is ahead of the one that is live."""
        known = self._projects.live(project)
        if project.kind is not Kind.GIT or known.applied is None or known.attempted is None:
            return None
        tried = _key(known.attempted.revision)
        if known.attempted.outcome is Outcome.PUBLISHED or not (tried and known.applied.commit):
            return None
        return _ahead(self._home.state / "mirrors" / f"{project.name}.git", known.applied.commit, tried)

    def _revisions(self, known: Published) -> list[Document]:
        """Return the revisions on disk and those in use, newest first."""
        found = {revision.key: revision for revision in known.revisions.values()}
        if known.applied is not None:
            found[known.applied.key] = known.applied
        for key in self._on_disk(known.project) - found.keys():
            if (described := published.described(self._home.state, known.project, key)) is not None:
                found[key] = described
        newest = sorted(found.values(), key=lambda one: one.published_at, reverse=True)
        live = known.applied.key if known.applied else None
        return [_told(one, live=one.key == live) for one in newest[:REVISIONS_MAX]]

    def _on_disk(self, project: str) -> set[str]:
        with suppress(OSError), os.scandir(self._home.state / "revisions" / project) as entries:
            names = [entry.name for entry, _ in zip(entries, range(LISTED_MAX), strict=False)]
            return {name.removesuffix(".json") for name in names if is_key(name.removesuffix(".json"))}
        return set()

    def _attempt(self, project: str, attempt: Attempt) -> Document:
        key = _key(attempt.revision)
        found = published.described(self._home.state, project, key) if key else None
        return {
            "revision": attempt.revision,
            "key": key,
            "at": attempt.at,
            "outcome": str(attempt.outcome),
            "error": attempt.error,
            "author": found.author if found else "",
            "subject": found.subject if found else "",
            "problems": len(attempt.problems),
            "removes": list(attempt.removes[:LISTED_MAX]),
        }

    def _environment(self, applied: Revision | None) -> Document | None:
        if applied is None or not applied.environment:
            return None
        found = contents(self._home.state / DIRECTORY / applied.environment)
        return {
            "key": applied.environment,
            "python": found.python if found else "",
            "asked_by": found.kind if found else "",
            "packages": [list(one) for one in found.packages] if found else [],
            "count": found.count if found else 0,
            "built_at": to_text(found.built_at) if found else None,
        }


def _told(revision: Revision, *, live: bool) -> Document:
    facts = asdict(revision)
    told = ("key", "commit", "author", "subject", "committed_at", "published_at", "environment")
    return {name: facts[name] for name in told} | {"revision": revision.name, "live": live, "here": revision.on_disk}


def _source(home: Home, project: Project) -> str:
    if project.settings.git is not None and project.kind is Kind.GIT:
        return shown(project.settings.git)
    return home.shown(project.path) if project.path else ""


def _settings(home: Home, project: Project) -> list[list[str]]:
    """Return what windmill.toml says of the project, as pairs of a key and a value that holds no secret."""
    said, default = project.settings, ProjectSettings()
    pairs = {
        "git": shown(said.git) if said.git else "",
        "ref": said.ref if said.git else "",
        "path": said.path,
        "poll": f"{said.poll.total_seconds():g}s" if said.git else "",
        "token": _place(home, said.token),
        "webhook": _place(home, said.webhook),
        "verify": ", ".join(filter(None, (said.verify.allowed_signers, said.verify.gpg_home))) if said.verify else "",
        "python": said.python or "",
        "source_builds": "true" if said.source_builds != default.source_builds else "",
    }
    return [[key, value] for key, value in pairs.items() if value]


def _place(home: Home, secret: SecretSource | None) -> str:
    """Return where the value of a secret is found."""
    if secret is None:
        return ""
    if secret.from_env is not None:
        return f"from_env {secret.from_env}"
    return f"from_file {home.shown(Path(secret.from_file or ''))}"


def _key(revision: str) -> str:
    try:
        return key_of(revision)
    except NotFound:
        return ""


@lru_cache(maxsize=256)
def _ahead(mirror: Path, old: str, new: str) -> int | None:
    if not mirror.is_dir():
        return None
    with suppress(WindmillError, OSError):
        found = Mirror(mirror, environ=os.environ, say=lambda _: None).log(old, new, limit=BEHIND_MAX)
        return len(found) or None
    return None
