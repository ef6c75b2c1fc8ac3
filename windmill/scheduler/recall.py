"""What the store ought to know and does not, and what it believes that nobody else does: found by looking at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

from windmill.core.documents import to_text
from windmill.core.entries import execution_of
from windmill.core.model import Execution
from windmill.core.ports import Frame, Store

_EVERY_SECONDS: Final = 5.0


class Newest(Protocol):
    """A journal that gives what is open without being read from its beginning."""

    def streams(self) -> list[str]:
        """Return the names of all streams."""

    def newest(self, stream: str) -> list[Frame]:
        """Return the frames of the newest segment, which begins with a record of everything that is open."""


class Recall:
    """Looks at the store now and then, on the recorder's thread, when everything in the journal is stored.

    `forgotten` is called when the store has lost the catalog it was given: another database is there, or an empty
    one. `lost` gets, once per database, the executions that are open there, were queued before `began`, and that
    nobody answers for: not among `known` (what journals and runners told at the start), named in no journal, and
    without a process, for which `alive` is asked and may raise OSError. They are looked at twice, because an end
    may have been on its way into the store. Neither callable may block.
    """

    def __init__(
        self,
        *,
        began: datetime,
        known: Collection[str],
        journal: Newest,
        alive: Callable[[Sequence[str]], Collection[str]],
        forgotten: Callable[[], None],
        lost: Callable[[list[Execution]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._began = to_text(began) or ""
        self._known, self._journal, self._alive = frozenset(known), journal, alive
        self._forgotten, self._lost = forgotten, lost
        self._monotonic = monotonic
        self._due = 0.0
        self._seen = ""  # when the catalog in the store was read
        self._suspects: Collection[str] | None = None  # None: this database was not looked at yet

    def step(self, store: Store) -> None:
        """Look, if it is time. Raises Unavailable."""
        moment = self._monotonic()
        if moment < self._due:
            return
        seen, self._seen = self._seen, str((store.status("catalog") or {}).get("at", ""))
        if self._seen:  # until there is one, its loss would not be noticed
            self._due = moment + _EVERY_SECONDS
        if self._seen < seen:
            self._suspects = None
            self._forgotten()
        if self._suspects is None:
            self._suspects = self._unknown(store).keys()
        elif self._suspects:
            unknown = self._unknown(store)
            confirmed = [unknown[identity] for identity in self._suspects if identity in unknown]
            self._suspects = ()
            if confirmed:
                self._lost(confirmed)

    def _unknown(self, store: Store) -> dict[str, Execution]:
        found: dict[str, Execution] = {}
        for document in store.open_executions():
            if document["queued_at"] < self._began and document["id"] not in self._known:
                with suppress(ValueError):  # it came with a dump, and means nothing
                    found[document["id"]] = execution_of(document)
        if not found:
            return {}
        named = {frame.execution for stream in self._journal.streams() for frame in self._journal.newest(stream)}
        try:
            answered_for = named | set(self._alive([identity for identity in found if identity not in named]))
        except OSError:  # the machine is too short of something to tell
            return {}
        return {identity: execution for identity, execution in found.items() if identity not in answered_for}
