"""Which of the waiting executions may start now: whoever became due first, then by job name, so that none starves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final, NamedTuple

from windmill.core.model import Execution

POINT: Final = timedelta(minutes=1)  # of waiting: what a point of priority is worth


class Waiting(NamedTuple):
    """An execution in the order in which they start. `rank` is when it became due, less what its priority is worth.

    As priorities are bounded, what waits long enough is before everything that comes later.
    """

    rank: datetime
    job: str
    id: str
    group: str  # "" for none


class Queue:
    """The executions held by a cap."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}  # by id
        self._heaps: dict[
            str, list[Waiting]
        ] = {}  # by group; what is not waiting any more is dropped when it is first

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, execution: Execution, *, group: str = "", priority: int = 0) -> None:
        """Add a queued execution; adding it again moves it where its group and priority say now."""
        rank = (execution.slot or execution.queued_at) - priority * POINT
        waiting = Waiting(rank, execution.job, execution.id, group)
        if self._waiting.get(execution.id) != waiting:
            self._waiting[execution.id] = waiting
            heappush(self._heaps.setdefault(group, []), waiting)

    def discard(self, identity: str) -> None:
        """Forget an execution that will not start; unknown ones are ignored."""
        self._waiting.pop(identity, None)

    def take(self, places: int, room: Mapping[str, int] | None = None) -> list[str]:
        """Return the keys of the jobs that may start, in order, at most `places`; they are not waiting any more.

        `room` says of how many places of a group are free; a group that is not in it has no cap of its own.
        """
        left, taken = dict(room or {}), list[str]()
        while len(taken) < places and (first := self._first(left)) is not None:
            heappop(self._heaps[first.group])
            del self._waiting[first.id]
            taken.append(first.job)
            if first.group in left:
                left[first.group] -= 1
        return taken

    def _first(self, left: Mapping[str, int]) -> Waiting | None:
        return min(
            (head for group in self._heaps if left.get(group, 1) > 0 and (head := self._head(group))), default=None
        )

    def _head(self, group: str) -> Waiting | None:
        heap = self._heaps[group]
        while heap and self._waiting.get(heap[0].id) != heap[0]:
            heappop(heap)
        return heap[0] if heap else None

    def job_of(self, identity: str) -> str | None:
        """Return the key of the job whose waiting execution this is, or None."""
        waiting = self._waiting.get(identity)
        return waiting.job if waiting else None

    def line(self) -> list[Waiting]:
        """Return all that wait, in the order in which they would start if every group had room."""
        return sorted(self._waiting.values())
