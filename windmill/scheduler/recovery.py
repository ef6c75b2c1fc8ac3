"""What the scheduler knew, and what happened since: read from local files alone, so it works with the store away."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from windmill.core.entries import document_in, execution_of
from windmill.core.model import Execution, State
from windmill.core.ports import Frame, JournalReader, Kind, Position
from windmill.core.state import JobState, absorb, asked_for, state_from_document

OWN_STREAM = "scheduler"

_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """The state of every job, and up to where each runner's stream is contained in it."""

    states: dict[str, JobState] = field(default_factory=dict)
    marks: dict[str, Position] = field(default_factory=dict)
    senseless: list[str] = field(default_factory=list)  # what was passed over, in words

    def add(self, frame: Frame) -> None:
        """Take over what an entry says; one that makes no sense must not hold up a start."""
        try:
            self._add(frame)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self.senseless.append(f"{frame.execution}: {error}")

    def _add(self, frame: Frame) -> None:
        if frame.kind == Kind.STATE:
            state = state_from_document(document_in(frame.payload))
            self.states[state.key] = state
        elif frame.kind == Kind.MARK:
            marks = document_in(frame.payload).items()
            self.marks |= {stream: Position(*map(int, place)) for stream, place in marks}
        elif frame.kind in {Kind.RECORD, Kind.END}:
            _apply(self.states, execution_of(document_in(frame.payload)))

    def open(self) -> frozenset[str]:
        """Return the executions that are open, or have ended without anybody having decided what follows."""
        return frozenset(state.open.id for state in self.states.values() if state.open is not None)

    def without_process(self, running: frozenset[str], now: datetime) -> list[Execution]:
        """End as lost what is said to run and no runner knows of (a journal was taken away); return these."""
        lost = [
            replace(state.open, state=State.LOST, reason="journal_gone", ended_at=now)
            for state in self.states.values()
            if state.open is not None and state.open.state is State.RUNNING and state.open.id not in running
        ]
        for execution in lost:
            self.states[execution.job] = absorb(self.states[execution.job], execution)
        return lost


def recover(own: Iterable[Frame], journal: JournalReader) -> Recovered:
    """Return what `own`, the frames of the newest segment of the scheduler's stream, and the runners' streams say.

    `own` begins with the state of all jobs. Runners' frames are read from the marks to their present ends.
    """
    found = Recovered()
    for frame in own:
        found.add(frame)
    for stream in journal.streams():
        if stream != OWN_STREAM:
            found.marks[stream] = _replay(found, journal, stream)
    if found.senseless:
        _LOG.warning(
            "%d entries of the journal make no sense and are passed over; the first is about %s",
            len(found.senseless),
            found.senseless[0],
        )
    return found


def _replay(found: Recovered, journal: JournalReader, stream: str) -> Position:
    position = max(found.marks.get(stream, Position(0, 0)), journal.first(stream))
    while True:
        frames, after = journal.read(stream, position)
        for frame in frames:
            found.add(frame)
        if after == position:
            return position
        position = after


def _apply(states: dict[str, JobState], execution: Execution) -> None:
    state = states.get(execution.job) or _unknown(execution)
    absorbed = absorb(state, execution)
    if asked_for(state, execution):  # it was started after the state was written down
        absorbed = replace(absorbed, waiting=None)
    states[execution.job] = absorbed


def _unknown(execution: Execution) -> JobState:
    """A job that only its executions tell of: its grid begins with the first of them."""
    seen: datetime = execution.queued_at
    return JobState(key=execution.job, first_seen=seen, covered=min(seen, execution.slot or seen))
