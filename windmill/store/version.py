"""The version of what a store holds: how many steps its data has taken, from nothing to the present form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from windmill.core.errors import Refused

VERSION: Final = 4  # the same for every kind of store, and for dumps

Step = TypeVar("Step")


def missing(version: int, steps: Sequence[Step], *, where: str) -> Sequence[Step]:
    """Return the steps that data of this version has yet to take; version 0 is an empty store and takes them all.

    Raises Refused when a newer WindMill wrote the data; `where` says which data, without any password.
    """
    if version > len(steps):
        raise Refused(
            f"the store was written by a newer WindMill: schema {version}, this version reads {len(steps)} ({where})",
            hint="upgrade WindMill, or restore the store from before the upgrade",
        )
    return steps[version:]
