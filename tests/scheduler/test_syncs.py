"""What WindMill runs for itself, beside the jobs of people."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.scheduler.test_scheduler import Bench
from tests.support.world import T0, a_job
from windmill.core.events import RunRequested
from windmill.core.model import SYNC, Job, Location
from windmill.core.state import ManualRequest


@pytest.fixture
def full(tmp_path: Path) -> Iterable[Bench]:
    """A scheduler with one place, which a job has taken."""
    bench = Bench(tmp_path, max_running=1)
    place = Location(root="/p", revision=None, python="python3")
    bench.performer.locations = {"dw": place, **{f"p{number}": place for number in range(4)}}
    bench.define(a_job())
    bench.at(T0)
    assert len(bench.hand.plans) == 1
    yield bench
    bench.ledger.close()


def sync(number: int) -> Job:
    return a_job(project=f"p{number}", name=SYNC, schedule=None)


def ask(bench: Bench, *jobs: Job) -> None:
    bench.define(*jobs)
    for job in jobs:
        request = RunRequested(ManualRequest(id=f"r-{job.key}"), wait=False)
        bench.performer.perform(bench.table.apply(job.key, request, T0), T0)
    bench.performer.admit(T0)


def started(bench: Bench) -> list[str]:
    return [plan.execution.job for plan in bench.hand.plans]


def test_a_sync_waits_for_no_place_of_a_job(full: Bench) -> None:
    ask(full, sync(0))
    assert started(full)[1:] == ["p0/@sync"]


def test_a_sync_takes_no_place_of_a_job(full: Bench) -> None:
    ask(full, sync(0))
    full.end(full.hand.plans[0])
    ask(full, a_job(name="next", schedule=None))
    assert started(full)[-1] == "dw/next"


def test_two_syncs_run_at_once_and_the_third_waits(full: Bench) -> None:
    ask(full, sync(0), sync(1), sync(2))
    assert started(full)[1:] == ["p0/@sync", "p1/@sync"]
    full.end(full.hand.plans[1])
    full.performer.admit(T0)
    assert started(full)[-1] == "p2/@sync"


def test_a_waiting_sync_can_be_named(full: Bench) -> None:
    ask(full, sync(0), sync(1), sync(2))
    waiting = full.table["p2/@sync"].state.open
    assert waiting is not None
    assert full.performer.owner_of(waiting.id) == "p2/@sync"
