"""What every test may rely on."""

from __future__ import annotations

import os
import signal

import pytest

# So that a suite that fails says what it saw.
pytest.register_assert_rewrite(
    *(f"tests.contracts.{suite}" for suite in ("executor", "processes", "store", "triggers"))
)

# A shell starts background commands with SIGINT ignored, and every process of a test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Return what `-n auto` means: half as many again as there are cores, as journeys wait more than they compute."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)
