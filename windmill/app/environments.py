"""The environments of a home: which of them are needed, and taking the others away."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from windmill.core.errors import WindmillError
from windmill.projects import published
from windmill.projects.environment import Environments
from windmill.projects.installer import find_uv


def environments(state: Path) -> Environments:
    """Return the environments under the state directory. Raises Unavailable where uv is not installed."""
    return Environments(state, uv=find_uv(), python_default=sys.executable)


def users(state: Path) -> dict[str, set[str]]:
    """Return the key of every environment that is named, with the projects that name it.

    By what is live, by every revision that is still on disk, and so by all that may be gone back to.
    """
    found: dict[str, set[str]] = {}
    for document in (state / "projects").glob("*.json"):
        known = published.read(state, document.stem)
        for revision in (known.applied, *known.revisions.values()):
            if revision is not None and revision.environment:
                found.setdefault(revision.environment, set()).add(known.project)
    for document in (state / "revisions").glob("*/*.json"):
        described = published.described(state, document.parent.name, document.stem)
        if described is not None and described.environment:
            found.setdefault(described.environment, set()).add(document.parent.name)
    return found


def prune(state: Path, *, older_than: float) -> list[str]:
    """Take away the environments that nothing names or runs from, and nobody asked for in `older_than` seconds.

    Return their keys. What cannot be removed is tried again next time.
    """
    with suppress(WindmillError, OSError):  # also where it cannot be read what is in use
        known = environments(state)
        return known.prune(users(state).keys() | known.in_use(), older_than=older_than)
    return []
