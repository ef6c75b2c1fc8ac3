"""All executions a runner answers for: accepted once, looked after when due, their strays removed."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

from windmill.core.ports import Plan
from windmill.execution import tree
from windmill.execution.host import Host
from windmill.execution.orphans import Orphan
from windmill.execution.supervised import Supervised

STARTS_PER_TURN: Final = 32
REMEMBERED: Final = 65_536  # ids, so that an order that comes again starts nothing

_BLIND_PAUSE: Final = 0.01  # seconds


class Roster:
    """The executions that are open, by id and by job."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._open = host.open
        self._by_job: dict[str, str] = {}  # the execution accepted last; may be over
        self._queue: deque[Supervised] = deque()
        self._known: set[str] = set()
        self._order: deque[str] = deque()  # of the known ones

    def __len__(self) -> int:
        return len(self._open)

    @property
    def jobs(self) -> dict[str, str]:
        """The open executions and the jobs they are of."""
        return {execution: charge.job for execution, charge in self._open.items()}

    @property
    def busy(self) -> bool:
        """True while starts are waiting for the next turn."""
        return bool(self._queue)

    def remember(self, executions: Iterable[str]) -> None:
        """Never start these."""
        for execution in executions:
            if len(self._order) == REMEMBERED:
                self._known.discard(self._order.popleft())
            self._order.append(execution)
            self._known.add(execution)

    def adopt(self, orphan: Orphan) -> None:
        """Answer for an execution of a dead runner."""
        self._open[orphan.id] = orphan
        self._by_job[orphan.job] = orphan.id
        self._host.loop.wait_for(orphan)

    def start(self, plan: Plan, *, busy: str | None = None) -> None:
        """Accept the execution unless its id has been seen; refuse it while its job has a running one.

        `busy` names a running one of another runner.
        """
        execution = plan.execution
        if execution.id in self._known:
            return
        self.remember([execution.id])
        other = busy or self._running(execution.job)
        charge = self._open[execution.id] = Supervised(plan, self._host)
        if other:
            charge.refuse(f"{execution.job} is running already, as {other}")
        else:
            self._by_job[execution.job] = execution.id
            self._queue.append(charge)

    def answers_for(self, executions: Collection[str]) -> bool:
        """Return True while one of the executions is open."""
        return not self._open.keys().isdisjoint(executions)

    def stop(self, execution: str, by: str) -> None:
        """Stop an execution; one that is not open is ignored."""
        if charge := self._open.get(execution):
            charge.stop(by)

    def stop_all(self, by: str) -> None:
        """Stop everything."""
        for charge in tuple(self._open.values()):
            charge.stop(by)

    def turn(self) -> None:
        """Begin a bounded number of waiting starts, and look after what is due."""
        for _ in range(min(STARTS_PER_TURN, len(self._queue))):
            self._queue.popleft().begin()
        due = [charge for charge in self._host.loop.due_items() if charge.id in self._open]
        if due:
            adopted = self.reap()
            asking = [charge.subject for charge in due if charge.asks(adopted)]
            try:
                found = tree.census(asking) if asking else {}
            except OSError:  # no descriptors, no memory: what cannot be seen must not be taken for gone
                time.sleep(_BLIND_PAUSE)
                for charge in due:
                    self._host.loop.wait_for(charge)
                return
            for charge in due:
                charge.look(found.get(charge.id, ()))

    def flush(self) -> None:
        """Hand on output that waits for company."""
        fed = tuple(self._host.fed)
        self._host.fed.clear()  # who has more to say later comes back by itself
        for charge in fed:
            charge.flush()

    def reap(self) -> set[str] | None:
        """Collect adopted children that have ended, kill those of executions that are over.

        Returns the open executions that have adopted children, None when that cannot be told.
        """
        children = tree.children()
        if children is None:
            return None
        adopted = [pid for pid in children if pid not in self._host.leaders and not os.waitpid(pid, os.WNOHANG)[0]]
        if not adopted:
            return set()
        owners = {charge.mark: charge.id for charge in self._open.values()}
        marks = {pid: tree.marked(pid) for pid in adopted}
        for pid, mark in marks.items():
            if mark is not None and mark not in owners:
                os.kill(pid, signal.SIGKILL)  # ours and not reaped: the number cannot mean another process
        return None if None in marks.values() else {owners[mark] for mark in marks.values() if mark in owners}

    def _running(self, job: str) -> str | None:
        execution = self._by_job.get(job)
        return execution if execution in self._open else None
