"""Wires a scheduler for a home and runs it: `windmill up`, and `windmill run` where no scheduler is up."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from windmill import __version__, log
from windmill.app.home import Home
from windmill.core.documents import Document, to_text
from windmill.core.errors import NotFound, Refused, Unavailable, WindmillError
from windmill.core.model import TERMINAL, Catalog, Cause, Job, State, execution_id
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
        self._keep_answers = alone
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
            deliver=(lambda _: None) if alone else lambda requests: self.inbox.put(Requested(requests)),
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
        self.answers: dict[str, Document] = {}  # alone: what came of requests, by their id
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
        if self._keep_answers:
            self.answers |= {answer["id"]: answer["answer"] for answer in answers}
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
    over = Event()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(_follow, home, identity, on_output, over)
        try:
            answer = _alone(home, job, request, identity)
        finally:
            over.set()
        following.result()
    if message := answer.get("message"):
        raise Refused(f"{key} was not started: {message}")
    with closing(home.store()) as store:
        ended = store.execution(identity)
    if ended is None:
        raise WindmillError(f"execution {identity} is not in the store yet", hint="`windmill up` brings it there")
    return ended


def _alone(home: Home, job: Job, request: Document, identity: str) -> Document:
    """Serve this one request until its execution has ended, and return the answer to it."""
    with Scheduler(home, look=lambda: None, say=_say, alone=True) as scheduler:
        scheduler.inbox.put(Located({job.project: home.projects.locate(job.project)}))
        scheduler.inbox.put(Loaded(Catalog(jobs={job.key: job})))
        scheduler.inbox.put(Requested([request]))
        answers, owner_of = scheduler.answers, scheduler.performer.owner_of
        scheduler.loop.run(until=lambda: request["id"] in answers and owner_of(identity) is None)
    return dict(scheduler.answers.get(request["id"], {"message": "interrupted"}))


def _follow(home: Home, identity: str, on_output: Callable[[Sequence[OutputBlock]], None], over: Event) -> None:
    """Hand on the execution's output until all of it is out: it has ended, or `over` says that nothing comes."""
    with closing(home.store()) as store:
        after = 0
        while True:
            known = store.execution(identity)
            last = over.is_set() or (known is not None and State(known["state"]) in TERMINAL)
            blocks = store.output(identity, after=after)
            if blocks:
                on_output(blocks)
                after = blocks[-1].last
            elif last:
                return
            else:
                over.wait(0.05)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _now_ms() -> int:
    return clock.to_ms(clock.now())
