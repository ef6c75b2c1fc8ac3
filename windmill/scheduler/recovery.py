"""What the scheduler knew, and what happened since: read from local files alone, so it works with the store away."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from windmill.core.documents import from_document
from windmill.core.model import Cause, Execution, State, execution_id
from windmill.core.ports import Frame, JournalReader, Kind, Position
from windmill.core.state import JobState, absorb, state_from_document

OWN_STREAM = "scheduler"


@dataclass(slots=True)
class Recovered:
    """The state of every job, and up to where each runner's stream is contained in it."""

    states: dict[str, JobState] = field(default_factory=dict)
    marks: dict[str, Position] = field(default_factory=dict)

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
        if frame.kind == Kind.STATE:
            state = state_from_document(json.loads(frame.payload))
            found.states[state.key] = state
        elif frame.kind == Kind.MARK:
            found.marks = {stream: Position(*place) for stream, place in json.loads(frame.payload).items()}
        elif frame.kind in {Kind.RECORD, Kind.END}:
            _apply(found.states, from_document(json.loads(frame.payload)))
    for stream in journal.streams():
        if stream != OWN_STREAM:
            found.marks[stream] = _replay(found.states, journal, stream, found.marks)
    return found


def _replay(
    states: dict[str, JobState], journal: JournalReader, stream: str, marks: Mapping[str, Position]
) -> Position:
    position = max(marks.get(stream, Position(0, 0)), journal.first(stream))
    while True:
        frames, after = journal.read(stream, position)
        for frame in frames:
            if frame.kind in {Kind.RECORD, Kind.END}:
                _apply(states, from_document(json.loads(frame.payload)))
        if after == position:
            return position
        position = after


def _apply(states: dict[str, JobState], execution: Execution) -> None:
    state = states.get(execution.job) or _unknown(execution)
    waiting = state.waiting
    if waiting is not None and execution.id == execution_id(state.key, cause=Cause.MANUAL, what=waiting.id):
        state = replace(state, waiting=None)  # what it asked for was started after the state was written down
    states[execution.job] = absorb(state, execution)


def _unknown(execution: Execution) -> JobState:
    """A job that only its executions tell of: its grid begins with the first of them."""
    seen: datetime = execution.queued_at
    return JobState(key=execution.job, first_seen=seen, covered=min(seen, execution.slot or seen))
