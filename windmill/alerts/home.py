"""What is not about one job: whether the scheduler lives, and whether projects can be brought up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from windmill.alerts import rules
from windmill.alerts.rules import Alert, Memory, Rule
from windmill.core.documents import Document, from_text

SILENT: Final = timedelta(seconds=60)  # without a heartbeat; they come every two seconds
SILENT_LOOKS: Final = 10  # that see the same heartbeat: a machine that wakes up shows an old one first
UNREACHABLE: Final = timedelta(minutes=5)  # that a source may be away before anybody is told
SCHEDULER: Final = "scheduler"


class HomeWatch:
    """Made from the document it wrote."""

    def __init__(self, known: list[Document]) -> None:
        self._memory = {one["about"]: rules.memory_from_document(one) for one in known}
        self._bad_since: dict[str, datetime] = {}  # by project
        self._beat: str | None = None
        self._looks = 0  # at the same heartbeat

    def to_document(self) -> list[Document]:
        """Return what is to be remembered."""
        return [{"about": about} | rules.memory_to_document(known) for about, known in self._memory.items() if known]

    def hears(self, beat: Document | None, now: datetime) -> bool:
        """Return True while the scheduler shows signs of life."""
        at = from_text(beat["at"]) if beat else None
        return at is not None and now - at < SILENT and not (beat or {}).get("left")

    def look(self, beat: Document | None, projects: Document | None, now: datetime) -> list[Alert]:
        """Return what is new, by the status documents of the scheduler and of projects."""
        known = {one["id"]: one for one in (projects or {}).get("projects", ())}
        return [*self._of_scheduler(beat, now), *self._of_projects(known, now)]

    def _of_scheduler(self, beat: Document | None, now: datetime) -> tuple[Alert, ...]:
        if beat is None or beat.get("left"):
            return ()
        self._looks = self._looks + 1 if beat["at"] == self._beat else 0
        self._beat = beat["at"]
        silent = not self.hears(beat, now) and self._looks >= SILENT_LOOKS
        if not silent and not self.hears(beat, now):
            return ()
        since = from_text(beat["at"]) if silent else None
        return self._judge(Rule.SILENT, SCHEDULER, since, now, "no sign of life from the scheduler")

    def _of_projects(self, projects: Mapping[str, Document], now: datetime) -> Iterator[Alert]:
        for name in [name for name in self._memory if name != SCHEDULER and name not in projects]:
            del self._memory[name]
        for name, project in projects.items():
            if project["sync"] not in {"error", "held"}:
                self._bad_since.pop(name, None)
                yield from self._judge(Rule.SYNC, name, None, now, "")
                continue
            since = self._bad_since.setdefault(name, now)
            if not project["unreachable"] or now - since >= UNREACHABLE:
                yield from self._judge(Rule.SYNC, name, since, now, str(project["error"]))

    def _judge(self, rule: Rule, about: str, since: datetime | None, now: datetime, detail: str) -> tuple[Alert, ...]:
        known = self._memory.get(about, Memory())
        memory, alerts = rules.of_home(known, rule, about, since=since, now=now, detail=detail)
        self._memory[about] = memory
        return alerts
