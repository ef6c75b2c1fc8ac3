"""Carries out what was decided: one order, one call. Failures come back as facts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from windmill.core.admit import Queue, Waiting
from windmill.core.documents import Document
from windmill.core.errors import WindmillError
from windmill.core.events import Admit, Answer, Ended, Order, Record, Stop
from windmill.core.explain import duration_in_words
from windmill.core.model import FAILURES, TERMINAL, Caps, Execution, Job, Location, State, is_system
from windmill.core.ports import Executor
from windmill.scheduler.ledger import Ledger
from windmill.scheduler.planning import plan_for
from windmill.scheduler.requests import Reproduce, answer
from windmill.scheduler.table import Entry, Table

log = logging.getLogger("windmill.scheduler")

SYNCS_AT_ONCE: Final = 2


class Performer:
    """Starts what the caps allow, and hands on records and answers. Belongs to the loop's thread; never blocks."""

    def __init__(
        self,
        table: Table,
        executor: Executor,
        ledger: Ledger,
        *,
        answers: Callable[[Iterable[Document]], None],
        environ: Mapping[str, str],
        caps: Caps,
        reproduce: Reproduce,
        heard: Callable[[Job, Execution], None] = lambda _job, _execution: None,
    ) -> None:
        self._table, self._executor, self._ledger = table, executor, ledger
        self._answers = answers
        self._environ = environ
        self.caps = caps
        self._reproduce = reproduce
        self._heard = heard  # told of starts, and of ends that no retry follows; never blocks
        self._queue = Queue()
        self._syncs = Queue()  # of what WindMill runs for itself: it neither takes a job's place nor waits for one
        self._syncing: set[str] = set()
        self._fresh: list[str] = []  # ids queued since the last `admit`, not written down yet
        self.locations: Mapping[str, Location] = {}
        self.running: dict[str, str] = {}  # id of an ordered or running execution -> key of its job
        self.ordered: set[str] = set()  # of these, the ones started by this scheduler
        for entry in table:
            execution = entry.state.open
            if execution is not None and execution.state is State.RUNNING:
                self.running[execution.id] = execution.job
                if is_system(execution.job):
                    self._syncing.add(execution.id)

    def owner_of(self, execution: str) -> str | None:
        """Return the key of the job whose open execution has this id."""
        return self.running.get(execution) or self._queue.job_of(execution) or self._syncs.job_of(execution)

    @property
    def waiting(self) -> list[Waiting]:
        """The executions held by a cap, in the order in which they start."""
        return self._queue.line()

    def define(self, key: str, job: Job | None, now: datetime) -> None:
        """Take over a job's definition, new, changed or gone (None); what waits of it waits where that says now."""
        before = self._table[key].state.open if key in self._table else None
        self.perform(self._table.define(key, job, now), now)
        if before is not None and before.state in TERMINAL:  # while we were away, or did not know the job yet
            self._tell_of(before)
        execution = self._table[key].state.open
        if execution is not None and self._queue.job_of(execution.id):
            self._add(execution)

    def perform(self, orders: Iterable[Order], now: datetime) -> None:
        """Carry out orders; starts wait for `admit`."""
        for order in orders:
            match order:
                case Record(execution):
                    self._ledger.record(execution, now)
                    if execution.state in TERMINAL:
                        self._queue.discard(execution.id)
                        self._syncs.discard(execution.id)
                case Admit(execution):
                    self._add(execution)
                    self._fresh.append(execution.id)
                case Stop(execution_id, by):
                    self._executor.stop(execution_id, by=by)
                case Answer(request, execution_id, refused):
                    self._answers([answer(request, execution=execution_id, refused=refused)])

    def admit(self, now: datetime) -> None:
        """Start what the cap allows, in order; write down what has to wait."""
        while starting := self._take():  # again, as the place of a start that failed is free
            for key in starting:
                execution = self._table[key].state.open
                if execution is not None:
                    self._start(execution, now)
        fresh, self._fresh = self._fresh, []
        for identity in fresh:
            waiting = self._queue.job_of(identity) or self._syncs.job_of(identity)
            execution = self._table[waiting].state.open if waiting else None
            if execution is not None:
                self._ledger.record(execution, now)

    def _take(self) -> list[str]:
        places = self.caps.max_running - len(self.running) + len(self._syncing)
        starting = self._queue.take(places, self._room() if self._queue else None)
        return [*starting, *self._syncs.take(SYNCS_AT_ONCE - len(self._syncing))]

    def _add(self, execution: Execution) -> None:
        if is_system(execution.job):
            self._syncs.add(execution)
        else:
            job = self._table.job(execution.job)
            self._queue.add(execution, group=job.group if job else "", priority=job.priority if job else 0)

    def _room(self) -> dict[str, int]:
        """Return how many places of each group are free, by the groups of the jobs as they are now."""
        room = dict(self.caps.groups)
        for key in self.running.values() if room else ():
            if (job := self._table.job(key)) is not None and job.group in room:
                room[job.group] -= 1
        return room

    def started(self, execution: Execution) -> None:
        """Note that an execution runs now."""
        self.running[execution.id] = execution.job
        known = self._table[execution.job].state.open if execution.job in self._table else None
        self._table.confirm(execution)
        if known is None or known.state is not State.RUNNING:
            self._tell_of(execution)

    def ended(self, execution: Execution, now: datetime) -> None:
        """Apply the end of an execution and carry out what follows."""
        self.running.pop(execution.id, None)
        self._syncing.discard(execution.id)
        self.ordered.discard(execution.id)
        _tell(execution)
        if execution.job in self._table:
            self.perform(self._table.apply(execution.job, Ended(execution), now), now)
            self._tell_of(execution)

    def _tell_of(self, execution: Execution) -> None:
        job = self._table.job(execution.job)
        if job is not None and (execution.state not in TERMINAL or self._table[execution.job].state.retry is None):
            self._heard(job, execution)

    def give_up(self, executions: Iterable[Execution], now: datetime) -> None:
        """End as lost what is open in the store alone."""
        for execution in executions:
            if self.owner_of(execution.id) is None:
                lost = replace(execution, state=State.LOST, reason="lost: no journal knows it", ended_at=now)
                self._ledger.record(lost, now)
                _tell(lost)

    def _start(self, execution: Execution, now: datetime) -> None:
        key = execution.job
        try:
            job, location = self._what(self._table[key])
            self._ledger.definition(job, now)
            execution = replace(
                self._table.ordered(key),
                revision=location.revision,
                author=location.author,
                subject=location.subject,
            )
            plan = plan_for(job, execution, location, self._environ)
        except WindmillError as error:
            failed = replace(execution, state=State.FAILED, reason=f"not_started: {error.message}", ended_at=now)
            self._ledger.record(failed, now)
            self.ended(failed, now)
            return
        self.running[execution.id] = key
        if is_system(key):
            self._syncing.add(execution.id)
        self.ordered.add(execution.id)
        self._executor.start(plan)

    def _what(self, entry: Entry) -> tuple[Job, Location]:
        """Return the job as it is to be run, and where."""
        if entry.state.exact is not None:
            return self._reproduce(entry.state.exact)
        job = entry.definition.job
        if job is None:
            raise WindmillError("the job's file is gone")
        location = self.locations.get(job.key) or self.locations.get(job.project)
        if location is None:
            raise WindmillError(
                f'there is no project "{job.project}" under projects/', hint="create it, or mend `project` in the job"
            )
        return job, location


def _tell(execution: Execution) -> None:
    level = logging.WARNING if execution.state in FAILURES else logging.INFO
    if log.isEnabledFor(level):
        took = (execution.ended_at - execution.started_at) if execution.ended_at and execution.started_at else None
        words = [f"{execution.job} {execution.id} {execution.state}"]
        words += [execution.reason] if execution.reason else []
        words += [f"after {duration_in_words(took)}"] if took is not None else []
        log.log(level, "%s", ", ".join(words), extra={"event": "execution.ended", "execution": execution.id})
