from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import make_home

HELLO = "project: p\nentry_point: hello.py\nschedule: {interval: 1h}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home whose one job is p/hello, due every hour, which has never run."""
    return make_home(tmp_path, {"jobs.d/hello.yaml": HELLO, "projects/p/hello.py": "print('hello')\n"})
