"""What recording costs: `python -m tests.benchmarks.recorder` ships a real journal into a real SQLite store.

Prints CPU and elapsed microseconds per execution (RECORD and END) by how many are written together, of an idle
round, and MiB/s of output; each the best of several repetitions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.executions import START
from tests.support.journals import Reader, output, record, writer
from windmill.core.model import State
from windmill.core.ports import Frame
from windmill.execution.journal import Writer
from windmill.scheduler.shipper import Shipper
from windmill.store.sqlite import SqliteStore

MEBIBYTES = 64
REPETITIONS = 5


def cost(
    journal: Writer, shipper: Shipper, appends: Sequence[Sequence[Frame]], *, together: bool
) -> tuple[float, float]:
    """Return CPU and elapsed seconds of shipping the appends: after each, or all of them together."""
    cpu = elapsed = 0.0
    for number, frames in enumerate(appends, 1):
        journal.append(frames)
        if together and number < len(appends):
            continue
        cpu_before, before = time.process_time(), time.perf_counter()
        while shipper.ship_once(START):
            pass
        cpu += time.process_time() - cpu_before
        elapsed += time.perf_counter() - before
    shipper.applied("runner", journal.position)
    return cpu, elapsed


def best(measure: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """Return the least CPU and elapsed seconds of the repetitions."""
    found = [measure() for _ in range(REPETITIONS)]
    return min(cpu for cpu, _ in found), min(elapsed for _, elapsed in found)


def executions(journal: Writer, shipper: Shipper, numbers: count[int], per_round: int) -> tuple[float, float]:
    """Ship 200 executions, their starts and their ends in rounds of their own."""
    appends = []
    for _ in range(200 // per_round):
        group = [next(numbers) for _ in range(per_round)]
        appends += [[record(one) for one in group], [record(one, State.SUCCEEDED) for one in group]]
    return cost(journal, shipper, appends, together=False)


def flood(journal: Writer, shipper: Shipper, numbers: count[int], size: int) -> tuple[float, float]:
    """Ship output that waits in the journal as frames of `size` bytes."""
    number, data, per_append = next(numbers), os.urandom(size), (1 << 20) // size
    starts = range(1, MEBIBYTES * per_append, per_append)
    appends = [[output(number, one, data) for one in range(start, start + per_append)] for start in starts]
    return cost(journal, shipper, appends, together=True)


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory() as name:
        root = Path(name)
        journal = writer(root / "journal", "runner")
        shipper = Shipper(
            journal=Reader(root / "journal"),
            open_store=lambda: SqliteStore(root / "windmill.db"),
            cursors=root / "journal",
            state=root,
            deliver=lambda _requests: None,
        )
        shipper.ship_once(START)
        numbers = count()
        for per_round in (100, 10, 1):
            cpu, elapsed = best(partial(executions, journal, shipper, numbers, per_round))
            print(
                f"{per_round:4} per round: {cpu / 200 * 1e6:5.0f} us CPU, {elapsed / 200 * 1e6:5.0f} us per execution"
            )
        cpu, _ = best(partial(cost, journal, shipper, [[]] * 100, together=False))
        print(f"idle round:     {cpu / 100 * 1e6:5.0f} us CPU")
        for size in (64 << 10, 16 << 10, 1 << 10):
            cpu, elapsed = best(partial(flood, journal, shipper, numbers, size))
            print(f"frames of {size >> 10:2} KiB: {MEBIBYTES / elapsed:4.0f} MiB/s, {MEBIBYTES / cpu:4.0f} per CPU-s")
        shipper.close()
        journal.close(settled=False)


if __name__ == "__main__":
    main()
