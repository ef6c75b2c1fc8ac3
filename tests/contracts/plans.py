"""What every store promises to read: what it shows and a little more, however much there is.

`QUESTIONS` are all that the port can be asked about executions, output and requests; how much was read for the
answer is for each kind of store to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest

from tests.support.executions import START, document, identity
from tests.support.population import FAILURE, JOBS, commit
from windmill.core.model import State
from windmill.core.ports import Batch, ExecutionFilter, OutputBlock, Page, Store

Question = Callable[[Store], Any]

_NOON: Final = START + timedelta(minutes=20)
_MANY_JOBS: Final = frozenset({"rare/job", *(f"p{number % 10}/j{number}" for number in range(0, JOBS, 3))})
_EVERY_JOB: Final = ["rare/job", *(f"p{number % 10}/j{number}" for number in range(JOBS))]
_FILTERS: Final[Mapping[str, ExecutionFilter]] = {
    "newest": ExecutionFilter(),
    "of a job": ExecutionFilter(job="p1/j1"),
    "of a project": ExecutionFilter(project="p1"),
    "of a rare project": ExecutionFilter(project="rare"),
    "of no project": ExecutionFilter(project="none"),
    "that failed": ExecutionFilter(states=frozenset({State.FAILED})),
    "that failed or were lost": ExecutionFilter(states=frozenset({State.FAILED, State.LOST})),
    "of a job that failed": ExecutionFilter(job="p7/j7", states=frozenset({State.FAILED})),
    "of a project that failed": ExecutionFilter(project="p1", states=frozenset({State.FAILED})),
    "of a rare project that succeeded": ExecutionFilter(project="rare", states=frozenset({State.SUCCEEDED})),
    "started by hand": ExecutionFilter(triggers=frozenset({"manual"})),
    "retried": ExecutionFilter(triggers=frozenset({"retry"})),
    "of a job retried": ExecutionFilter(job="p1/j1", triggers=frozenset({"retry"})),
    "succeeded by hand": ExecutionFilter(states=frozenset({State.SUCCEEDED}), triggers=frozenset({"manual"})),
    "before noon": ExecutionFilter(until=_NOON),
    "since noon": ExecutionFilter(since=_NOON),
    "around noon": ExecutionFilter(since=_NOON, until=_NOON + timedelta(seconds=30)),
    "of a job around noon": ExecutionFilter(job="p1/j1", since=_NOON, until=_NOON + timedelta(minutes=10)),
    "of a project before noon": ExecutionFilter(project="p1", until=_NOON),
    "of some jobs": ExecutionFilter(jobs=frozenset({"p1/j1", "p7/j7", "rare/job"})),
    "of some jobs that failed": ExecutionFilter(jobs=_MANY_JOBS, states=frozenset({State.FAILED})),
    "of many jobs": ExecutionFilter(jobs=_MANY_JOBS),
    "of a job by its text": ExecutionFilter(text="rare/"),
    "of no job by its text": ExecutionFilter(text="nowhere"),
    "by the beginning of its id": ExecutionFilter(text=identity(5)[:8]),
    "of a revision": ExecutionFilter(revision=commit(0)[:7]),
    "of a revision in a project": ExecutionFilter(revision="no-such", project="p1"),
    "of a revision that failed": ExecutionFilter(revision="no-such", states=frozenset({State.FAILED})),
    "that took an hour": ExecutionFilter(longer_than=timedelta(hours=1)),
    "of a job that took long": ExecutionFilter(job="p1/j1", longer_than=timedelta(hours=2)),
    "of a failure": ExecutionFilter(failure=FAILURE),
    "of a failure of a job": ExecutionFilter(job="p7/j7", failure=FAILURE),
}
_AGAIN: Final = Batch(
    executions=[document(5)],
    output=[OutputBlock(identity(0), 1, 1, 1, 0, b"x")],
    answers=[{"id": "7", "state": "done", "answer": {}}],
)


def _pages(wanted: ExecutionFilter, store: Store) -> list[Page]:
    """Return two pages of ten."""
    first = store.executions(wanted, limit=10)
    return [first, store.executions(wanted, limit=10, cursor=first.next)] if first.next else [first]


QUESTIONS: Final[Mapping[str, Question]] = {
    **{name: partial(_pages, wanted) for name, wanted in _FILTERS.items()},
    "one": lambda store: store.execution(identity(5)),
    "by a prefix": lambda store: store.execution(identity(5)[:12]),
    "open": lambda store: store.open_executions(),
    "latest": lambda store: store.latest_executions(),
    "output": lambda store: store.output(identity(0), limit=5000),
    "output after": lambda store: store.output(identity(0), after=90, limit=5000),
    "output tail": lambda store: store.output_tail(identity(0), size=5000),
    "last sequence": lambda store: store.last_sequence(identity(0)),
    "request": lambda store: store.request("7"),
    "pending requests": lambda store: store.pending_requests(),
    "requests": lambda store: [
        store.requests(limit=10),
        store.requests(limit=10, cursor=store.requests(limit=10).next),
    ],
    "recent": lambda store: [
        one for found in store.recent(["p1/j1", "rare/job", "no/job"]).values() for one in found
    ],
    "last of very many": lambda store: store.recent(_EVERY_JOB, limit=1),
    "named": lambda store: store.named([identity(number) for number in range(0, 400, 20)]),
    "job": lambda store: store.job("p1/j1"),
    "neighbours": lambda store: list(store.neighbours(document(401, job="p1/j1"))),
    "counts of a job": lambda store: store.tally(job="p1/j1"),
    "counts of a project": lambda store: store.tally(project="p1", since=START, until=_NOON),
    "counts of a minute": lambda store: store.tally(since=_NOON, until=_NOON + timedelta(minutes=1)),
    "counts of everything": lambda store: store.tally(since=START),
    "failures of a job": lambda store: store.failures("p7/j7"),
    "failures of a job before noon": lambda store: store.failures("p7/j7", since=START, until=_NOON),
    "expired by age": lambda store: store.expired("p1/j1", before=_NOON, beyond=None, limit=20),
    "expired by number": lambda store: store.expired("p1/j1", before=None, beyond=3, limit=20),
    "a write again": lambda store: store.write(_AGAIN),
}
# No index leads to a trigger: its entries are tried one after the other, and documents read only of those that match.
TRIED_ON_ENTRIES: Final = frozenset(
    {
        "started by hand", "retried", "of a job retried", "succeeded by hand", "of many jobs", "of a revision",
        "of a revision in a project", "of a revision that failed", "that took an hour", "of a job that took long",
        "of a failure", "of a failure of a job",
    }
)  # fmt: skip
# What is no whole day is counted entry by entry; so many there are.
COUNTED_ON_ENTRIES: Final = {"counts of a project": 120, "counts of a minute": 60}
# All jobs are named, by one seek each, before those are sought whose key holds the text.
NAMED: Final = frozenset({"of a job by its text", "of no job by its text", "by the beginning of its id"})
sizes: Final = [2_000, pytest.param(200_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]


def shown(answer: Any) -> int:
    """Return how many things the answer holds."""
    if isinstance(answer, list) and answer and isinstance(answer[0], Page):
        return sum(len(page.items) for page in answer)
    return len(answer) if isinstance(answer, list) or (isinstance(answer, dict) and "id" not in answer) else 1
