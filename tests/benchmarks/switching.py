"""Large projects: what a sync of 10,000 files costs the slots that are due meanwhile."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from tests.benchmarks import homes
from tests.benchmarks.machine import percentile
from tests.benchmarks.table import Row
from tests.support.git_server import Upstream
from tests.support.live import Live
from tests.support.waiting import until
from windmill.core.documents import Document

JOBS: Final = 20
MOST: Final = 50.0  # milliseconds a slot may be later than without a sync
PROJECT: Final = '[projects.large]\ngit = "{}"\npoll = "1h"\n'


def switches(files: int, syncs: int, seconds: int) -> Iterator[Row]:
    """20 jobs every second, first alone, then beside syncs one after the other, each of which also removes a tree."""
    with homes.home() as live:
        upstream = _large(live, files)
        homes.jobs(live, JOBS, f"project: p\nentry_point: 'true'\nschedule: {{{homes.WHOLE_SECONDS}}}")
        homes.up(live, JOBS + 1)
        until(lambda: live.ended("large/@sync"), timeout=300)
        time.sleep(2)  # the first starts of a runner
        begin, end = homes.pass_time(seconds)
        quiet = _lateness(live, begin, end)
        begin, took = homes.next_second(), _sync_again(live, upstream, syncs)
        end = datetime.fromtimestamp(int(time.time()), UTC)
        busy = _lateness(live, begin, end)
        found = homes.within(homes.executions(live, begin, end), begin, end)
        wrong = homes.amiss(_of_jobs(found), begin, end, jobs=JOBS)
    yield Row(
        measure=f"switch: {files:,} files, lateness p99 beside syncs",
        measured=f"{percentile(busy, 0.99):.0f} ms",
        budget=f"< +{MOST:.0f} ms",
        within=percentile(busy, 0.99) - percentile(quiet, 0.99) < MOST,
        ratio=f"{percentile(busy, 0.99) / max(1, percentile(quiet, 0.99)):.1f} x quiet",
        remarks=f"{_words(busy)}; without syncs {_words(quiet)}",
        wrong=wrong,
    )
    yield Row(
        measure=f"switch: {files:,} files, latest slot beside syncs",
        measured=f"{max(busy):.0f} ms",
        budget=f"< +{MOST:.0f} ms",
        within=max(busy) - max(quiet) < MOST,
        ratio=f"{max(busy) / max(1, *quiet):.1f} x quiet",
        remarks=f"{len(busy)} slots, {syncs} syncs of {statistics.median(took):.1f} s",
    )


def _large(live: Live, files: int) -> Upstream:
    upstream = Upstream(live.root.parent / "upstream")
    upstream.write({f"d{number % 100}/m{number}.py": f"VALUE = {number}\n" * 20 for number in range(files)})
    upstream.commit({"jobs.d/large.yaml": "entry_point: d0/m0.py\n"})
    with (live.root / "windmill.toml").open("a") as settings:
        settings.write(PROJECT.format(upstream.url))
    return upstream


def _sync_again(live: Live, upstream: Upstream, syncs: int) -> list[float]:
    """Commit, and sync, so many times; return the seconds each sync took."""
    took = []
    trees = live.root / ".windmill" / "revisions" / "large"
    for number in range(syncs):
        upstream.commit({"d0/m0.py": f"VALUE = {-number}\n"})
        for tree in trees.iterdir():
            os.utime(tree, (0, 0))  # old enough to be removed
        began = time.monotonic()
        live.cli("sync", "large", timeout=300)
        took.append(time.monotonic() - began)
    return took


def _lateness(live: Live, begin: datetime, end: datetime) -> list[float]:
    homes.settled(live, end)
    return homes.lateness(_of_jobs(homes.within(homes.executions(live, begin, end), begin, end)))


def _of_jobs(found: list[Document]) -> list[Document]:
    return [one for one in found if one["job"].startswith("p/")]


def _words(late: list[float]) -> str:
    return f"p50 {statistics.median(late):.0f}, p99 {percentile(late, 0.99):.0f}, max {max(late):.0f}"
