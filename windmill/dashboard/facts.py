"""What the dashboard is given: everything it knows of the world outside comes through here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from windmill.core.documents import Document
from windmill.core.ports import Store

NextStart = Callable[[Document, datetime], datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`open_store(readonly)` opens the store anew; it belongs to one request, which closes it.

    `webhook_secret(project)` returns the secret that pushes to the project are signed with, None where there is no
    such project or no secret; it raises WindmillError where the secret cannot be read. `next_start(job, now)`
    returns when a job's document is due next. `trusted_hosts` are the names, beside those of loopback, under which
    the dashboard may be asked for.
    """

    version: str
    home: str
    open_store: Callable[[bool], Store]
    webhook_secret: Callable[[str], str | None]
    next_start: NextStart
    clock: Callable[[], datetime]
    trusted_hosts: tuple[str, ...] = ()
