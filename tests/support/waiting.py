"""Waiting for conditions instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object], *, timeout: float = 20.0, what: str = "") -> None:
    """Return as soon as `condition()` is true; fail the test after `timeout` seconds, which only a fault reaches."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what or condition}")
        time.sleep(0.01)
