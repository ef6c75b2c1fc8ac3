"""The poller beside a scheduler: what is asked for when a source changed, and when all of it has been taken over."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Protocol

from windmill.app.catalog import HomeCatalog
from windmill.core.documents import Document
from windmill.core.model import SYNC, Catalog, is_system
from windmill.projects.known import Project
from windmill.projects.poller import Poller
from windmill.scheduler import clock
from windmill.scheduler.inbox import Inbox, Requested


class Serving(Protocol):
    """What pulling needs of a scheduler."""

    inbox: Inbox

    def tell(self, name: str, status: Document) -> None:
        """Leave a status document for the store."""

    def runs(self, job: str) -> bool:
        """Return True while an execution of the job runs."""


class Pulling:
    """Looks at the sources of all projects from `start` to `stop`. `look` has the job files read again."""

    def __init__(self, reader: HomeCatalog, look: Callable[[], None]) -> None:
        self._reader, self._look = reader, look
        self._delivered: Catalog | None = None
        self._projects: Mapping[str, Project] = {}
        self._scheduler: Serving | None = None
        self._poller = Poller(
            projects=self._all,
            published=reader.projects.live,
            ask=self._ask,
            busy=lambda project: self._scheduler is not None and self._scheduler.runs(f"{project}/{SYNC}"),
            tell=self._tell,
            clock=clock.now,
        )
        self.poke = self._poller.poke
        self.stop = self._poller.stop

    def start(self, scheduler: Serving) -> None:
        """Begin."""
        self._scheduler = scheduler
        self._poller.start()

    def delivered(self, catalog: Catalog) -> None:
        """Note what the scheduler was given last."""
        self._delivered = catalog

    @property
    def settled(self) -> bool:
        """True when every source was looked at, no sync is due, and the scheduler has what was published."""
        if self._delivered is None or not self._poller.settled:
            return False
        for name, project in self._reader.projects.all().items():
            applied = self._reader.projects.live(project).applied if project.syncs else None
            place = self._delivered.locations.get(name)
            if applied is not None and (place is None or place.root != applied.root):
                return False
        return True

    def _all(self) -> Mapping[str, Project]:
        projects = self._reader.projects.all()
        if projects != self._projects:  # hints may come late or never
            self._projects = projects
            self._look()
        return projects

    def _ask(self, project: str) -> bool:
        key = f"{project}/{SYNC}"
        if self._scheduler is None or self._delivered is None or key not in filter(is_system, self._delivered.jobs):
            self._look()
            return False
        request = {"id": uuid.uuid4().hex, "kind": "run", "job": key, "by": "poll"}
        self._scheduler.inbox.put(Requested([request]))
        return True

    def _tell(self, documents: list[Document]) -> None:
        if self._scheduler is not None:
            self._scheduler.tell("projects", {"id": "projects", "projects": documents})
