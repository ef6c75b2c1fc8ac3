"""Looks at the sources of all projects, cheaply and each in its time, and asks for a sync where one changed."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from queue import SimpleQueue
from typing import Final

from windmill.core.documents import Document, from_text, to_text
from windmill.core.errors import WindmillError
from windmill.projects.fingerprint import fingerprint
from windmill.projects.known import Kind, Project
from windmill.projects.published import Outcome, Published

log = logging.getLogger("windmill.projects")

# All in seconds.
LOCAL_POLL: Final = 2.0  # of files under projects/: one stat each
LONGEST_BACK_OFF: Final = 3600.0
LONGEST_PAUSE: Final = 2.0  # between looks for projects that came or went

LOOKS_AT_ONCE: Final = 4  # so that a server that hangs holds up no other


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was last seen of a source. `failures` in a row lengthen the time to the next look."""

    project: str
    fingerprint: str = ""
    error: str = ""
    failures: int = 0
    asked: int = 0  # how often a sync to this very fingerprint was asked for
    seen_at: datetime | None = None
    next_at: datetime | None = None
    due: float = 0.0  # by the monotonic clock, as the next one
    ask_due: float = 0.0  # before it no sync to the same fingerprint is asked for again


class Poller:
    """Runs on a thread of its own from `start` to `stop`.

    `projects` and `published` answer with what is known now; `ask(project)` asks for a sync, or returns False where
    it cannot be asked for yet; it must not block; `busy(project)` says that one runs;
    `tell(documents)` gets one document per project that syncs whenever something about one changed. A source whose
    state was attempted is not asked for again; one that was asked for and left no trace is, later and later.
    """

    def __init__(
        self,
        *,
        projects: Callable[[], Mapping[str, Project]],
        published: Callable[[Project], Published],
        ask: Callable[[str], bool],
        busy: Callable[[str], bool] = lambda _: False,
        tell: Callable[[list[Document]], None],
        clock: Callable[[], datetime],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._projects, self._published = projects, published
        self._ask, self._busy, self._tell = ask, busy, tell
        self._clock = clock
        self._environ = environ
        self._sights: dict[str, Sight] = {}
        self._told: list[Document] = []
        self._wake = threading.Event()
        self._pokes: SimpleQueue[str] = SimpleQueue()
        self._wanted: set[str] = set()  # to be looked at out of turn
        self._looking: set[str] = set()
        self._looked: SimpleQueue[Sight] = SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="windmill-poller", daemon=True)

    def start(self) -> None:
        """Begin; every source is looked at once at once."""
        self._thread.start()

    @property
    def settled(self) -> bool:
        """True when every source has been looked at and no sync is due for what was seen, or it cannot be seen."""
        for name, project in self._projects().items():
            sight = self._sights.get(name)
            if project.syncs and (sight is None or not (sight.error or sight.fingerprint)):
                return False
            if project.syncs and sight is not None and not sight.error:
                known = self._published(project)
                if self._busy(name) or not (_up_to_date(known, sight) or known.trouble):
                    return False
        return True

    def poke(self, project: str = "") -> None:
        """Look at this project's source now, or at all. Never blocks."""
        self._pokes.put(project)
        self._wake.set()

    def stop(self, timeout: float | None = None) -> None:
        """End, waiting `timeout` seconds at most for a look that is under way."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self._round()
            except Exception:
                log.exception("looking at the projects' sources failed", extra={"event": "poll.failed"})
            self._wake.wait(LONGEST_PAUSE)

    def _round(self) -> None:
        projects = {name: project for name, project in self._projects().items() if project.syncs}
        while not self._looked.empty():
            sight = self._looked.get()
            self._looking.discard(sight.project)
            self._sights[sight.project] = self._judged(projects.get(sight.project), sight)
        self._sights = {name: self._sights.get(name, Sight(project=name)) for name in projects}
        while not self._pokes.empty():
            self._wanted |= {self._pokes.get()}
        self._wanted = set(projects) if "" in self._wanted else self._wanted & projects.keys()
        for name, project in projects.items():
            wanted = name in self._wanted or time.monotonic() >= self._sights[name].due
            if wanted and name not in self._looking and len(self._looking) < LOOKS_AT_ONCE:
                self._wanted.discard(name)
                self._looking.add(name)
                threading.Thread(target=self._look, args=(project, self._sights[name]), daemon=True).start()
        self._describe(projects)

    def _describe(self, projects: Mapping[str, Project]) -> None:
        documents = [
            describe(project, self._published(project), self._sights[name]) for name, project in projects.items()
        ]
        if documents != self._told:
            self._told = documents
            self._tell(documents)

    def _look(self, project: Project, before: Sight) -> None:
        """Look at one source, on a thread of its own: a server may take its time to answer."""
        try:
            seen = fingerprint(project, self._environ)
            sight = replace(before, fingerprint=seen, error="", failures=0, seen_at=self._clock())
        except WindmillError as error:
            sight = replace(before, error=error.message, failures=before.failures + 1)
        except Exception as error:
            log.exception("looking at %s failed", project.name, extra={"event": "poll.failed"})
            sight = replace(before, error=type(error).__name__, failures=before.failures + 1)
        if sight.error and sight.error != before.error:
            log.warning("%s: %s", project.name, sight.error, extra={"event": "poll.unreachable"})
        if sight.fingerprint != before.fingerprint:
            sight = replace(sight, asked=0, ask_due=0.0)
        self._looked.put(sight)
        self._wake.set()

    def _judged(self, project: Project | None, sight: Sight) -> Sight:
        """Return when to look again, having asked for a sync where one is due.

        A server that cannot be reached is looked at less and less often; one that can be is looked at in its time,
        also while what it holds is asked for less and less often because syncs come to nothing.
        """
        if project is None:
            return sight
        poll = project.settings.poll.total_seconds() if project.kind is Kind.GIT else LOCAL_POLL
        instant = time.monotonic()
        due = not sight.error and not _up_to_date(self._published(project), sight) and instant >= sight.ask_due
        if due and not self._busy(project.name):
            if not self._ask(project.name):
                return replace(sight, due=instant + LONGEST_PAUSE)
            sight = replace(sight, asked=sight.asked + 1, ask_due=instant + _back_off(poll, sight.asked))
        seconds = _back_off(poll, sight.failures)
        return replace(sight, next_at=self._clock() + timedelta(seconds=seconds), due=instant + seconds)


def _back_off(poll: float, times: int) -> float:
    """Return the seconds until something is tried again that came to nothing so many times."""
    return min(poll * 2.0 ** min(times, 32), max(poll, LONGEST_BACK_OFF))


def describe(project: Project, known: Published, sight: Sight) -> Document:
    """Return the project as people are shown it: what is live, what was tried last, and how its source stands to it.

    `sync` is synced, behind, held, error or unknown, as Argo CD separates it from health.
    """
    attempted, applied = known.attempted, known.applied
    return {
        "id": project.name,
        "kind": str(project.kind),
        "ref": project.settings.ref if project.kind is Kind.GIT else "",
        "path": project.settings.path,
        "sync": _sync(known, sight),
        "error": sight.error or known.trouble or (attempted.error if attempted else ""),
        "seen": sight.fingerprint,
        "unreachable": sight.error,
        "seen_at": to_text(sight.seen_at),
        "next_poll": to_text(sight.next_at),
        "applied": {
            "revision": applied.name,
            "author": applied.author,
            "subject": applied.subject,
            "committed_at": applied.committed_at,
            "published_at": applied.published_at,
            "environment": applied.environment,
        }
        if applied
        else None,
        "attempted": {
            "revision": attempted.revision,
            "at": attempted.at,
            "outcome": str(attempted.outcome),
            "error": attempted.error,
            "problems": len(attempted.problems),
            "removes": list(attempted.removes),
        }
        if attempted
        else None,
        "recent": list(known.recent),
    }


def sight_of(document: Document) -> Sight:
    """Return what was seen of the source when the document was told."""
    return Sight(
        project=document["id"],
        fingerprint=document["seen"],
        error=document["unreachable"],
        seen_at=from_text(document["seen_at"]),
        next_at=from_text(document["next_poll"]),
    )


def _up_to_date(known: Published, sight: Sight) -> bool:
    """Return True when what was seen was attempted, and what is live is there."""
    seen = known.attempted is not None and known.attempted.fingerprint == sight.fingerprint
    return seen and (known.applied is None or known.applied.on_disk)


def _sync(known: Published, sight: Sight) -> str:
    attempted = known.attempted
    if sight.error:
        return "error"
    if not sight.fingerprint:
        return "unknown"
    if attempted is None or not _up_to_date(known, sight):
        return "error" if known.trouble else "behind"
    return {Outcome.PUBLISHED: "synced", Outcome.HELD: "held", Outcome.REFUSED: "error"}[attempted.outcome]
