"""Descriptors and timers of the runner's one thread."""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable
from typing import Final

from windmill.execution.charge import Charge

_TIMERS_MIN: Final = 256


class Loop:
    """An epoll instance with a callback per descriptor, and a heap of executions that wait for an instant."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, int, Charge]] = []
        self._count = 0
        self._room = _TIMERS_MIN

    def watch(self, fd: int, callback: Callable[[], None], *, write: bool = False) -> None:
        """Call `callback` whenever `fd` is readable, or also when it is writable."""
        events = select.EPOLLIN | (select.EPOLLOUT if write else 0)
        if fd in self._callbacks:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor that stays open."""
        if self._callbacks.pop(fd, None):
            self._epoll.unregister(fd)

    def forget(self, fd: int) -> None:
        """Forget a descriptor that is about to be closed, and is open nowhere else: epoll does so by itself."""
        self._callbacks.pop(fd, None)

    def wait_for(self, item: Charge) -> None:
        """Have `item` returned by `due_items` when its `due` comes; to be called again whenever that changes."""
        if item.due is not None:
            self._count += 1
            heapq.heappush(self._timers, (item.due, self._count, item))
            if len(self._timers) > self._room:
                self._sweep()

    def due_items(self) -> list[Charge]:
        """Return, each once, the items whose time has come."""
        now = time.monotonic()
        found: dict[int, Charge] = {}
        while self._timers and self._timers[0][0] <= now:
            when, _, item = heapq.heappop(self._timers)
            if item.due == when:
                found[id(item)] = item
        return list(found.values())

    def _sweep(self) -> None:
        """Let go of what waits no more: a timeout may lie hours behind the end of its execution."""
        self._timers = [timer for timer in self._timers if timer[2].due == timer[0]]
        heapq.heapify(self._timers)
        self._room = max(_TIMERS_MIN, 2 * len(self._timers))

    def turn(self, at_most: float) -> None:
        """Wait for descriptors until the next timer, `at_most` seconds, and call back for those that are ready."""
        if self._timers:
            at_most = min(at_most, max(0.0, self._timers[0][0] - time.monotonic()))
        for fd, _ in self._epoll.poll(at_most):
            callback = self._callbacks.get(fd)  # an earlier callback of this turn may have closed it
            if callback is not None:
                callback()
