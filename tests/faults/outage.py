"""`python -m tests.faults.outage`: a real `windmill up` on a real server that fails in every way a server fails.

Jobs are due at every second before, during and after the fault; then every slot, every execution and every line is
looked for in the store. Printed are the counts, and the lateness of starts against the same run without a fault.
The exit status is 1 when anything is missing, double or out of order.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tests.faults.counts import Counts, count, ended, executions, settled
from tests.faults.workload import Workload
from tests.support.live import Live
from tests.support.mongo import MongoServer
from tests.support.proxy import Proxy, Way
from windmill.scheduler.clock import now
from windmill.store.mongo import MongoStore

BEFORE: Final = 2  # seconds of work before the fault, and after it
AFTER: Final = 2
ARRIVAL: Final = timedelta(seconds=5)  # from the job files' coming to the first slot; first sight owes nothing
SLOW: Final = 48 << 10  # bytes a second
HEADINGS: Final = (
    *("fault", "slots due", "missing", "double", "executions", "without end", "acknowledged", "forgotten"),
    *("lines written", "stored", "missing", "double", "disordered", "late p99", "ratio"),
)


@dataclass(frozen=True, slots=True)
class Bed:
    """What a fault can be done to."""

    live: Live
    server: MongoServer
    proxy: Proxy


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to fail, from entering to leaving; `at_start`: it is there before the scheduler is."""

    name: str
    strike: Callable[[Bed], AbstractContextManager[None]]
    at_start: bool = False


@contextmanager
def nothing(_: Bed) -> Iterator[None]:
    yield


@contextmanager
def dead(bed: Bed) -> Iterator[None]:
    bed.server.kill()
    yield
    bed.server.start()


@contextmanager
def frozen(bed: Bed) -> Iterator[None]:
    bed.server.freeze()
    yield
    bed.server.thaw()


@contextmanager
def slow(bed: Bed) -> Iterator[None]:
    bed.proxy.throttle(SLOW)
    yield
    bed.proxy.heal()


@contextmanager
def refusing(bed: Bed) -> Iterator[None]:
    bed.proxy.refuse()
    yield
    bed.proxy.heal()


@contextmanager
def silent(bed: Bed) -> Iterator[None]:
    bed.proxy.swallow()
    yield
    bed.proxy.heal()


@contextmanager
def cut(bed: Bed) -> Iterator[None]:
    """Cut connections in mid-message, again and again, both ways in turn."""
    over = threading.Event()

    def work() -> None:
        chance = random.Random(1)
        while not over.wait(0.2):
            bed.proxy.cut(after=chance.randrange(10, 30_000), way=chance.choice(list(Way)))

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()
    bed.proxy.heal()


@contextmanager
def both_dead(bed: Bed) -> Iterator[None]:
    """The scheduler is killed as well, and comes back before the server does."""
    bed.server.kill()
    bed.live.kill()
    bed.live.up()
    yield
    bed.server.start()


FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault("none", nothing),
        Fault("dead", dead),
        Fault("frozen", frozen),
        Fault("slow", slow),
        Fault("refusing", refusing),
        Fault("silent", silent),
        Fault("cut", cut),
        Fault("away-at-start", dead, at_start=True),
        Fault("scheduler-too", both_dead),
    )
}


def run(root: Path, server: MongoServer, fault: Fault, *, seconds: int, patience: float = 60.0) -> Counts:
    """Run the workload with the fault lasting `seconds`, wait until all is stored, and count it."""
    database = root.name
    with Proxy(server.port) as proxy, Live(root, f'[store]\nuri = "{proxy.uri(database)}"\n') as live:
        bed = Bed(live, server, proxy)
        with (fault.strike if fault.at_start else nothing)(bed):
            live.up()
            first = (now() + ARRIVAL).replace(microsecond=0) + timedelta(seconds=1)
            work = Workload(root, first=first, count=BEFORE + seconds + AFTER)
            due, seen = work.due(), set[str]()
            if fault.at_start:
                _sleep_until(first + timedelta(seconds=seconds))

        def stored() -> bool:
            with suppress(Exception), closing(MongoStore(server.uri(database), readonly=True)) as store:
                return settled(executions(store), due, work.written())
            return False

        if not fault.at_start:
            _sleep_until(first + timedelta(seconds=BEFORE))
            with closing(MongoStore(server.uri(database), readonly=True)) as store:
                seen = ended(executions(store))
            with fault.strike(bed):
                time.sleep(seconds)
        _sleep_until(max(slot for _, slot in due) + timedelta(seconds=1))
        deadline = time.monotonic() + patience
        while not stored() and time.monotonic() < deadline:  # the counts say what did not come
            time.sleep(0.3)
        live.terminate()
        with closing(MongoStore(server.uri(database), readonly=True)) as store:
            return count(store, due, work.written(), seen)


def _sleep_until(instant: datetime) -> None:
    time.sleep(max(0.0, (instant - now()).total_seconds()))


def row(name: str, counts: Counts, quiet: Counts | None) -> tuple[str, ...]:
    """Return the counts as cells under HEADINGS; `quiet` are those of the run without a fault."""
    ratio = f"{counts.lateness / max(quiet.lateness, 1):.2f}" if quiet else ""
    numbers = (
        *(counts.due, counts.missing, counts.double, counts.recorded, counts.unended),
        *(counts.acknowledged, counts.forgotten, counts.written, counts.stored),
        *(counts.lines_missing, counts.lines_double, counts.lines_disordered),
    )
    return (name, *(f"{number:,}" for number in numbers), f"{counts.lateness} ms", ratio)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as aligned lines."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def main(arguments: Sequence[str]) -> int:
    """Run the faults one after the other, print the counts, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.outage", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="how long each fault lasts (5)")
    parser.add_argument("--long", action="store_const", dest="seconds", const=60, help="each fault lasts a minute")
    parser.add_argument("--only", action="append", choices=list(FAULTS), help="one of the faults; may be repeated")
    options = parser.parse_args(arguments)
    names = list(dict.fromkeys(["none", *(options.only or FAULTS)]))
    found: dict[str, Counts] = {}
    with tempfile.TemporaryDirectory(prefix="outage-") as path, MongoServer(Path(path) / "server") as server:
        for name in names:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {name}, {options.seconds} s\n")
            found[name] = run(Path(path) / name, server, FAULTS[name], seconds=options.seconds)
    print(*table([HEADINGS, *(row(name, counts, found["none"]) for name, counts in found.items())]), sep="\n")
    wrong = {name: counts.wrong() for name, counts in found.items() if counts.wrong()}
    print("", f"wrong: {wrong}" if wrong else "nothing missing, nothing double, everything in order", sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
