from __future__ import annotations

import signal

import pytest

from windmill.core.model import State
from windmill.execution.outcome import outcome


def verdict(status: int | None, cause: str = "", success: tuple[int, ...] = (0,)) -> tuple[str, str]:
    found = outcome(status, cause=cause, success_exit_codes=success)
    return found["state"], found["reason"]


def test_an_exit_code_decides() -> None:
    assert verdict(0) == (State.SUCCEEDED, "")
    assert verdict(1) == (State.FAILED, "exit_code")
    assert verdict(99, success=(0, 99)) == (State.SUCCEEDED, "")


@pytest.mark.parametrize(
    ("status", "cause", "expected"),
    [
        (0, "", (State.FAILED, "stderr")),
        (1, "", (State.FAILED, "exit_code")),
        (0, "stopped by ann", (State.STOPPED, "stopped by ann")),
        (-signal.SIGSEGV, "", (State.FAILED, "signal: SIGSEGV")),
    ],
)
def test_who_complained_cannot_succeed(status: int, cause: str, expected: tuple[str, str]) -> None:
    found = outcome(status, cause=cause, success_exit_codes=(0,), complained=True)
    assert (found["state"], found["reason"]) == expected


def test_a_signal_is_named() -> None:
    assert verdict(-signal.SIGSEGV) == (State.FAILED, "signal: SIGSEGV")
    assert outcome(-signal.SIGSEGV, cause="", success_exit_codes=(0,))["signal"] == "SIGSEGV"


def test_a_signal_without_a_name_of_its_own_has_one() -> None:
    found = outcome(-(signal.SIGRTMIN + 3), cause="", success_exit_codes=(0,))
    assert found["signal"] == "SIGRTMIN+3"


@pytest.mark.parametrize("status", [0, 1, -15, -9])
def test_what_was_asked_to_end_ended_because_of_that(status: int) -> None:
    assert verdict(status, "timeout") == (State.TIMED_OUT, "timeout")
    assert verdict(status, "stopped by ann") == (State.STOPPED, "stopped by ann")


def test_facts_follow_the_reason() -> None:
    found = outcome(1, cause="", success_exit_codes=(0,), facts=["output_held", "left_behind: 2 killed"])
    assert found["reason"] == "exit_code; output_held; left_behind: 2 killed"


def test_facts_stand_alone_where_the_state_says_the_rest() -> None:
    assert outcome(0, cause="", success_exit_codes=(0,), facts=["output_held"])["reason"] == "output_held"


def test_a_process_that_outlived_the_kill_has_no_status() -> None:
    found = outcome(None, cause="timeout", success_exit_codes=(0,), facts=["survivors: 7 cannot be killed"])
    assert (found["exit_code"], found["signal"]) == (None, None)
    assert found["reason"] == "timeout; survivors: 7 cannot be killed"
