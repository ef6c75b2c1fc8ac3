from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.browser import browser
from tests.support.live import Live
from tests.support.mongo import MongoServer
from tests.support.scripts import GATED, Gate

__all__ = ["browser", "gate", "kept_in_mongodb", "live"]

# With this every home of the journeys keeps everything in MongoDB.
IN_MONGODB = os.environ.get("WINDMILL_TEST_STORE") == "mongo"
collect_ignore = (
    ["test_full_journal.py", "test_mongo.py", "test_moving.py", "test_outage.py"] if IN_MONGODB else []
)  # they choose for themselves


@pytest.fixture(scope="session", autouse=True)
def kept_in_mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with ExitStack() as started:
        if IN_MONGODB:
            Live.server = started.enter_context(MongoServer(tmp_path_factory.mktemp("mongo")))
            started.callback(setattr, Live, "server", None)
        yield


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with Live(tmp_path / "home") as live:
        yield live


@pytest.fixture
def gate(live: Live) -> Gate:
    """The project has gated.py, and the job gated, started by hand, runs it until this gate is open."""
    gate = Gate(live.root / "gate")
    live.script("gated.py", GATED)
    live.job("gated", f'entry_point: gated.py\nkill_grace: 1s\nenv: {{GATE: "{gate.path}"}}\n')
    return gate
