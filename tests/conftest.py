"""What every test may rely on."""

from __future__ import annotations

import signal

import pytest

pytest.register_assert_rewrite("tests.contracts")  # so that a failing suite says what it saw

# A shell starts background commands with SIGINT ignored, and every process of a test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
