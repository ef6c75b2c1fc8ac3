from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live import Live
from tests.support.scripts import GATED, Gate


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
