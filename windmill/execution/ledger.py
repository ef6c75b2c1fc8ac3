"""What the runner writes: the frames of one turn in one append, announced only once they are on the disk."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from windmill.core.documents import Document, to_text
from windmill.core.ports import Frame, Kind, Position
from windmill.execution.charge import Charge
from windmill.execution.frames import FRAME_SIZE
from windmill.execution.journal import Writer

COMMIT_EVERY: Final = 0.05  # seconds
WRITE_AGAIN: Final = 0.25  # seconds between attempts on a disk that takes not even an end

Announce = Callable[[Frame, Position], None]
Entry = tuple[Kind, Charge]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Ledger:
    """Gathers frames until `write`; keeps records and ends, but not output, while the disk takes nothing.

    A record or end is encoded when it is written, so that an end counts the output lost just before it. Each is
    announced once, after the commit, in the order of the journal and with the position right behind it.
    """

    def __init__(self, writer: Writer, *, now_ms: Callable[[], int], announce: Announce) -> None:
        self._writer = writer
        self._now_ms = now_ms
        self._announce = announce
        self._output: list[tuple[Charge, list[Frame]]] = []
        self._entries: list[Entry] = []
        self._written: list[tuple[Frame, Position]] = []  # not announced yet
        self._committed = 0.0
        self._dirty = False
        self._ends = False  # among what was written
        self._stuck_until = 0.0

    @property
    def patience(self) -> float:
        """Seconds until `settle` has something to do."""
        if self._entries or self._ends:
            return WRITE_AGAIN
        return COMMIT_EVERY if self._dirty else math.inf

    @property
    def idle(self) -> bool:
        """True when every record and end handed in is on the disk and announced."""
        return not self._entries and not self._written

    def output(self, charge: Charge, frames: list[Frame]) -> None:
        """Take output and drops of an execution."""
        if frames:
            self._output.append((charge, frames))

    def enter(self, kind: Kind, charge: Charge) -> None:
        """Take the execution's record or end; `charge.written` is called when it has been written."""
        self._entries.append((kind, charge))

    def withdraw(self, charge: Charge) -> None:
        """Forget the execution's record, if it has not been written so far."""
        self._entries = [entry for entry in self._entries if entry[1] is not charge]

    def settle(self) -> None:
        """Write; commit when an end is to be announced or the last commit is 50 ms ago; announce.

        Records wait for company, so that a short execution costs one commit: nobody acts on a start.
        """
        self._write()
        if not self._ends and not (self._dirty and time.monotonic() >= self._committed + COMMIT_EVERY):
            return
        try:
            self._writer.commit()
        except OSError:
            return  # the next turn tries again; nothing is announced before
        self._committed = time.monotonic()
        self._dirty = self._ends = False
        written, self._written = self._written, []
        for frame, position in written:
            self._announce(frame, position)

    def _write(self) -> None:
        """Write what was gathered. Output that finds no room is counted as lost; records and ends wait."""
        if not self._output and (not self._entries or time.monotonic() < self._stuck_until):
            return
        output = [frame for _, frames in self._output for frame in frames]
        if not self._append(output, self._entries):
            for charge, frames in self._output:
                charge.lost(sum(len(frame.payload) for frame in frames if frame.kind == Kind.OUTPUT))
            drops = [frame for frame in output if frame.kind == Kind.DROP]
            if (drops or self._entries) and not self._append(
                drops, self._entries
            ):  # a journal at its limit refuses output alone
                self._write_ends()
        self._output.clear()

    def _write_ends(self) -> None:
        """Write ends, which may use the reserve; records wait, as nothing should start on a full disk."""
        ends = [entry for entry in self._entries if entry[0] is Kind.END]
        if ends and not self._append([], ends, urgent=True):
            self._stuck_until = time.monotonic() + WRITE_AGAIN

    def _append(self, output: list[Frame], entries: list[Entry], *, urgent: bool = False) -> bool:
        at = self._now_ms()
        frames = [record(kind, charge, at) for kind, charge in entries]
        try:
            self._writer.append(output + frames, urgent=urgent)
        except OSError:
            return False
        self._dirty = True
        self._ends = self._ends or any(kind is Kind.END for kind, _ in entries)
        self._written += placed(frames, self._writer.position)
        kinds = {kind for kind, _ in entries}  # all there are, or the ends alone
        self._entries = [entry for entry in self._entries if entry[0] not in kinds]
        for _, charge in entries:
            charge.written()
        return True


def record(kind: Kind, charge: Charge, at: int, document: Document | None = None) -> Frame:
    """Return the frame of an execution, with its present document unless another is given."""
    payload = json.dumps(document or charge.document, separators=(",", ":")).encode()
    return Frame(kind, charge.id, 0, 0, at, payload)


def placed(frames: Sequence[Frame], end: Position) -> Iterator[tuple[Frame, Position]]:
    """Yield the frames of one segment that end at `end`, each with the position right behind it."""
    offset = end.offset - sum(FRAME_SIZE + len(frame.payload) for frame in frames)
    for frame in frames:
        offset += FRAME_SIZE + len(frame.payload)
        yield frame, Position(end.segment, offset)


def instant(now_ms: int) -> str:
    """Return milliseconds since the epoch as documents have instants."""
    return to_text(_EPOCH + timedelta(milliseconds=now_ms)) or ""
