"""Nothing is missing, double or out of order, however the store fails while jobs run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.outage import FAULTS, run
from tests.support.mongo import MongoServer

SHORT = 2  # seconds
MINUTE = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.mark.parametrize("fault", ["dead", "frozen", "slow", "cut", "scheduler-too"])
def test_a_store_that_fails_for_a_moment_costs_nothing(server: MongoServer, tmp_path: Path, fault: str) -> None:
    counts = run(tmp_path / fault, server, FAULTS[fault], seconds=SHORT)
    assert (counts.wrong(), counts.stored) == ({}, counts.written)


@pytest.mark.long
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_store_that_fails_for_a_minute_costs_nothing(server: MongoServer, tmp_path: Path, fault: str) -> None:
    counts = run(tmp_path / fault, server, FAULTS[fault], seconds=MINUTE)
    assert (counts.wrong(), counts.stored) == ({}, counts.written)
