"""The scheduler's own journal stream: records that have no process, and the state of every job.

A segment begins with the state of all jobs, so the newest segment alone tells where the scheduler stands. What
follows from a runner's journal is written lazily: replaying that journal from the mark gives it again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from windmill.core.definition import recorded
from windmill.core.documents import to_document
from windmill.core.model import TERMINAL, Execution, Job, is_system
from windmill.core.ports import Frame, JournalWriter, Kind, Position
from windmill.core.state import JobState, state_to_document
from windmill.scheduler.clock import to_ms

log = logging.getLogger("windmill.scheduler")

NOBODY = "0" * 16


class Ledger:
    """Collects frames during a turn and appends them with one write; what a full disk refuses waits in memory."""

    def __init__(self, open_writer: Callable[[Callable[[], Iterable[Frame]]], JournalWriter]) -> None:
        self._open_writer = open_writer
        self._writer: JournalWriter | None = None
        self._frames: list[Frame] = []
        self._full_since: datetime | None = None
        self._defined: dict[str, str] = {}  # key of a job -> digest of the definition noted last
        self.marks: dict[str, Position] = {}

    def open(self, states: Callable[[], Iterable[JobState]], now: Callable[[], datetime]) -> None:
        """Begin a segment; `states` gives the state of all jobs whenever one begins."""

        def checkpoint() -> Iterable[Frame]:
            at = to_ms(now())
            yield from (state_frame(state, at) for state in states())
            yield mark_frame(self.marks, at)

        self._writer = self._open_writer(checkpoint)

    @property
    def segment_start(self) -> Position:
        """The beginning of the newest segment: everything before it is not needed to come back."""
        return Position(self._position.segment, 0)

    @property
    def _position(self) -> Position:
        return self._writer.position if self._writer else Position(0, 0)

    def record(self, execution: Execution, now: datetime) -> None:
        """Note an execution that no runner records."""
        kind = Kind.END if execution.state in TERMINAL else Kind.RECORD
        self._frames.append(Frame(kind, execution.id, 0, 0, to_ms(now), _json(to_document(execution))))

    def definition(self, job: Job, now: datetime) -> None:
        """Note what the job's next execution runs with; nothing where its last one ran with the same."""
        if is_system(job.key) or self._defined.get(job.key) == job.digest:
            return
        self._defined[job.key] = job.digest
        self._frames.append(Frame(Kind.DEFINITION, NOBODY, 0, 0, to_ms(now), _json(recorded(job, now))))

    def forget_definitions(self) -> None:
        """Note the definition of every job again when it starts next: what was noted is in no store any more."""
        self._defined.clear()

    def states(self, states: Iterable[JobState], now: datetime, *, mark: bool) -> None:
        """Note states; with `mark`, also that everything up to the marks is contained in them."""
        at = to_ms(now)
        self._frames.extend(state_frame(state, at) for state in states)
        if mark:
            self._frames.append(mark_frame(self.marks, at))

    def write(self, now: datetime) -> bool:
        """Append what was noted; True when something was written. A full disk is said once and tried again."""
        if not self._frames or self._writer is None:
            return False
        try:
            self._writer.append(self._frames, urgent=any(frame.kind == Kind.END for frame in self._frames))
        except OSError as error:
            if self._full_since is None:
                self._full_since = now
                log.warning("cannot write the journal: %s", error.strerror, extra={"event": "journal.failed"})
            return False
        self._full_since = None
        self._frames = []
        return True

    def close(self) -> None:
        """Make everything written durable and let the stream go."""
        if self._writer is not None:
            self._writer.commit()
            self._writer.close(settled=False)
            self._writer = None


def state_frame(state: JobState, at: int) -> Frame:
    """Return the frame that carries one job's state."""
    return Frame(Kind.STATE, NOBODY, 0, 0, at, _json(state_to_document(state)))


def mark_frame(marks: Mapping[str, Position], at: int) -> Frame:
    """Return the frame that says up to where runners' frames are contained in the states before it."""
    return Frame(Kind.MARK, NOBODY, 0, 0, at, _json({stream: list(place) for stream, place in marks.items()}))


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
