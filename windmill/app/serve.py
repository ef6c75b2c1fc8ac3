"""Wires a scheduler for a home and runs it: `windmill up`, and `windmill run` where no scheduler is up."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Final

from windmill import __version__, log
from windmill.app.home import Home
from windmill.core.documents import Document, to_text
from windmill.core.errors import NotFound, Refused, Unavailable, WindmillError
from windmill.core.model import TERMINAL, Catalog, Cause, State, execution_id
from windmill.core.ports import Location, OutputBlock
from windmill.execution.journal import Reader, Writer
from windmill.execution.local import LocalExecutor
from windmill.jobs.watcher import Watcher
from windmill.scheduler import clock
from windmill.scheduler.inbox import Inbox, Loaded, Located, Requested
from windmill.scheduler.ledger import Ledger
from windmill.scheduler.lock import HomeLock
from windmill.scheduler.loop import Ending, Loop
from windmill.scheduler.perform import Performer
from windmill.scheduler.recorder import Recorder
from windmill.scheduler.recovery import OWN_STREAM, recover
from windmill.scheduler.report import Report
from windmill.scheduler.table import Table
from windmill.scheduler.timers import Timers

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
SHIP_AT_EXIT: Final = 1.5  # seconds; what is not stored by then waits in the journal
LOOK_AT_EXIT: Final = 0.3  # seconds for a reading of the files that is under way
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Scheduler:
    """Everything of one scheduler's life, from the lock to letting go. Use as a context manager.

    Raises Refused when another scheduler has the home or the store is not for this version. On leaving, running
    executions go on with the runner.
    """

    def __init__(
        self, home: Home, *, look: Callable[[], None], say: Callable[[str], None], alone: bool = False
    ) -> None:
        home.make_state()
        with suppress(Unavailable):  # a store that is away is waited for; one that must not be used is an error
            home.store(readonly=False).close()
        started = to_text(clock.now())
        facts: Document = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started_at": started,
            "version": __version__,
        }
        self.inbox = Inbox()
        self.inbox.receive_signals(*STOP_SIGNALS)  # who holds the home is not ended by a reload that comes early
        self._lock = HomeLock(home.state / "lock", holder=facts)
        journal, boot_id, now_ms = home.state / "journal", BOOT_ID.read_text().strip(), _now_ms
        reader = Reader(journal)
        self._executor = LocalExecutor(home.state, version=__version__, now_ms=now_ms, boot_id=boot_id)
        self._executor.attach()
        recovered = recover(reader.newest(OWN_STREAM), reader)
        vanished = recovered.without_process(self._executor.running(), clock.now())
        self._recorder = Recorder(
            journal=reader,
            open_store=partial(home.store, readonly=False),
            cursors=journal,
            deliver=lambda requests: self.inbox.put(Requested(requests)),
            clock=clock.now,
        )
        timers = Timers(clock.now())
        table = Table(timers, recovered.states.values(), manual_only=alone)
        self._ledger = Ledger(
            lambda checkpoint: Writer(journal, OWN_STREAM, boot_id=boot_id, now_ms=now_ms, checkpoint=checkpoint)
        )
        self._ledger.marks = recovered.marks
        self._ledger.open(lambda: [entry.state for entry in table], clock.now)
        for execution in vanished:
            self._ledger.record(execution, clock.now())
        self.performer = Performer(
            table,
            self._executor,
            self._ledger,
            answers=self._answers,
            environ=os.environ,
            max_running=home.settings.max_running,
        )
        self.answers: list[Document] = []
        facts |= {"id": "scheduler", "max_running": home.settings.max_running}
        self.loop = Loop(
            table=table,
            timers=timers,
            performer=self.performer,
            executor=self._executor,
            ledger=self._ledger,
            inbox=self.inbox,
            report=Report(self._recorder, table, self.performer, clock=clock.now, facts=facts),
            clock=clock.now,
            look=look,
            applied=self._recorder.applied,
            say=say,
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
        self._lock.close()

    def _answers(self, answers: Iterable[Document]) -> None:
        answers = list(answers)
        self.answers[:] = [*self.answers[-99:], *answers]
        self._recorder.put(answers=answers)


def serve(home: Home, *, once: bool = False, level: int = logging.INFO) -> int:
    """Run the home's jobs at their times until told to stop, or with `once` what is due now; return 0.

    What happens is logged to stderr from `level` up. Raises Refused when another scheduler has the home.
    """
    log.configure(level)
    loader = home.loader()
    locations: dict[str, Location] = {}

    def load() -> Catalog:
        catalog = loader.load()
        found = {name: home.projects.locate(name) for name in home.projects.names()}
        if found != locations:
            locations.clear()
            locations.update(found)
            scheduler.inbox.put(Located(found))
        return catalog

    watcher = Watcher(
        home.root / "jobs.d",
        load=load,
        unsettled=lambda: loader.unsettled,
        deliver=lambda catalog: scheduler.inbox.put(Loaded(catalog)),
    )
    with Scheduler(home, look=watcher.look, say=_say) as scheduler:
        _say(f"WindMill {__version__} serves {home.root}. Ctrl-C stops it.")
        watcher.start()
        ending = scheduler.loop.run(until=scheduler.loop.idle if once else lambda: False)
        watcher.stop(LOOK_AT_EXIT)
    if ending is Ending.LEFT and scheduler.performer.running:
        running = len(scheduler.performer.running)
        _say(f"Left {running} running execution(s) to the runner; `windmill up` takes them over.")
    return 0


def run_alone(home: Home, request: Document, on_output: Callable[[Sequence[OutputBlock]], None]) -> Document:
    """Run one job to its end without a scheduler being up, with the same guarantees, and return its execution.

    `request` is a run request that was not stored. `on_output` gets the output while it comes, on another thread.
    Raises NotFound for an unknown job and Refused when the job cannot start now.
    """
    key = str(request["job"])
    job = home.catalog().jobs.get(key)
    if job is None:
        raise NotFound(f"there is no job {key}")
    identity = execution_id(key, cause=Cause.MANUAL, what=str(request["id"]))
    with Scheduler(home, look=lambda: None, say=_say, alone=True) as scheduler:
        follower = Thread(target=_follow, args=(home, identity, on_output), daemon=True)
        follower.start()
        scheduler.inbox.put(Located({job.project: home.projects.locate(job.project)}))
        scheduler.inbox.put(Loaded(Catalog(jobs={key: job})))
        scheduler.inbox.put(Requested([request]))
        performer = scheduler.performer
        scheduler.loop.run(until=lambda: bool(scheduler.answers) and performer.owner_of(identity) is None)
    refused = scheduler.answers[0]["answer"].get("message") if scheduler.answers else "interrupted"
    if refused:
        raise Refused(f"{key} was not started: {refused}")
    follower.join(SHIP_AT_EXIT)
    store = home.store()
    try:
        ended = store.execution(identity)
    finally:
        store.close()
    if ended is None:
        raise WindmillError(f"execution {identity} is not in the store yet", hint="`windmill up` brings it there")
    return ended


def _follow(home: Home, identity: str, on_output: Callable[[Sequence[OutputBlock]], None]) -> None:
    """Hand on the execution's output until it has ended and all of it is out."""
    store = home.store()
    after = 0
    while True:
        known = store.execution(identity)
        blocks = store.output(identity, after=after)
        if blocks:
            on_output(blocks)
            after = blocks[-1].last
        elif known is not None and State(known["state"]) in TERMINAL:
            break
        else:
            time.sleep(0.05)
    store.close()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _now_ms() -> int:
    return clock.to_ms(clock.now())
