from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.builders import a_job, a_running_execution, an_execution
from tests.support.dashboard import Site
from windmill.core.model import State
from windmill.core.ports import Batch, OutputBlock
from windmill.dashboard.access import Role


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A home where everybody may act."""
    return Site(tmp_path / "windmill.db", anonymous=Role.ACT)


@pytest.fixture
def failed(site: Site) -> str:
    """The id of an execution of p/hello that failed, and wrote to both streams."""
    ended = an_execution(state=State.FAILED, exit_code=1, reason="exit_code", params={"day": 3}, job_digest="d")
    blocks = [
        OutputBlock(ended["id"], 1, 2, 1, 1000, b"one\ntw"),
        OutputBlock(ended["id"], 3, 3, 2, 2000, b"o\nthree"),
    ]
    definition = {"id": "d", "job": "p/hello", "document": {"name": "hello"}, "file": "jobs.d/hello.yaml", "line": 1}
    seen = {"seen_at": "2026-01-01T00:00:00.000Z"}
    site.put(Batch(jobs=[a_job()], executions=[ended], output=blocks, definitions=[definition | seen]))
    return str(ended["id"])


@pytest.fixture
def running(site: Site) -> str:
    """The id of an execution of p/hello that runs."""
    execution = a_running_execution(id="2" * 16)
    site.put(Batch(jobs=[a_job()], executions=[execution]))
    return str(execution["id"])
