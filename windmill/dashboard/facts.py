"""What the dashboard is given: everything it knows of the world outside comes through here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from windmill.core.documents import Document
from windmill.core.ports import Store

Starts = Callable[[Document, datetime], Iterable[datetime]]


class Role(IntEnum):
    """What somebody may do; a higher one may everything that a lower one may."""

    NOBODY = 0
    READ = 1
    ACT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`open_store(readonly)` opens the store anew; it belongs to one request, which closes it.

    `webhook_secret(project)` returns the secret that pushes to the project are signed with, None where there is no
    such project or no secret; it raises WindmillError where the secret cannot be read. `starts(job, now)` yields when
    a job's document is due from now on, in the zone of its schedule, perhaps without end. `trusted_hosts` are the
    names, beside those of loopback, under which the dashboard may be asked for.

    `secret_key` signs what browsers keep for us. `anonymous` is what somebody may do who has not signed in; without
    `actions` nobody can act, whoever they are.
    """

    version: str
    home: str
    open_store: Callable[[bool], Store]
    webhook_secret: Callable[[str], str | None]
    starts: Starts
    clock: Callable[[], datetime]
    secret_key: bytes
    anonymous: Role = Role.READ
    actions: bool = True
    trusted_hosts: tuple[str, ...] = ()
