"""What the dashboard is given: everything it knows of the world outside comes through here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from windmill.core.documents import Document
from windmill.core.ports import Store

Starts = Callable[[Document, datetime], Iterable[datetime]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`open_store(readonly)` opens the store anew; it belongs to one request, which closes it.

    `webhook_secret(project)` returns the secret that pushes to the project are signed with, None where there is no
    such project or no secret; it raises WindmillError where the secret cannot be read. `starts(job, now)` yields when
    a job's document is due from now on, in the zone of its schedule, perhaps without end. `trusted_hosts` are the
    names, beside those of loopback, under which the dashboard may be asked for.
    """

    version: str
    home: str
    open_store: Callable[[bool], Store]
    webhook_secret: Callable[[str], str | None]
    starts: Starts
    clock: Callable[[], datetime]
    trusted_hosts: tuple[str, ...] = ()
