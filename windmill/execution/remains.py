"""Whether processes of executions are left that no runner tells of."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from windmill.execution import tree


def home_name(state_dir: Path) -> str:
    """Return the home's name in the cookies of its executions."""
    return hashlib.blake2b(os.fsencode(state_dir.resolve()), digest_size=8).hexdigest()


def alive(state_dir: Path, executions: Iterable[str]) -> Collection[str]:
    """Return the executions of the home that have a living process. Raises OSError when that cannot be told."""
    name = home_name(state_dir)
    subjects = [tree.Subject(execution, f"{execution}@{name}") for execution in executions]
    return tree.census(subjects).keys() if subjects else ()
