"""What the dashboard is given: everything it knows of the world outside comes through here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from windmill.core.documents import Document
from windmill.core.model import Schedule
from windmill.core.ports import Store
from windmill.dashboard.access import Access, Role
from windmill.dashboard.drafts import Drafts
from windmill.dashboard.ground import Ground

__all__ = ["Facts", "Role", "Schedules", "Starts"]

Starts = Callable[[Document, datetime], Iterable[datetime]]
Schedules = Callable[[Document], Schedule | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`open_store(readonly)` opens the store anew; it belongs to one request, which closes it.

    `webhook_secret(project)` returns the secret that pushes to the project are signed with, None where there is no
    such project or no secret; it raises WindmillError where the secret cannot be read. `starts(job, now)` yields when
    a job's document is due from now on, in the zone of its schedule, perhaps without end;
    `schedule(job)` returns by what schedule, None for one without or that nobody can read. `trusted_hosts` are the
    names, beside those of loopback, under which the dashboard may be asked for.

    `until(text, now)` returns the instant that a person means by a duration or a time, and raises WindmillError in
    words; `missing(execution)` returns the revision that has to be made available before it runs again exactly, ""
    for none, and raises WindmillError where its code is gone.

    `suspects(store, execution)` returns the commits that may have broken the job of an execution that failed, likely
    ones first: {commit, author, subject, at, touches}.

    `drafts` judges what the composer writes, and places it.

    `schemas()` returns the JSON Schemas of a job ("job") and of a project in windmill.toml ("project").

    `ground` tells of the machine and of what lies on its disk.

    `secret_key` signs what browsers keep for us. `access()` returns who may what, as settings say now;
    `claim(token)` the name of who made a one-time link, which then is used up, None for one that is no link. Without
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
    suspects: Callable[[Store, Document], list[Document]]
    schemas: Callable[[], Mapping[str, Document]]
    drafts: Drafts
    clock: Callable[[], datetime]
    secret_key: bytes
    access: Callable[[], Access] = Access
    claim: Callable[[str], str | None] = lambda _: None
    actions: bool = True
    ground: Ground = field(default_factory=Ground)
    trusted_hosts: tuple[str, ...] = ()
