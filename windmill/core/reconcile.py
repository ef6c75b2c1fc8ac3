"""What changed between the jobs in effect and the jobs wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from windmill.core.model import Catalog, Job

FEWEST: Final = 2  # known jobs; of a single one, "more than half" is any removal


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Keys of jobs by what happened to them, each sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()  # nothing changed but where it is written

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def diff(current: Mapping[str, Job], wanted: Mapping[str, Job]) -> Diff:
    """Return what turns `current` into `wanted`. Equal digests mean nothing changed, wherever the file lies."""
    return Diff(
        added=tuple(sorted(wanted.keys() - current.keys())),
        changed=tuple(
            sorted(key for key in wanted.keys() & current.keys() if wanted[key].digest != current[key].digest)
        ),
        removed=tuple(sorted(current.keys() - wanted.keys())),
        moved=tuple(sorted(key for key in wanted.keys() & current.keys() if _moved(current[key], wanted[key]))),
    )


def _moved(before: Job, after: Job) -> bool:
    return before.digest == after.digest and (before.file, before.line) != (after.file, after.line)


def suspicious(previous: Catalog | None, wanted: Catalog) -> bool:
    """Return True when more than half of at least two known jobs vanished at once.

    A directory caught in the middle of a checkout or a swap looks like that; so does a real clean-up, hence the
    answer asks for a second look, not for a refusal. An unreadable directory says nothing about absence.
    """
    if previous is None or wanted.unreadable or len(previous.jobs) < FEWEST:
        return False
    vanished = previous.jobs.keys() - wanted.jobs.keys()
    return removes_most(len(previous.jobs), len(vanished))


def removes_most(known: int, removed: int) -> bool:
    """Return True when more than half of the known jobs would be gone; a sync holds what does that."""
    return removed * 2 > known
