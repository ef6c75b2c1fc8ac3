"""Who is told of starts and ends: of each attempt that starts, and of ends that nothing follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.scheduler.test_scheduler import Bench
from tests.support.world import MINUTE, T0, a_job
from windmill.core.model import Execution, Job, Retry, State
from windmill.core.ports import Plan


class Listened:
    """A bench, and what was heard there."""

    def __init__(self, directory: Path, bench: Bench | None = None) -> None:
        self.heard: list[State] = []
        states = [entry.state for entry in bench.table] if bench else []
        self.bench = Bench(directory, states=states, heard=self.hear)

    def hear(self, job: Job, execution: Execution) -> None:
        assert job.key == execution.job
        self.heard.append(execution.state)

    def start(self) -> Plan:
        plan = self.bench.hand.plans[-1]
        self.bench.performer.started(replace(plan.execution, state=State.RUNNING, started_at=self.bench.now))
        return plan


@pytest.fixture
def listened(tmp_path: Path) -> Iterator[Listened]:
    made = Listened(tmp_path)
    yield made
    made.bench.ledger.close()


def test_a_start_and_an_end_are_heard(listened: Listened) -> None:
    listened.bench.define(a_job())
    listened.bench.at(T0)
    listened.bench.end(listened.start())
    assert listened.heard == [State.RUNNING, State.SUCCEEDED]


def test_what_is_said_of_a_running_execution_again_is_no_second_start(listened: Listened) -> None:
    listened.bench.define(a_job())
    listened.bench.at(T0)
    listened.start()
    listened.start()
    assert listened.heard == [State.RUNNING]


def test_a_failure_is_heard_when_no_retry_follows(listened: Listened) -> None:
    listened.bench.define(a_job(retry=Retry(limit=1, delay=timedelta(seconds=1))))
    listened.bench.at(T0)
    listened.bench.end(listened.start(), State.FAILED)
    assert listened.heard == [State.RUNNING]
    listened.bench.at(T0 + MINUTE)
    listened.bench.end(listened.start(), State.FAILED)
    assert listened.heard == [State.RUNNING, State.RUNNING, State.FAILED]


def test_what_cannot_start_is_heard_to_fail(listened: Listened) -> None:
    listened.bench.performer.locations = {}
    listened.bench.define(a_job())
    listened.bench.at(T0)
    assert listened.heard == [State.FAILED]


def test_an_end_found_at_a_return_is_heard_once_the_job_is_known(tmp_path: Path) -> None:
    before = Listened(tmp_path / "before")
    before.bench.define(a_job())
    before.bench.at(T0)
    plan = before.start()
    after = Listened(tmp_path / "after", before.bench)
    after.bench.end(plan)
    assert after.heard == []
    after.bench.define(a_job())
    assert after.heard == [State.SUCCEEDED]
    before.bench.ledger.close()
    after.bench.ledger.close()
