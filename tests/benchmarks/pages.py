"""The dashboard, and what its pages ask of the embedded store, when that holds very many executions of a year."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.benchmarks.machine import percentile
from tests.benchmarks.table import Row
from tests.benchmarks.visits import visits
from tests.support.executions import START, identity
from tests.support.population import commit, load
from windmill.core.documents import to_text
from windmill.core.model import State
from windmill.core.ports import Batch, ExecutionFilter, OutputBlock, Store
from windmill.store.sqlite import SqliteStore

Ask = Callable[[Store, int], Any]

BUDGET_MS: Final = 100
KEEP: Final = "WINDMILL_BENCHMARK_HOME"  # a directory to keep the filled store in, or to take it from
JOBS: Final = 2000
_APART: Final = 30  # seconds between two executions: a million in a year
_WITH_OUTPUT: Final = 2000


def pages(number: int, times: int) -> Iterator[Row]:
    """Fill the store of a home, then ask everything that a page asks and open every page, so many times."""
    with TemporaryDirectory() as directory:
        home = Path(os.environ.get(KEEP) or directory)
        path = home / ".windmill" / "windmill.db"
        if not path.exists():
            path.parent.mkdir(parents=True)
            (home / "windmill.toml").touch()
            yield _filled(path, number)
        with closing(SqliteStore(path, readonly=True)) as store:
            for name, ask in questions(number).items():
                yield _asked(store, name, ask, times)
        yield from visits(home, number, times)


def questions(number: int) -> Mapping[str, Ask]:
    """Return what pages ask; the number of the turn chooses the job or the execution."""
    now = _end(number)
    day, year = now - timedelta(days=1), datetime(now.year - 1, now.month, 1, tzinfo=now.tzinfo)
    failed = frozenset({State.FAILED, State.LOST, State.TIMED_OUT})
    lists = {
        "all": ExecutionFilter(),
        "of a job": ExecutionFilter(job="p7/j7"),
        "of a project": ExecutionFilter(project="p7"),
        "that failed": ExecutionFilter(states=failed),
        "started by hand": ExecutionFilter(triggers=frozenset({"manual"})),
        "retried (none)": ExecutionFilter(triggers=frozenset({"retry"})),
        "of a day": ExecutionFilter(since=now - timedelta(days=200), until=now - timedelta(days=199)),
        "text of one job": ExecutionFilter(text="j133"),
        "text of no job": ExecutionFilter(text="nowhere"),
        "text of many jobs": ExecutionFilter(text="p3/"),
        "beginning of an id": ExecutionFilter(text=identity(number // 2)[:7]),
        "jobs of a label, 10": ExecutionFilter(jobs=frozenset(f"p{one}/j{one}" for one in range(10))),
        "jobs of a label, 100": ExecutionFilter(jobs=frozenset(f"p{one % 10}/j{one}" for one in range(100))),
        "jobs of a label, failed": ExecutionFilter(
            jobs=frozenset(f"p{one % 10}/j{one}" for one in range(60)), states=failed
        ),
        "of a revision": ExecutionFilter(revision=commit(number - 1)[:8]),
        "of an old revision": ExecutionFilter(revision=commit(1)[:8]),
        "of an unknown revision": ExecutionFilter(revision="no-such"),
        "longer than 30 min": ExecutionFilter(longer_than=timedelta(minutes=30)),
        "longer than a day (none)": ExecutionFilter(longer_than=timedelta(days=1)),
        "of a job longer than 30 min": ExecutionFilter(job="p7/j17", longer_than=timedelta(minutes=30)),
        "everything at once": ExecutionFilter(
            text="j1", project="p3", states=failed, triggers=frozenset({"manual"}), longer_than=timedelta(hours=9)
        ),
        "output contains": ExecutionFilter(contains="needle"),
        "output contains (none)": ExecutionFilter(contains="no such words"),
        "skipped in 24 h": ExecutionFilter(states=frozenset({State.SKIPPED}), since=day),
    }
    everything = [f"p{one % 10}/j{one}" for one in range(JOBS)]
    return {
        **{f"list: {name}": partial(_listed, wanted) for name, wanted in lists.items()},
        "list: a deep page": lambda store, turn: store.executions(
            ExecutionFilter(until=START + timedelta(seconds=turn * 1000 * _APART))
        ),
        "execution": lambda store, turn: store.execution(identity(turn)),
        "neighbours": lambda store, turn: store.neighbours(store.execution(identity(turn * 100)) or {}),
        "recent: 100 of a job": lambda store, turn: store.recent([everything[turn % JOBS]], limit=100),
        "recent: the last of 2,000 jobs": lambda store, _: store.recent(everything, limit=1),
        "recent: 20 of 200 jobs": lambda store, _: store.recent(everything[:200]),
        "recent: 20 of 500 jobs": lambda store, _: store.recent(everything[:500]),
        "latest of every job": lambda store, _: store.latest_executions(),
        "named: 50": lambda store, turn: store.named([identity(turn * 1000 + one) for one in range(50)]),
        "jobs: all": lambda store, _: store.jobs(),
        "job": lambda store, turn: store.job(everything[turn % JOBS]),
        "open": lambda store, _: store.open_executions(),
        "tally: 24 h of everything": lambda store, _: store.tally(since=day + timedelta(hours=5), until=now),
        "tally: a year of a job": lambda store, turn: store.tally(job=everything[turn % JOBS], since=year),
        "tally: a year of a project": lambda store, turn: store.tally(project=f"p{turn % 10}", since=year),
        "tally: a year of everything": lambda store, _: store.tally(since=year),
        "requests": lambda store, _: store.requests(),
    }


def _end(number: int) -> datetime:
    """Return when the last of so many executions was queued, which is now for everything here."""
    return START + timedelta(seconds=number * _APART)


def _listed(wanted: ExecutionFilter, store: Store, _turn: int) -> object:
    return store.executions(wanted)


def _filled(path: Path, number: int) -> Row:
    began = time.perf_counter()
    with closing(SqliteStore(path)) as store:
        load(store, number, apart=_APART, jobs=JOBS)
        said = [(b"needle " if one % 50 == 0 else b"hay ") * 1000 for one in range(_WITH_OUTPUT)]
        blocks = [OutputBlock(identity(number - one), 1, 1, 1, 0, data) for one, data in enumerate(said, start=1)]
        store.write(Batch(output=blocks, status={"scheduler": {"at": to_text(_end(number))}}))
    elapsed = time.perf_counter() - began
    return Row(
        measure=f"{number} executions written",
        measured=f"{elapsed:.0f} s",
        remarks=f"{number / elapsed:.0f}/s, {path.stat().st_size >> 20} MiB",
    )


def _asked(store: Store, name: str, ask: Ask, times: int) -> Row:
    taken = []
    for turn in range(times):
        began = time.perf_counter()
        ask(store, turn)
        taken.append((time.perf_counter() - began) * 1000)
    p95 = percentile(taken, 0.95)
    return Row(
        measure=name,
        measured=f"p50 {percentile(taken, 0.5):.1f}, p95 {p95:.1f} ms",
        budget=f"< {BUDGET_MS} ms",
        within=p95 < BUDGET_MS,
    )
