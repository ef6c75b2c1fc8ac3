"""The one thread that decides: wait, take what happened, decide, carry out, write down. Nothing else blocks it.

Order within a turn: ends of executions, due timers, definitions, requests, admission. So a slot and an end at one
instant give one start, and a changed file is judged after everything that was due under the old one.
"""

from __future__ import annotations

import logging
import select
import signal
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Final

from windmill.core.documents import Document
from windmill.core.errors import Refused, WindmillError
from windmill.core.events import Answer, RunRequested
from windmill.core.model import Job, is_system
from windmill.core.ports import Executor, ExecutorEventKind, Position
from windmill.core.reconcile import diff
from windmill.scheduler.inbox import Forgotten, Inbox, Loaded, Message, Requested, Signalled, Unanswered
from windmill.scheduler.ledger import Ledger
from windmill.scheduler.perform import Performer
from windmill.scheduler.report import Report
from windmill.scheduler.requests import Reproduce, to_event
from windmill.scheduler.service import Service
from windmill.scheduler.table import Table
from windmill.scheduler.timers import Timers

log = logging.getLogger("windmill.scheduler")

LONGEST_WAIT: Final = 1.0  # seconds; covers suspend and a clock that was set
CLOCK_STEP: Final = 0.1  # seconds by which wall and monotonic clock may drift apart in one turn


class Ending(Enum):
    """How the loop came to its end."""

    LEFT = "left"  # running executions go on without us
    FINISHED = "finished"  # none was left


class Loop:
    """Turns until it is told to end. Everything comes by constructor; `clock` alone reads the wall clock."""

    def __init__(
        self,
        *,
        table: Table,
        timers: Timers,
        performer: Performer,
        executor: Executor,
        ledger: Ledger,
        inbox: Inbox,
        report: Report,
        clock: Callable[[], datetime],
        look: Callable[[], None],
        poll: Callable[[str], None] = lambda _: None,
        applied: Callable[[str, Position], None],
        reproduce: Reproduce,
        say: Callable[[str], None],
        service: Service,
        alone: bool = False,
    ) -> None:
        self._table, self._timers, self._performer = table, timers, performer
        self._executor, self._ledger, self._inbox, self._report = executor, ledger, inbox, report
        self._clock, self._look, self._applied, self._say = clock, look, applied, say
        self._poll = select.epoll()
        self._poll.register(inbox.fileno(), select.EPOLLIN)
        self._poll.register(executor.fileno(), select.EPOLLIN)
        self._poke, self._reproduce, self._service = poll, reproduce, service
        self._drift = 0.0
        self._loaded = False
        self._early: list[dict[str, object]] = []  # requests that came before the jobs were known
        self._draining = False
        self._stopped = False
        self._alone = alone  # serves the delivered jobs only; the others stay as they are
        self._ending: Ending | None = None

    def run(self, *, until: Callable[[], bool] = lambda: False) -> Ending:
        """Turn until a signal ends it or `until()` is true; then write down what is known."""
        self._timers.every(1).seconds.do(self._persist)
        self._timers.every(2).seconds.do(self._tell)
        self._tell()
        self._drift = self._clock().timestamp() - time.monotonic()
        finished = False
        while self._ending is None and not finished:
            self.turn()
            finished = until() or (self._draining and self.idle())
        self._service.stopping()
        self._persist()
        self._report.heartbeat(left=True)
        return self._ending or Ending.FINISHED

    def turn(self) -> None:
        """Wait for something to happen, at most until the next timer, and deal with it."""
        idle = self._timers.idle_seconds
        self._poll.poll(LONGEST_WAIT if idle is None else min(idle, LONGEST_WAIT))
        now = self._timers.now = self._clock()
        self._watch_the_clock(now)
        self._executor_events(now)
        if not self._draining:
            self._timers.run_pending()
            self._decide(now)
        for message in self._inbox.take():
            self._hear(message, now)
        if not self._draining:
            self._decide(now)
            self._performer.admit(now)
        self._write(now)
        self._executor.flush()
        self._timers.now = self._clock()
        self._service.turned()

    def _tell(self) -> None:
        self._report.heartbeat()
        self._service.status(self._report.summary())

    def _hear(self, message: Message, now: datetime) -> None:
        match message:
            case Loaded(catalog):
                self._performer.locations = catalog.locations
                self._performer.caps = catalog.caps or self._performer.caps
                self._report.removed = catalog.removed
                self._define(catalog.jobs, now, keep=catalog.unreadable)
                if not self._alone:
                    self._report.catalog(catalog, now)
                early, self._early = self._early, []
                self._requested(early, now)
                self._service.ready()
            case Requested(requests):
                self._requested(requests, now)
            case Signalled(number):
                self._signalled(number)
            case Forgotten():
                self._ledger.forget_definitions()
                self._report.everything(now)
            case Unanswered(executions):
                self._performer.give_up(executions, now)

    def _decide(self, now: datetime) -> None:
        """Decide about every job that has become due, and about those that come after it."""
        while due := self._table.take_due():
            for key in due:
                self._performer.perform(self._table.due(key, now), now)

    def _write(self, now: datetime) -> None:
        followed, self._table.followed = self._table.followed, False
        if followed:  # when we come back, no end may be older than what followed it: it would be followed again
            self._persist()
        if self._ledger.write(now) or followed:
            self._report.wake()

    def _executor_events(self, now: datetime) -> None:
        news = False
        for event in self._executor.events():
            if event.position <= self._ledger.marks.get(event.stream, Position(0, 0)):
                continue  # read from the journal already, when we came back
            self._ledger.marks[event.stream] = event.position
            news = True
            if event.kind is ExecutorEventKind.STARTED:
                self._performer.started(event.execution)
            else:
                self._performer.ended(event.execution, now)
                if is_system(event.execution.job):
                    self._look()  # what it published is to be taken over now
        if news:
            self._report.wake()

    def _define(self, jobs: Mapping[str, Job], now: datetime, *, keep: bool) -> None:
        """Take over these definitions; `keep` says that a job may be missing only because a file is out of sight."""
        known = self._table.jobs()
        changes = diff(known, jobs)
        away = [] if self._loaded or self._alone else [entry.state.key for entry in self._table if entry.away]
        gone = [] if keep else [*changes.removed, *(key for key in away if key not in jobs)]
        for key in changes.moved:
            self._table.move(key, jobs[key])
            self._report.job(self._table[key])
        for key in dict.fromkeys([*gone, *changes.changed, *changes.added, *(key for key in away if key in jobs)]):
            self._performer.define(key, jobs.get(key), now)
            self._report.job(self._table[key])
        self._loaded = True
        self._persist()

    def _requested(self, requests: list[Document], now: datetime) -> None:
        if not self._loaded:  # a job that was not read yet is not missing
            self._early += requests
            return
        for request in requests:
            try:
                self._request(request, now)
            except WindmillError as error:
                self._performer.perform([Answer(str(request["id"]), refused=error.message)], now)
            except Exception:
                log.exception("a request was not understood", extra={"event": "request.failed"})
                self._performer.perform([Answer(str(request["id"]), refused="the request was not understood")], now)
        self._persist()

    def _request(self, request: Document, now: datetime) -> None:
        if request.get("kind") == "poll":
            self._poke(str(request.get("project", "")))
            self._performer.perform([Answer(str(request["id"]))], now)
            return
        key, event = to_event(request, self._table.job, self._performer.owner_of, self._reproduce)
        if self._draining and isinstance(event, RunRequested):
            raise Refused("the scheduler is ending and starts nothing more")
        self._performer.perform(self._table.apply(key, event, now), now)
        self._report.job(self._table[key])

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._look()
            self._poke("")
        elif number == signal.SIGINT and self._performer.running and not (self._draining or self._alone):
            self._draining = True
            running = len(self._performer.running)
            self._say(f"Waiting for {running} running execution(s) to end; Ctrl-C again stops them.")
        elif number == signal.SIGINT and self._performer.running and not self._stopped:
            self._stopped = True
            for execution in self._stoppable():
                self._executor.stop(execution, by="Ctrl-C")
            self._say("Stopping; once more leaves at once.")
        else:
            self._ending = Ending.LEFT

    def _stoppable(self) -> list[str]:
        """Alone we stop what we started; the executions of another time are not ours."""
        return list(self._performer.ordered if self._alone else self._performer.running)

    def idle(self) -> bool:
        """True when the jobs are known, and nothing is running, waiting or due."""
        if self._draining:
            return not self._performer.running
        if not self._loaded or self._performer.running:
            return False
        due = self._timers.get_next_run("slot")
        return not self._performer.waiting and (due is None or due > self._timers.now)

    def _persist(self) -> None:
        """Write down the states that changed, and that they contain everything applied so far."""
        now = self._timers.now
        changed, self._table.changed = self._table.changed, set()
        if not changed:
            return
        for key in changed:
            self._report.counted(self._table[key])
        self._ledger.states((self._table[key].state for key in changed), now, mark=True)
        if self._ledger.write(now):
            for stream, position in self._ledger.marks.items():
                self._applied(stream, position)
            self._applied("scheduler", self._ledger.segment_start)

    def _watch_the_clock(self, now: datetime) -> None:
        drift = now.timestamp() - time.monotonic()
        if abs(drift - self._drift) > CLOCK_STEP:
            log.warning("the clock was set by %.1f s", drift - self._drift, extra={"event": "clock.stepped"})
            self._timers.clock_moved()
        self._drift = drift
