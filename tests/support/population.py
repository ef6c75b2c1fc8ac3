"""Very many executions, as a store of some age holds them: most succeeded, some things are rare."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha1
from itertools import islice

from tests.support.builders import a_job
from tests.support.executions import START, document, identity
from windmill.core.documents import Document
from windmill.core.model import FAILURES, State
from windmill.core.ports import Batch, OutputBlock, Store

OPEN = 20
JOBS = 200
FAILURE = "0123456789abcdef"  # the fingerprint of all that failed
_PER_BATCH = 2000
_PER_COMMIT = 5000


def executions(number: int, *, apart: int = 1, jobs: int = JOBS) -> Iterator[Document]:
    """Yield `number` executions of so many jobs in 10 projects, queued so many seconds `apart`.

    One in 1000 failed and one in 5000 was lost, one in 20 was skipped, one in 4000 was started by hand, four
    belong to a job of their own, and the last 20 are running. They take up to 10 seconds, one in 3000 an hour.
    """
    rare = max(1, number // 4)
    known = {"failure": {"fingerprint": FAILURE, "exception": "KeyError: 'cpf'", "where": "main.py:3 in main"}}
    for index in range(number):
        state = State.RUNNING if index >= number - OPEN else _ended(index)
        job = "rare/job" if index % rare == 3 else f"p{index % 10}/j{index % jobs}"
        trigger = "manual" if index % 4000 == 5 else "schedule"
        yield document(
            index,
            state,
            seconds=3600 if index % 3000 == 17 else index % 97 / 10,
            job=job,
            trigger=trigger,
            queued_at=START + timedelta(seconds=index * apart),
            revision=f"main@sha1:{commit(index)}",
        ) | (known if state in FAILURES else {})


def commit(index: int) -> str:
    """Return the commit that execution `index` ran."""
    return sha1(b"%d" % (index // _PER_COMMIT)).hexdigest()


def load(store: Store, number: int, *, apart: int = 1, jobs: int = JOBS) -> None:
    """Write the jobs, so many executions, output of one of them, and requests of which one is pending."""
    store.write(Batch(jobs=[_job(index) for index in range(jobs)]))
    waiting = executions(number, apart=apart, jobs=jobs)
    while batch := list(islice(waiting, _PER_BATCH)):
        store.write(Batch(executions=batch))
    blocks = [OutputBlock(identity(0), first, first, 1, 0, b"x" * 1000) for first in range(1, number // 20)]
    store.write(Batch(output=blocks))
    requests = [str(index) for index in range(min(number // 20, 200))]
    for name in requests:
        store.add_request({"id": name, "kind": "run", "job": "p0/j0", "by": "ann", "at": "2026-01-01T00:00:00.000Z"})
    store.write(Batch(answers=[{"id": name, "state": "done", "answer": {}} for name in requests[1:]]))


def _job(index: int) -> Document:
    """Return a job that is due once a day."""
    key, due = f"p{index % 10}/j{index}", f"{index % 60} {index % 24} * * *"
    written = {"entry_point": "hello.py", "schedule": due, "env": {"SIZE": "large"}}
    return a_job(id=key, digest=f"{index:064x}", labels={"team": f"t{index % 7}"}, document=written)


def _ended(index: int) -> State:
    if index % 1000 == 7:
        return State.FAILED
    if index % 5000 == 9:
        return State.LOST
    return State.SKIPPED if index % 20 == 11 else State.SUCCEEDED
