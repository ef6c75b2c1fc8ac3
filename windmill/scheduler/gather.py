"""Journal frames into one batch for the store: joined output, one document per execution, nothing dropped twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from windmill.core.documents import Document, definition_flaw, flaw
from windmill.core.model import State
from windmill.core.ports import Batch, Drop, Frame, Kind, OutputBlock

_BLOCK_BYTES: Final = 256 << 10
_RANK: Final = {State.QUEUED: 0, State.RUNNING: 1}
_TERMINAL: Final = 2


class Cuts:
    """What the journal said is no longer kept, joined per execution over its whole life.

    A job that writes without end drops frame after frame, each smaller than a stored block: only their union
    covers whole blocks.
    """

    def __init__(self) -> None:
        self._ranges: dict[str, Drop] = {}

    def add(self, drop: Drop) -> Drop:
        """Return the drop widened by what was dropped next to it before."""
        known = self._ranges.get(drop.execution)
        if known and drop.first <= known.last + 1 and known.first <= drop.last + 1:
            first, last = min(known.first, drop.first), max(known.last, drop.last)
            drop = Drop(execution=drop.execution, first=first, last=last)
        self._ranges[drop.execution] = drop
        return drop

    def forget(self, executions: Iterable[str]) -> None:
        """Let go of executions that have ended."""
        for execution in executions:
            self._ranges.pop(execution, None)


class Flaw(NamedTuple):
    """A frame that is passed over, because no store could keep what it says."""

    execution: str
    reason: str
    payload: bytes


class Gatherer:
    """Collects the frames of one round; `stored_up_to(execution)` is the last output frame the store has already.

    After `batch`, `flaws` are the frames that were passed over.
    """

    def __init__(self, stored_up_to: Callable[[str], int], cuts: Cuts) -> None:
        self._stored_up_to = stored_up_to
        self._cuts = cuts
        self.flaws: list[Flaw] = []
        self._records: dict[str, list[bytes]] = {}
        self._ends: dict[str, list[bytes]] = {}
        self._open: dict[str, list[Frame]] = {}  # per execution, the frames of the block that may still grow
        self._open_bytes: dict[str, int] = {}
        self._blocks: list[OutputBlock] = []
        self._drops: dict[str, Drop] = {}
        self._definitions: list[Document] = []

    def add(self, frames: Iterable[Frame]) -> None:
        """Take the frames of one stream, in order; kinds only the scheduler reads are passed over."""
        for frame in frames:
            kind = frame.kind
            if kind == Kind.OUTPUT:
                self._add_output(frame)
            elif kind == Kind.END:
                self._ends.setdefault(frame.execution, []).append(frame.payload)
            elif kind == Kind.RECORD:
                self._records.setdefault(frame.execution, []).append(frame.payload)
            elif kind == Kind.DROP:
                self._add_drop(frame)
            elif kind == Kind.DEFINITION:
                self._add_definition(frame)

    def batch(self) -> Batch:
        """Return what was collected; of an execution only its most advanced document."""
        for execution in list(self._open):
            self._close(execution)
        return Batch(
            executions=self._documents(),
            output=[block for block in self._blocks if not self._dropped(block)] if self._drops else self._blocks,
            drops=list(self._drops.values()),
            definitions=self._definitions,
        )

    def ended(self) -> Iterable[str]:
        """Return the executions whose end was among the frames."""
        return self._ends.keys()

    def _add_output(self, frame: Frame) -> None:
        execution = frame.execution
        if frame.sequence <= self._stored_up_to(execution):
            return
        size = len(frame.payload)
        block = self._open.get(execution)
        if block:
            last = block[-1]
            joins = last.stream == frame.stream and last.sequence + 1 == frame.sequence
            if joins and self._open_bytes[execution] + size <= _BLOCK_BYTES:
                block.append(frame)
                self._open_bytes[execution] += size
                return
            self._close(execution)
        self._open[execution] = [frame]
        self._open_bytes[execution] = size

    def _close(self, execution: str) -> None:
        frames = self._open.pop(execution)
        first = frames[0]
        data = first.payload if len(frames) == 1 else b"".join([frame.payload for frame in frames])
        self._blocks.append(OutputBlock(execution, first.sequence, frames[-1].sequence, first.stream, first.at, data))

    def _add_drop(self, frame: Frame) -> None:
        dropped = self._parsed(frame.execution, frame.payload)
        if dropped is None:
            return
        first, last = dropped.get("first"), dropped.get("last")
        if isinstance(first, int) and isinstance(last, int):
            drop = Drop(execution=frame.execution, first=first, last=last)
            self._drops[frame.execution] = self._cuts.add(drop)
        else:
            self.flaws.append(Flaw(frame.execution, "first and last are not numbers", frame.payload))

    def _add_definition(self, frame: Frame) -> None:
        definition = self._parsed(frame.execution, frame.payload)
        if definition is None:
            return
        if reason := definition_flaw(definition):
            self.flaws.append(Flaw(frame.execution, reason, frame.payload))
        else:
            self._definitions.append(definition)

    def _dropped(self, block: OutputBlock) -> bool:
        drop = self._drops.get(block.execution)
        return drop is not None and drop.first <= block.first and block.last <= drop.last

    def _documents(self) -> list[Document]:
        found = []
        for execution in self._ends | self._records:
            document = self._end(execution) or self._most_advanced(execution)
            if document is not None:
                found.append(document)
        return found

    def _end(self, execution: str) -> Document | None:
        """Return the first end that can be stored."""
        documents = (self._execution(execution, payload) for payload in self._ends.get(execution, ()))
        return next((document for document in documents if document is not None), None)

    def _most_advanced(self, execution: str) -> Document | None:
        """Return the document of the highest state; the latest of equals, but the first that is terminal."""
        best: Document | None = None
        for payload in self._records.get(execution, ()):
            document = self._execution(execution, payload)
            if document is not None and (best is None or _supersedes(document, best)):
                best = document
        return best

    def _execution(self, execution: str, payload: bytes) -> Document | None:
        document = self._parsed(execution, payload)
        if document is not None and (reason := flaw(document)):
            self.flaws.append(Flaw(execution, reason, payload))
            return None
        return document

    def _parsed(self, execution: str, payload: bytes) -> Document | None:
        """Return the JSON object of a frame; one bad frame must not hold up all that follow."""
        try:
            document = json.loads(payload)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            return document
        self.flaws.append(Flaw(execution, "not a JSON object", payload))
        return None


def _supersedes(document: Document, best: Document) -> bool:
    rank, best_rank = (_RANK.get(one["state"], _TERMINAL) for one in (document, best))
    return best_rank != _TERMINAL and rank >= best_rank
