"""A process beside the test that uses a store: `python -m tests.support.store_process ROLE ADDRESS START`.

It prints one line per acknowledged step, and goes on until it is killed or its standard input ends. The role `race`
makes one step for each number it reads instead; START is its name then.
"""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Iterator
from itertools import count

from tests.support.executions import document, identity
from tests.support.stores import open_store
from windmill.core.errors import Unavailable
from windmill.core.model import State
from windmill.core.ports import Batch, ExecutionFilter, OutputBlock, Store


def write(store: Store, number: int) -> None:
    """Record execution `number` with its output, in two steps, trying again while the store is away."""
    block = OutputBlock(identity(number), 1, 5, 1, 0, said(number))
    _persist(store, Batch(executions=[document(number, State.RUNNING)], output=[block]))
    _persist(store, Batch(executions=[document(number)]))


def said(number: int) -> bytes:
    """Return the output of execution `number`: at least 12 KiB."""
    return b"%d " % number * 4096


def read(store: Store, _number: int) -> None:
    """Look at everything a page shows."""
    for item in store.executions(ExecutionFilter()).items:
        store.output_tail(item["id"], size=100)
    store.latest_executions()
    store.open_executions()


def ask(store: Store, number: int) -> None:
    """Add a request and answer every other one."""
    store.add_request(_request(number, "ann"))
    if number % 2:
        store.write(Batch(answers=[{"id": str(number), "state": "done", "answer": {}}]))


def race(store: Store, number: int, name: str) -> dict[str, object]:
    """Ask, record, answer and note what everybody else does at the same moment; return what the store made of it."""
    one = identity(number)
    store.add_request(_request(number, name))
    answer = {"id": str(number), "state": "done", "answer": {"by": name}}
    begun = [document(number, state, reason=name) for state in (State.QUEUED, State.RUNNING)]
    output, job = OutputBlock(one, 1, 1, 1, 0, name.encode()), {"id": "p/shared", name: number}
    store.write(Batch(executions=begun, output=[output]))
    store.write(Batch(jobs=[job], answers=[answer]))
    store.write(Batch(executions=[document(number, State.FAILED, reason=name)]))
    store.write(Batch(executions=begun))
    execution, request = store.execution(one) or {}, store.request(str(number)) or {}
    return {
        "asked": request["by"],
        "answered": request["answer"]["by"],
        "ended": execution["reason"],
        "said": b"".join(block.data for block in store.output(one)).decode(),
        "state": execution["state"],
        "noted": next(job for job in store.jobs() if job["id"] == "p/shared")[name],
    }


def _request(number: int, by: str) -> dict[str, object]:
    at = "2026-01-01T00:00:00.000Z"
    return {"id": str(number), "kind": "run", "job": "p/job", "by": by, "at": at, "state": "pending"}


def _persist(store: Store, batch: Batch) -> None:
    while True:
        try:
            return store.write(batch)
        except Unavailable:
            time.sleep(0.02)


def _steps(store: Store, role: str, start: str) -> Iterator[str]:
    if role == "race":
        for line in sys.stdin:
            yield json.dumps(race(store, int(line), start))
        return
    step = {"write": write, "read": read, "ask": ask}[role]
    for number in count(int(start)):
        step(store, number)
        yield str(number)
        if select.select([sys.stdin], [], [], 0)[0]:
            return


def main(role: str, address: str, start: str) -> None:
    """Play the role until standard input ends."""
    store = open_store(address, readonly=role == "read")
    for line in _steps(store, role, start):
        print(line, flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
