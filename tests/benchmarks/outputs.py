"""Output: how fast one child may write, and how soon a line can be read."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from datetime import datetime

from tests.benchmarks import bare, homes
from tests.benchmarks.machine import memory, percentile
from tests.benchmarks.table import Row
from tests.support.live import Live
from tests.support.waiting import until
from windmill.core.documents import Document
from windmill.core.model import TERMINAL, State

CHATTY = """
    import random, time
    chance = random.Random(1)
    for _ in range({lines}):
        time.sleep(chance.uniform(0.02, 0.1))
        print(time.time_ns())
"""


def flood(mebibytes: int) -> Iterator[Row]:
    """One child that writes as fast as it can, everything kept."""
    with homes.home() as live:
        size = mebibytes << 20
        child = homes.program(live, "flood", f"#!/bin/sh\nexec head -c {size} /dev/zero\n")
        live.job("flood", "entry_point: flood\noutput: {max_size: 2GiB}")
        homes.up(live, 1)
        live.cli("run", "--detach", "flood")
        until(live.runners)
        processes = (live.scheduler.pid if live.scheduler else 0, *live.runners()[:1])
        before = [memory(pid) for pid in processes]
        ended, stored = _watch(live)
        grown = [memory(pid, "VmHWM") - then for pid, then in zip(processes, before, strict=True)]
        started = datetime.fromisoformat(ended["started_at"]).timestamp()
        rate, captured = mebibytes / (stored - started), mebibytes / (_ended_at(ended) - started)
        kept = _kept(live, ended["id"])
        cat = bare.cat([str(child)], live.root / "copy") / (1 << 20)
        pipe = bare.discard([str(child)]) / (1 << 20)
    yield Row(
        measure=f"output: {mebibytes} MiB flat out, stored",
        measured=f"{rate:.0f} MiB/s",
        budget=">= 100 MiB/s",
        within=rate >= 100,
        ratio=f"{rate / cat:.2f} x cat",
        remarks=f"journal {captured:.0f} MiB/s; cat to a synced file {cat:.0f}, pipe read {pipe:.0f}",
        wrong="" if kept == size == ended["output_bytes"] else f"{kept} of {size} bytes are stored",
    )
    yield Row(
        measure="output: growth of memory",
        measured=f"{max(grown):.0f} MiB",
        budget="< 64 MiB",
        within=max(grown) < 64,
        remarks=f"scheduler {grown[0]:.0f}, runner {grown[1]:.0f} at their highest",
    )


def _watch(live: Live) -> tuple[Document, float]:
    """Return the execution as ended, and when (seconds since 1970) its end and so all before it was stored."""
    deadline = time.monotonic() + 300
    with homes.store(live) as opened:
        while time.monotonic() < deadline:
            found = list(opened.latest_executions().values())
            if found and State(found[0]["state"]) in TERMINAL:
                return found[0], time.time()
            time.sleep(0.02)
    raise TimeoutError("the output was not stored within 300 s")


def _ended_at(ended: Document) -> float:
    return datetime.fromisoformat(ended["ended_at"]).timestamp()


def _kept(live: Live, identity: str) -> int:
    size, after = 0, 0
    with homes.store(live) as opened:
        while blocks := opened.output(identity, after=after):
            size += sum(len(block.data) for block in blocks)
            after = blocks[-1].last
    return size


def line(lines: int) -> Iterator[Row]:
    """A job prints the time; a reader polls the store."""
    with homes.home() as live:
        live.script("chatty.py", CHATTY.format(lines=lines))
        live.job("chatty", "entry_point: chatty.py")
        homes.up(live, 1)
        live.cli("run", "--detach", "chatty")
        delays = _delays(live, lines)
    worst = percentile(delays, 0.95)
    yield Row(
        measure="line: print -> readable in the store p95",
        measured=f"{worst:.0f} ms",
        budget="< 500 ms",
        within=worst < 500,
        remarks=f"p50 {statistics.median(delays):.0f}, max {max(delays):.0f}; {len(delays)} lines",
    )


def _delays(live: Live, lines: int) -> list[float]:
    delays: list[float] = []
    after, rest = 0, b""
    deadline = time.monotonic() + 60 + lines
    with homes.store(live) as opened:
        until(opened.latest_executions)
        (execution,) = opened.latest_executions().values()
        while len(delays) < lines and time.monotonic() < deadline:
            blocks = opened.output(execution["id"], after=after)
            seen = time.time_ns()
            after = blocks[-1].last if blocks else after
            *whole, rest = (rest + b"".join(block.data for block in blocks)).split(b"\n")
            delays += [(seen - int(printed)) / 1e6 for printed in whole]
            time.sleep(random.uniform(0.002, 0.006))
    if len(delays) < lines:
        raise TimeoutError(f"only {len(delays)} of {lines} lines were stored")
    return delays
