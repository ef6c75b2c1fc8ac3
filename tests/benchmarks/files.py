"""Job files: how soon a saved one is in effect, and what ten thousand of them cost."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Iterator

from tests.benchmarks import homes
from tests.benchmarks.machine import memory, percentile, usage
from tests.benchmarks.table import Row
from tests.support.live import Live
from tests.support.waiting import until


def save(times: int) -> Iterator[Row]:
    """Save one file of twenty again and again; it is in effect when the store shows the changed job."""
    with homes.home() as live:
        homes.jobs(live, 20, "entry_point: 'true'")
        homes.up(live, 20)
        delays = [_save(live, number) for number in range(times)]
    worst = percentile(delays, 0.95)
    yield Row(
        measure="save: a YAML file -> in effect p95",
        measured=f"{worst:.0f} ms",
        budget="< 300 ms",
        within=worst < 300,
        remarks=f"p50 {statistics.median(delays):.0f}, max {max(delays):.0f}; {times} times",
    )


def _save(live: Live, number: int) -> float:
    time.sleep(random.uniform(0.3, 0.8))
    with homes.store(live) as opened:
        live.job("job00007", f"entry_point: 'true'\ndescription: version {number}")
        before = time.monotonic()
        while not any(job.get("description") == f"version {number}" for job in opened.jobs()):
            if time.monotonic() > before + 60:
                raise TimeoutError("a saved file was not in effect within 60 s")
            time.sleep(0.003)
        return (time.monotonic() - before) * 1000


def many(count: int, seconds: int) -> Iterator[Row]:
    """Start with `count` files for the first time, then let the scheduler alone for a while."""
    with homes.home() as live:
        homes.jobs(live, count, "entry_point: 'true'\nschedule: 30 4 * * *")
        before = time.monotonic()
        homes.up(live, count)
        first = time.monotonic() - before
        with homes.store(live) as opened:
            known = len(opened.jobs())
        _quiet(live)
        assert live.scheduler is not None
        share, resident = _idle(live, seconds), memory(live.scheduler.pid)
        runner = memory(live.runners()[0])
        live.terminate()
        before = time.monotonic()
        live.up()
        until(lambda: _read_since(live), timeout=120)
        again = time.monotonic() - before
    yield Row(
        measure=f"many: first start with {count:,} files",
        measured=f"{first:.1f} s",
        budget="< 4 s",
        within=first < 4,
        remarks=f"until the store shows the catalog; second start {again:.1f} s",
        wrong="" if known == count else f"{known} of {count} jobs are in the store",
    )
    yield Row(
        measure=f"many: idle with {count:,} jobs",
        measured=f"{share:.2%}",
        budget="< 0.5 % of a core",
        within=share < 0.005,
        remarks=f"over {seconds} s; every 30 s the directory is read",
    )
    yield Row(
        measure=f"many: memory with {count:,} jobs",
        measured=f"{resident:.0f} MiB",
        budget="< 150 MiB",
        within=resident < 150,
        remarks=f"runner {runner:.0f}",
    )


def _read_since(live: Live) -> bool:
    """Return True when the catalog in the store was read by the scheduler that is up now."""
    with homes.store(live) as opened:
        catalog = opened.status("catalog")
    holder = json.loads((live.root / ".windmill" / "lock").read_text())
    return catalog is not None and bool(catalog["at"] > holder["started_at"])


def _quiet(live: Live) -> None:
    """Wait until the scheduler has nothing left to do: less than half of a core in one second."""
    until(lambda: _idle(live, 1) < 0.05, timeout=120, what="the scheduler is idle")


def _idle(live: Live, seconds: int) -> float:
    """Return the share of a core that scheduler and runner took over the next seconds."""
    assert live.scheduler is not None
    processes = [live.scheduler.pid, *live.runners()]
    before = sum(usage(pid).total for pid in processes)
    time.sleep(seconds)
    return (sum(usage(pid).total for pid in processes) - before) / seconds
