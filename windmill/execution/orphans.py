"""Executions whose runner died: their processes are removed, then they end as lost."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from windmill.core.documents import Document, flaw
from windmill.core.entries import document_in
from windmill.core.model import State
from windmill.core.ports import Frame, Kind
from windmill.execution import tree
from windmill.execution.host import Host
from windmill.execution.journal import Reader
from windmill.execution.ledger import instant

KILLED: Final = "runner_killed"
REBOOT: Final = "reboot"

_PAUSE: Final = 0.02  # seconds between looks, doubled up to
_PAUSE_MAX: Final = 1.0
_LOCK_WAIT: Final = 5.0  # seconds a dying writer gets to let go of its lock


class Orphan:
    """One execution of a dead runner. It counts as running until its processes are proven gone."""

    def __init__(self, document: Document, *, reason: str, host: Host) -> None:
        self.id: str = document["id"]
        self.job: str = document["job"]
        self.document = document
        self.subject = tree.Subject(self.id, f"{self.id}@{host.home}")
        self.mark = tree.marker(self.subject.cookie)
        self.due: float | None = 0.0
        self._reason = reason
        self._host = host
        self._pause = _PAUSE

    def asks(self, adopted: Collection[str] | None) -> bool:
        """Return True: only a census tells what is left, except after a reboot."""
        return self._reason != REBOOT

    def look(self, left: Sequence[tree.Found]) -> None:
        """Kill what is left; enter the end when nothing is."""
        if left:
            tree.kill(self.subject, left)
            self.due = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _PAUSE_MAX)
            self._host.loop.wait_for(self)
            return
        self.due = None
        lost = {"state": str(State.LOST), "reason": self._reason, "ended_at": instant(self._host.now_ms())}
        self.document = self.document | lost
        self._host.ledger.enter(Kind.END, self)

    def stop(self, by: str) -> None:
        """Change nothing: it is being removed already."""

    def checkpoint(self) -> Document | None:
        """Return None: its record stands in the dead runner's stream, which is not settled before its end."""

    def flush(self) -> None:
        """Do nothing, like `lost`: there is no output any more."""

    def lost(self, size: int) -> None:
        """Count nothing."""

    def written(self) -> None:
        """Be over."""
        del self._host.open[self.id]


def find(reader: Reader, streams: Iterable[str], *, boot_id: str) -> tuple[dict[str, tuple[Document, str]], set[str]]:
    """Return what dead runners left open, as {id: (document, reason)}, and all ids their journals still name.

    Waits for writers that are still dying.
    """
    found: dict[str, tuple[Document, str]] = {}
    named: set[str] = set()
    ended: set[str] = set()
    for stream in streams:
        _wait_for_the_end(reader, stream)
        frames = reader.newest(stream)
        reason = KILLED if reader.boot_id(stream) == boot_id else REBOOT
        found |= {execution: (document, reason) for execution, document in _open(frames).items()}
        named.update(frame.execution for frame in frames if frame.kind in {Kind.RECORD, Kind.END})
        ended.update(frame.execution for frame in frames if frame.kind == Kind.END)
    return {execution: left for execution, left in found.items() if execution not in ended}, named


def _open(frames: Iterable[Frame]) -> dict[str, Document]:
    """Return the documents of executions that have a record and no end among the frames.

    A record that makes no sense is passed over: nobody could say what it is about.
    """
    found: dict[str, Document] = {}
    for frame in frames:
        if frame.kind == Kind.RECORD:
            document = document_in(frame.payload)
            if reason := flaw(document):
                print(f"the record of {frame.execution} is passed over: {reason}", file=sys.stderr)  # noqa: T201 - into runner.err
            else:
                found[frame.execution] = document
        elif frame.kind == Kind.END:
            found.pop(frame.execution, None)
    return found


def _wait_for_the_end(reader: Reader, stream: str) -> None:
    deadline = time.monotonic() + _LOCK_WAIT
    while reader.alive(stream) and time.monotonic() < deadline:
        time.sleep(0.002)
