"""What the dashboard is given: everything it knows of the world outside comes through here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from windmill.core.documents import Document
from windmill.core.model import Schedule
from windmill.core.ports import Store

Starts = Callable[[Document, datetime], Iterable[datetime]]
Schedules = Callable[[Document], Schedule | None]


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
    a job's document is due from now on, in the zone of its schedule, perhaps without end;
    `schedule(job)` returns by what schedule, None for one without or that nobody can read. `trusted_hosts` are the
    names, beside those of loopback, under which the dashboard may be asked for.

    `until(text, now)` returns the instant that a person means by a duration or a time, raising WindmillError in words;
    `missing(execution)` the revision that has to be made available before it runs again exactly, "" for none, raising
    WindmillError where its code is gone.

    `secret_key` signs what browsers keep for us. `anonymous` is what somebody may do who has not signed in; without
    `actions` nobody can act, whoever they are.
    """

    version: str
    home: str
    open_store: Callable[[bool], Store]
    webhook_secret: Callable[[str], str | None]
    starts: Starts
    schedule: Schedules
    until: Callable[[str, datetime], datetime]
    missing: Callable[[Document], str]
    clock: Callable[[], datetime]
    secret_key: bytes
    anonymous: Role = Role.READ
    actions: bool = True
    trusted_hosts: tuple[str, ...] = ()
