"""A process beside the test that uses a SQLite store: `python -m tests.support.store_process ROLE PATH START`.

It prints one number per acknowledged step, and goes on until it is killed or its standard input ends.
"""

from __future__ import annotations

import select
import sys
from itertools import count
from pathlib import Path

from tests.support.executions import document, identity
from windmill.core.model import State
from windmill.core.ports import Batch, ExecutionFilter, OutputBlock
from windmill.store.sqlite import SqliteStore


def write(store: SqliteStore, number: int) -> None:
    """Record execution `number` with 20 KiB of output, in two steps."""
    block = OutputBlock(identity(number), 1, 5, 1, 0, b"%d " % number * 4096)
    store.write(Batch(executions=[document(number, State.RUNNING)], output=[block]))
    store.write(Batch(executions=[document(number)]))


def read(store: SqliteStore, _number: int) -> None:
    """Look at everything a page shows."""
    for item in store.executions(ExecutionFilter()).items:
        store.output_tail(item["id"], size=100)
    store.latest_executions()
    store.open_executions()


def ask(store: SqliteStore, number: int) -> None:
    """Add a request and answer every other one."""
    at = "2026-01-01T00:00:00.000Z"
    store.add_request({"id": str(number), "kind": "run", "job": "p/job", "by": "ann", "at": at, "state": "pending"})
    if number % 2:
        store.write(Batch(answers=[{"id": str(number), "state": "done", "answer": {}}]))


def main(role: str, path: str, start: str) -> None:
    """Play the role until standard input ends."""
    store = SqliteStore(Path(path), readonly=role == "read")
    step = {"write": write, "read": read, "ask": ask}[role]
    for number in count(int(start)):
        step(store, number)
        print(number, flush=True)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
