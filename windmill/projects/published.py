"""What of a project is live, what was tried last, and where each job file was last good: a JSON file per project."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from windmill.core.errors import Problem, WindmillError

_LIMIT: Final = 8 << 20  # bytes of a file that are read


class Outcome(StrEnum):
    """How an attempt to publish a revision ended."""

    PUBLISHED = "published"
    REFUSED = "refused"  # signature, preflight, environment or archive: see `error` and `problems`
    HELD = "held"  # it would remove most of the project's jobs: waits for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One immutable state of a project, as it lies on disk. Instants are RFC 3339 text, "" where unknown.

    `key` names its directory under revisions/<project>/: the commit, or the hash of the file; "" for a plain
    directory, which is used in place. `root` is where the code is, `python` what runs it.
    """

    name: str  # main@sha1:<commit>, sha256:<hash>, or "" for a plain directory
    key: str
    root: str
    python: str
    environment: str = ""  # its key under environments/, "" where the project needs none
    commit: str = ""
    author: str = ""
    subject: str = ""
    committed_at: str = ""
    published_at: str = ""

    @property
    def on_disk(self) -> bool:
        """True while both its code and what runs it are there."""
        return Path(self.root).is_dir() and Path(self.python).exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The last try to publish: of what, when, and how it ended. `fingerprint` says of which state of the source."""

    fingerprint: str
    revision: str  # Revision.name
    at: str
    outcome: Outcome
    error: str = ""
    problems: tuple[Problem, ...] = ()
    removes: tuple[str, ...] = ()  # keys of the jobs that a held revision would remove


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Who took a job's file away, and by which commit."""

    commit: str = ""
    author: str = ""
    subject: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The published state of a project.

    `kind` is that of the source it was made from, "" before anything was published. `trouble` says why the last sync
    came to no verdict, "" after one that did.
    `good` tells for each job file of the applied revision, and for each one that is broken in it, in which
    revision (by key) its jobs are defined; `revisions` describes all of these by key.
    """

    project: str
    kind: str = ""
    applied: Revision | None = None
    attempted: Attempt | None = None
    good: Mapping[str, str] = field(default_factory=dict)
    revisions: Mapping[str, Revision] = field(default_factory=dict)
    recent: tuple[str, ...] = ()  # keys of the last applied revisions, newest first
    removed: Mapping[str, Removal] = field(default_factory=dict)  # job key -> who removed its file
    trouble: str = ""


def path_of(state: Path, project: str) -> Path:
    """Return where the published state of the project lies under the state directory."""
    return state / "projects" / f"{project}.json"


def read(state: Path, project: str) -> Published:
    """Return the project's published state, an empty one when there is none.

    Raises WindmillError when there is one that cannot be read: what is live must not be taken for nothing.
    """
    path = path_of(state, project)
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT + 1)
        return _from_document(project, json.loads(content))
    except FileNotFoundError:
        return Published(project=project)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WindmillError(
            f"what is published of {project} cannot be read ({path}): it is damaged, or of another version",
            hint="run the WindMill that wrote it, or delete the file and sync anew",
        ) from error


def write(state: Path, published: Published) -> None:
    """Replace the published state at once, durably. Raises OSError, and WindmillError for one that is too large."""
    content = json.dumps(asdict(published)).encode()
    if len(content) > _LIMIT:
        raise WindmillError(f"what is to be published of {published.project} is too large: {len(content)} bytes")
    _replace(path_of(state, published.project), content)


def describe(state: Path, project: str, revision: Revision) -> None:
    """Write the revision's description beside its tree, so that it can be started again after it is not live."""
    _replace(_description(state, project, revision.key), json.dumps(asdict(revision)).encode())


def described(state: Path, project: str, key: str) -> Revision | None:
    """Return the revision as it was described, None when it is not on disk."""
    try:
        return Revision(**json.loads(_description(state, project, key).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _description(state: Path, project: str, key: str) -> Path:
    return state / "revisions" / project / f"{key}.json"


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _from_document(project: str, document: dict[str, Any]) -> Published:
    applied, attempted = document["applied"], document["attempted"]
    if attempted:
        problems = tuple(Problem(**problem) for problem in attempted["problems"])
        removes = tuple(attempted["removes"])
        outcome = Outcome(attempted["outcome"])
        attempted = Attempt(**{**attempted, "problems": problems, "removes": removes, "outcome": outcome})
    return Published(
        project=project,
        kind=document.get("kind", ""),
        applied=Revision(**applied) if applied else None,
        attempted=attempted or None,
        good=dict(document["good"]),
        revisions={key: Revision(**revision) for key, revision in document["revisions"].items()},
        recent=tuple(document["recent"]),
        removed={key: Removal(**removal) for key, removal in document["removed"].items()},
        trouble=document.get("trouble", ""),
    )
