"""Which of the waiting executions may start now: whoever became due first, then by job name, so that none starves."""

from __future__ import annotations

from datetime import datetime
from heapq import heappop, heappush

from windmill.core.model import Execution


class Queue:
    """The ids of executions held by a cap. What comes later is due later, so everything added is taken in time."""

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}  # id -> key of the job
        self._heap: list[tuple[datetime, str, str]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, execution: Execution) -> None:
        """Add a queued execution; adding it again changes nothing."""
        if execution.id not in self._keys:
            self._keys[execution.id] = execution.job
            heappush(self._heap, (execution.slot or execution.queued_at, execution.job, execution.id))

    def discard(self, identity: str) -> None:
        """Forget an execution that will not start; unknown ones are ignored."""
        self._keys.pop(identity, None)

    def take(self, places: int) -> list[str]:
        """Return the keys of the jobs that may start, in order, at most `places`; they are not waiting any more."""
        taken: list[str] = []
        while self._keys and len(taken) < places:
            _, _, identity = heappop(self._heap)
            if key := self._keys.pop(identity, None):
                taken.append(key)
        return taken

    def job_of(self, identity: str) -> str | None:
        """Return the key of the job whose waiting execution this is, or None."""
        return self._keys.get(identity)

    def jobs(self) -> list[str]:
        """Return the keys of all jobs that wait, in no order."""
        return list(self._keys.values())
