"""The executor of this machine: orders go to a runner, which outlives us; what it does comes back as events."""

from __future__ import annotations

import logging
import os
import secrets
import select
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from windmill.core.documents import Document
from windmill.core.entries import document_in, execution_of
from windmill.core.errors import Unavailable
from windmill.core.ports import ExecutorEvent, ExecutorEventKind, Kind, Plan, Position
from windmill.execution.journal import SCHEDULER, Reader
from windmill.execution.ledger import placed
from windmill.execution.link import Link, connect, launch
from windmill.execution.remains import home_name
from windmill.execution.wire import Message, Start, from_plan

_LOG: Final = logging.getLogger(__name__)

JOURNAL_MAX_SIZE: Final = 1 << 30  # bytes
HELLO_WITHIN: Final = 10.0  # seconds; a runner that is busy or has just been started needs a small part of it
SHORT_LIFE: Final = 10.0  # seconds; runners that end sooner, one after another, are replaced at growing intervals
REVIVE_FIRST: Final = 0.5  # seconds, doubled each time up to
REVIVE_LAST: Final = 30.0


class LocalExecutor:
    """Fills `core.ports.Executor`.

    Every RECORD and END of a runner reaches the caller. Those before `positions`, as they are after `attach`, and
    those in streams that are not named there, are in the journal, to be read from there; each later one arrives as
    an event, in the order and with the position it has in the journal, whatever becomes of the connection or the
    runner. Positions of a stream's events increase strictly.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        version: str,
        now_ms: Callable[[], int],
        boot_id: str,
        journal_max_size: int = JOURNAL_MAX_SIZE,
    ) -> None:
        self._journal = state_dir / "journal"
        self._reader = Reader(self._journal)
        self._version = version
        self._now_ms = now_ms
        self._boot_id = boot_id
        self._journal_max_size = journal_max_size
        self._home = home_name(state_dir)
        self._epoll = select.epoll()
        self._ready = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)  # events are there without any socket
        self._epoll.register(self._ready, select.EPOLLIN)
        self._links: dict[int, Link] = {}  # by descriptor
        self._blocked: set[int] = set()  # descriptors of runners that have not taken all of our orders
        self._current: Link | None = None  # takes starts
        self._orders: dict[str, list[Message]] = {}  # by execution, until it is known to be recorded
        self._events: list[ExecutorEvent] = []
        self._ended: list[int] = []  # children to be collected
        self._orphans: dict[str, frozenset[str]] = {}  # executions by dead runner's stream, until another adopts it
        self._failures = 0
        self._revive_at = 0.0

    def attach(self) -> None:
        """Connect to the runners of this home, or start one; returns when all have said what is running.

        Runners of another version are told to take no starts any more. Raises Unavailable, and Refused for the
        journal of a newer WindMill.
        """
        self._reader.check()
        for stream in self._reader.streams():
            if stream != SCHEDULER and (channel := connect(self._journal, stream)):
                self._add(Link(channel, stream, position=None))
        self._wait(lambda link: link.greeted)
        fit = [link for link in self._links.values() if not link.retired]
        for link in fit[1:]:
            link.retire()
        if fit:
            self._current = fit[0]
            self._hand_over(fit[0])
        else:
            self._revive()
        self._wait(lambda link: link.greeted and not link.adopting)
        if self._events:
            os.eventfd_write(self._ready, 1)

    def running(self) -> frozenset[str]:
        """Return the executions the runners answer for: running, ordered to run, or being removed as lost."""
        found = {execution for link in self._links.values() for execution in link.running}
        return frozenset(found.union(*self._orphans.values()))

    def positions(self) -> dict[str, Position]:
        """Return the position in each connected runner's stream behind which events tell what happens."""
        return {link.stream: link.position for link in self._links.values() if link.position is not None}

    def fileno(self) -> int:
        """Return a descriptor that is readable when `events` has something to do."""
        return self._epoll.fileno()

    def start(self, plan: Plan) -> None:
        """Order a start; a job that runs in a retired runner is refused by the present one."""
        execution = plan.execution
        others = [link.running.items() for link in self._links.values() if link is not self._current]
        busy = [other for items in others for other, job in items if job == execution.job]
        order = {"order": "start", "plan": from_plan(plan), "busy": busy[0] if busy else None}
        self._order(execution.id, order)

    def stop(self, execution: str, *, by: str) -> None:
        """Order a stop; what is neither ordered nor running is ignored."""
        if execution in self._orders or execution in self.running():
            self._order(execution, {"order": "stop", "id": execution, "by": by})

    def flush(self) -> None:
        """Send what was ordered."""
        for fd, link in self._links.items():
            blocked = not link.channel.flush()
            if blocked != (fd in self._blocked):
                self._blocked ^= {fd}
                self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if blocked else 0))

    def events(self) -> Sequence[ExecutorEvent]:
        """Return what happened; never blocks. Without a runner another one is started, at growing intervals."""
        self._serve(0)
        self._ended = [pid for pid in self._ended if not os.waitpid(pid, os.WNOHANG)[0]]
        if self._current is None and time.monotonic() >= self._revive_at:
            self._revive()
        self.flush()
        events, self._events = self._events, []
        return events

    def detach(self) -> None:
        """Let go: running executions continue without us."""
        self.flush()
        for link in tuple(self._links.values()):
            self._remove(link)
        self._epoll.close()
        os.close(self._ready)

    def _order(self, execution: str, order: Message) -> None:
        """Send to the runner that has the execution, else to the one that takes starts; again if that dies."""
        self._orders.setdefault(execution, []).append(order)
        having = [link for link in self._links.values() if execution in link.running]
        link = having[0] if having else self._current
        if link is not None:
            link.channel.send(order)

    def _hand_over(self, link: Link) -> None:
        """Tell the runner what its predecessors and lost connections leave to it."""
        if link is self._current:
            link.adopt(self._abandoned())
        for execution, orders in self._orders.items():
            if link is self._current or execution in link.running:
                for order in orders:
                    link.channel.send(order)

    def _abandoned(self) -> list[str]:
        """Return the streams of dead runners for whose executions an end may be missing."""
        served = {SCHEDULER, *(link.stream for link in self._links.values())}
        return [name for name in self._reader.streams() if name not in served and not self._reader.settled(name)]

    def _add(self, link: Link) -> None:
        self._links[link.channel.fileno()] = link
        self._epoll.register(link.channel.fileno(), select.EPOLLIN)

    def _remove(self, link: Link) -> None:
        del self._links[link.channel.fileno()]
        self._blocked.discard(link.channel.fileno())
        self._epoll.unregister(link.channel.fileno())
        link.channel.close()

    def _wait(self, done: Callable[[Link], bool]) -> None:
        deadline = time.monotonic() + HELLO_WITHIN
        while not all(done(link) for link in self._links.values()):
            self.flush()
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"the runner of {self._journal.parent} does not answer",
                    hint="see whether it is stopped (ps -o pid,stat,args); runner.err may say more",
                )
            self._serve(0.1)

    def _serve(self, timeout: float) -> None:
        for fd, _ in self._epoll.poll(timeout):
            link = self._links.get(fd)
            if link is None:
                os.eventfd_read(self._ready)
                continue
            for message in link.channel.receive():
                self._hear(link, message)
            if link.channel.ended:
                self._parted(link)

    def _hear(self, link: Link, message: Message) -> None:
        if message["event"] == "hello":
            self._greeted(link, message)
        elif message["event"] == "adopted":
            link.adopting.difference_update(message["streams"])
            link.running |= message["running"]
            for stream in message["streams"]:
                self._orphans.pop(stream, None)
        else:
            kind = ExecutorEventKind(message["event"])
            self._announced(link, kind, message["document"], Position(*message["position"]))

    def _greeted(self, link: Link, hello: Message) -> None:
        link.greeted = True
        if link.position is None:
            link.position = Position(*hello["position"])
        else:
            self._catch_up(link)
        link.running |= hello["running"]
        if hello["retired"]:
            link.retired = True
        elif hello["version"] != self._version:
            link.retire()

    def _announced(self, link: Link, kind: ExecutorEventKind, document: Document, position: Position) -> None:
        if link.position is not None and position <= link.position:
            return  # read in the journal already
        link.position = position
        try:
            execution = execution_of(document)
        except ValueError as error:
            _LOG.warning("an entry of the journal makes no sense and is passed over (%s): %s", link.stream, error)
            return
        if kind is ExecutorEventKind.ENDED:
            link.running.pop(execution.id, None)
            self._orders.pop(execution.id, None)
        elif execution.id in link.running:
            return  # the beginning of a segment repeats what is open
        else:
            link.running[execution.id] = execution.job
            self._orders[execution.id] = [
                one for one in self._orders.get(execution.id, ()) if one["order"] != "start"
            ]
        self._events.append(ExecutorEvent(kind=kind, execution=execution, stream=link.stream, position=position))

    def _catch_up(self, link: Link) -> None:
        """Take from the journal what the connection did not bring."""
        position = link.position or Position(0, 0)
        while True:
            frames, end = self._reader.read(link.stream, position)
            if end == position:
                return
            position = end
            for frame, place in placed(frames, end):
                if frame.kind in {Kind.RECORD, Kind.END}:
                    kind = ExecutorEventKind.ENDED if frame.kind == Kind.END else ExecutorEventKind.STARTED
                    self._announced(link, kind, document_in(frame.payload), place)

    def _parted(self, link: Link) -> None:
        """Connect again to a runner that only let go of us; else have another one answer for what it left."""
        self._remove(link)
        if link.reconnect(self._journal):
            self._add(link)
            self._hand_over(link)
            return
        if link.pid is not None:
            self._ended.append(link.pid)
        self._catch_up(link)
        self._orphans[link.stream] = frozenset(link.running)
        if link is self._current:
            self._current = None
            self._failures = self._failures + 1 if time.monotonic() < link.since + SHORT_LIFE else 0
            pause = min(REVIVE_FIRST * 2 ** (self._failures - 2), REVIVE_LAST) if self._failures > 1 else 0.0
            self._revive_at = time.monotonic() + pause
        elif self._current is not None:
            self._hand_over(self._current)

    def _revive(self) -> None:
        """Start a runner; what it is to do waits for it in the socket."""
        stream = f"runner-{self._now_ms():013d}-{secrets.token_hex(2)}"
        start = Start(
            journal=str(self._journal.absolute()),
            stream=stream,
            home=self._home,
            version=self._version,
            boot_id=self._boot_id,
            journal_max_size=self._journal_max_size,
        )
        try:
            link = launch(start, os.environ)
        except OSError:
            self._revive_at = time.monotonic() + REVIVE_FIRST
            return
        self._add(link)
        self._current = link
        self._hand_over(link)
