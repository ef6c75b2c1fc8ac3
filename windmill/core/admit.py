"""Which of the waiting executions may start now."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest

from windmill.core.model import Execution


def admit(waiting: Iterable[Execution], *, running: int, max_running: int) -> list[Execution]:
    """Return the executions to start, in order: at most `max_running` with those running already.

    Whoever became due first goes first, then by job name, so none starves: what comes later is due later.
    """
    places = max_running - running
    return nsmallest(places, waiting, key=lambda one: (one.slot or one.queued_at, one.job)) if places > 0 else []
