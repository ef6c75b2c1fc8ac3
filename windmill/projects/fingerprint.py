"""What tells one state of a source from another, cheaply: a sync is due when it differs from the last attempt's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Final

from windmill.core.errors import WindmillError
from windmill.projects.archive import digest
from windmill.projects.known import Kind, Project
from windmill.projects.poll import remote_commit
from windmill.projects.requirements import find
from windmill.projects.settings import ProjectSettings, SecretSource
from windmill.projects.source import Remote

TIMEOUT: Final = 20.0  # seconds for a server to name a ref


def fingerprint(project: Project, environ: Mapping[str, str]) -> str:
    """Return the fingerprint of what the source holds now, and of the settings that matter to its publication.

    Raises WindmillError in words when the source cannot be looked at.
    """
    if project.kind is Kind.GIT:
        content = remote_commit(remote_of(project.settings, environ), environ=environ, timeout=TIMEOUT)
    elif project.kind is Kind.ARCHIVE:
        status = _path(project).stat()
        content = _content_of(_path(project), status.st_mtime_ns, status.st_size, status.st_ino)
    else:
        found = find(_path(project))
        content = found.digest if found else ""
    return combined(content, project.settings)


def combined(content: str, settings: ProjectSettings) -> str:
    """Return the fingerprint of this content under these settings."""
    relevant = asdict(settings)
    for name in ("poll", "token", "webhook", "git"):  # where it comes from, not what it is
        del relevant[name]
    if settings.verify is not None and settings.verify.allowed_signers is not None:
        relevant["signers"] = _text_of(settings.verify.allowed_signers)  # who is added may be who signed
    text = json.dumps(relevant, sort_keys=True, default=str)
    return f"{content} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _text_of(path: str) -> str:
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def remote_of(settings: ProjectSettings, environ: Mapping[str, str]) -> Remote:
    """Return the repository the settings name, with its token. Raises WindmillError naming what is missing."""
    if settings.git is None:
        raise WindmillError("this project has no git source")
    token = secret(settings.token, environ, "token") if settings.token else None
    return Remote(url=settings.git, ref=settings.ref, path=settings.path, token=token)


def secret(source: SecretSource, environ: Mapping[str, str], what: str) -> str:
    """Return the value of a secret. Raises WindmillError naming the variable or file, never a value."""
    if source.from_env is not None:
        if value := environ.get(source.from_env):
            return value
        raise WindmillError(f"the {what} is not set: there is no variable {source.from_env}")
    try:
        return Path(source.from_file or "").read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise WindmillError(f"the {what} cannot be read from {source.from_file}") from error


@lru_cache(maxsize=256)
def _content_of(path: Path, _mtime_ns: int, _size: int, _inode: int) -> str:
    """Return the hash of a file, read again only when its status changed."""
    return digest(path)


def _path(project: Project) -> Path:
    if project.path is None:
        raise WindmillError(f"the project {project.name} has nothing under projects/")
    return project.path
