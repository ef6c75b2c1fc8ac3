"""Wires a scheduler for a home, and runs it: `windmill up`."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from windmill import __version__, log
from windmill.app.exact import reproduced
from windmill.app.heartbeats import Heartbeats
from windmill.app.home import Home
from windmill.app.opening import open_store, try_store
from windmill.app.pulling import Pulling
from windmill.app.reading import catalog_reader, known_projects
from windmill.core.documents import Document, to_text
from windmill.core.model import Caps, Catalog
from windmill.core.ports import Store
from windmill.execution import remains
from windmill.execution.journal import Reader, Writer
from windmill.execution.local import LocalExecutor
from windmill.jobs.watcher import Watcher
from windmill.scheduler import clock
from windmill.scheduler.inbox import Forgotten, Inbox, Loaded, Requested, Unanswered
from windmill.scheduler.ledger import Ledger
from windmill.scheduler.lock import HomeLock
from windmill.scheduler.loop import Ending, Loop
from windmill.scheduler.perform import Performer
from windmill.scheduler.recall import Recall
from windmill.scheduler.recorder import Recorder
from windmill.scheduler.recovery import OWN_STREAM, recover
from windmill.scheduler.report import Report
from windmill.scheduler.retention import Retention
from windmill.scheduler.service import Service
from windmill.scheduler.table import Table
from windmill.scheduler.timers import Timers

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
SHIP_AT_EXIT: Final = 1.5  # seconds; what is not stored by then waits in the journal
LOOK_AT_EXIT: Final = 0.3  # seconds for a reading of the files that is under way
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Scheduler:
    """Everything of one scheduler's life, from the lock to letting go. Use as a context manager.

    Raises Refused when another scheduler has the home, or when the store answers and must not be used by us. On
    leaving, running executions go on with the runner.
    """

    def __init__(
        self,
        home: Home,
        *,
        look: Callable[[], None],
        poll: Callable[[str], None] = lambda _: None,
        say: Callable[[str], None],
        alone: bool = False,
    ) -> None:
        service = Service({} if alone else os.environ)
        home.make_state()
        began = clock.now()
        facts: Document = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "home": str(home.root),
            "started_at": to_text(began),
            "version": __version__,
        }
        opened = partial(open_store, home, dict(facts))
        self.store_away = try_store(opened)  # in words; the recorder goes on trying
        self.inbox = Inbox()
        self.inbox.receive_signals(*STOP_SIGNALS)  # who holds the home is not ended by a reload that comes early
        self._alone = alone
        self._told: dict[str, Document] = {}  # by name, what others left for the store last
        self._lock = HomeLock(home.state / "lock", holder=facts)
        journal, boot_id, now_ms = home.state / "journal", BOOT_ID.read_text().strip(), _now_ms
        self.journal = Reader(journal)
        self._executor = LocalExecutor(
            home.state,
            version=__version__,
            now_ms=now_ms,
            boot_id=boot_id,
            journal_max_size=home.settings.journal_max_size,
        )
        self._executor.attach()
        recovered = recover(self.journal.newest(OWN_STREAM), self.journal)
        vanished = recovered.without_process(self._executor.running(), clock.now())
        self._retention = Retention()
        self._recall = Recall(
            began=began,
            known=self._executor.running().union(recovered.open()),
            journal=self.journal,
            alive=partial(remains.alive, home.state),
            forgotten=self._tell_again,
            lost=lambda executions: self.inbox.put(Unanswered(executions)),
        )
        self._recorder = Recorder(
            journal=self.journal,
            open_store=opened,
            cursors=journal,
            state=home.state,
            deliver=(lambda _: None) if alone else lambda requests: self.inbox.put(Requested(requests)),
            clock=clock.now,
            when_idle=self._idly,
        )
        reproduce = partial(reproduced, known_projects(home))
        timers = Timers(clock.now())
        self._heartbeats = Heartbeats(home)
        if self._heartbeats.own and not alone:
            every = max(1, round(home.settings.heartbeat.every.total_seconds()))
            timers.every(every).seconds.do(self._heartbeats.beat)
        table = Table(timers, recovered.states.values(), manual_only=alone)
        self._ledger = Ledger(
            lambda checkpoint: Writer(journal, OWN_STREAM, boot_id=boot_id, now_ms=now_ms, checkpoint=checkpoint)
        )
        self._ledger.marks = recovered.marks
        self._ledger.open(lambda: [entry.state for entry in table], clock.now)
        self.began = {**recovered.marks, OWN_STREAM: self._ledger.segment_start}  # what comes later is after these
        for execution in vanished:
            self._ledger.record(execution, clock.now())
        self.performer = Performer(
            table,
            self._executor,
            self._ledger,
            answers=self._answers,
            environ=os.environ,
            caps=Caps(max_running=home.settings.max_running, groups=home.settings.groups),
            reproduce=reproduce,
            heard=self._heartbeats.heard,
        )
        self.answers: dict[str, Document] = {}  # alone: what came of requests, by their id
        facts |= {"id": "scheduler"}
        self.loop = Loop(
            table=table,
            timers=timers,
            performer=self.performer,
            executor=self._executor,
            ledger=self._ledger,
            inbox=self.inbox,
            report=Report(
                self._recorder,
                table,
                self.performer,
                clock=clock.now,
                facts=facts,
                also=lambda: {"heartbeats": self._heartbeats.counts(), "lateness": timers.lateness.summary()},
            ),
            clock=clock.now,
            look=look,
            poll=poll,
            applied=self._recorder.applied,
            reproduce=reproduce,
            say=say,
            service=service,
            alone=alone,
        )

    def __enter__(self) -> Scheduler:
        self._recorder.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.close()
        self._executor.detach()
        self._recorder.wake()
        self._recorder.stop(SHIP_AT_EXIT)
        self._heartbeats.stop()
        self._lock.close()

    def tell(self, name: str, status: Document) -> None:
        """Leave a status document for the store."""
        self._told[name] = status
        self._recorder.put(status={name: status})

    def runs(self, job: str) -> bool:
        """Return True while an execution of the job runs; for other threads."""
        return job in list(self.performer.running.values())

    def _tell_again(self) -> None:
        """Tell a store that forgot what it was told."""
        self._recorder.put(status=dict(self._told))
        self.inbox.put(Forgotten())

    def _idly(self, store: Store, now: datetime) -> None:
        """Do what can wait until the journal is stored; on the recorder's thread."""
        if not self._alone:  # who runs one job keeps no account of the others
            self._recall.step(store)
        self._retention.step(store, now)

    def _answers(self, answers: Iterable[Document]) -> None:
        answers = list(answers)
        if self._alone:
            self.answers |= {answer["id"]: answer["answer"] for answer in answers}
        self._recorder.put(answers=answers)


def serve(
    home: Home,
    *,
    once: bool = False,
    level: int = logging.INFO,
    form: log.Form | None = None,
    beside: AbstractContextManager[object] | None = None,
) -> int:
    """Run the home's jobs at their times until told to stop, or with `once` what is due now; return 0.

    What happens is logged to stderr from `level` up, in the form given or that of the settings. `beside` is entered
    once we hold the home.
    Raises Refused when another scheduler has the home.
    """
    log.configure(level, form or home.settings.log_format)
    reader = catalog_reader(home)

    def deliver(catalog: Catalog) -> None:
        pulling.delivered(catalog)
        scheduler.inbox.put(Loaded(catalog))

    watcher = Watcher(
        home.root / "jobs.d",
        load=reader.load,
        unsettled=lambda: reader.unsettled,
        deliver=deliver,
        also=reader.places,
    )
    pulling = Pulling(reader, watcher.look)
    with Scheduler(home, look=watcher.look, poll=pulling.poke, say=say) as scheduler:
        say(f"WindMill {__version__} serves {home.root}. Ctrl-C stops it.")
        if scheduler.store_away:
            say(f"The store is away ({scheduler.store_away}): jobs run, and all they write waits in the journal.")
        watcher.start()
        pulling.start(scheduler)
        with beside or nullcontext():
            ending = scheduler.loop.run(until=lambda: once and scheduler.loop.idle() and pulling.settled)
        pulling.stop(LOOK_AT_EXIT)
        watcher.stop(LOOK_AT_EXIT)
    if ending is Ending.LEFT and scheduler.performer.running:
        running = len(scheduler.performer.running)
        say(f"Left {running} running execution(s) to the runner; `windmill up` takes them over.")
    return 0


def say(text: str) -> None:
    """Tell the person who started this."""
    log.say(text)


def _now_ms() -> int:
    return clock.to_ms(clock.now())
