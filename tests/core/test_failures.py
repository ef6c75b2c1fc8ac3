from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.failures import MESSAGE_MAX, alike, failure
from windmill.core.model import FAILURES, State

TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/projects/dw/etl/main.py", line {line}, in {function}
    load()
{error}
"""


def ended(**changes: Any) -> dict[str, Any]:
    failed = {"job": "dw/sales", "state": "failed", "reason": "exit_code", "exit_code": 1, "signal": None}
    return failed | changes


def raised(error: str, *, line: int = 12, function: str = "main") -> str:
    return TRACEBACK.format(error=error, line=line, function=function)


def fingerprint(output: str = "", **changes: Any) -> str:
    found = failure(ended(**changes), lambda: output)
    assert found is not None
    return found["fingerprint"]


def test_a_python_failure_says_its_exception_and_where_it_came_from() -> None:
    found = failure(ended(), lambda: raised("KeyError: 'cpf'"))
    assert found is not None
    assert (found["exception"], found["where"]) == ("KeyError: 'cpf'", "etl/main.py:12 in main")


def test_a_fingerprint_stays_for_ever() -> None:
    assert fingerprint(raised("KeyError: 'cpf'")) == "749583c65627ea3f"


def test_a_moved_line_is_the_same_failure() -> None:
    assert fingerprint(raised("KeyError: 'cpf'")) == fingerprint(raised("KeyError: 'cpf'", line=480))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ValueError: row 7 of 10", "ValueError: row 12345 of 99999"),
        ("OSError: order 3f2a91c0 not found", "OSError: order 7b1 not found"),
        ("E: <X object at 0x7f3a5c>", "E: <X object at 0x1>"),
        ("E: 2026-01-31T06:00:00.000Z is late", "E: 2027-11-02T23:59:59Z is late"),
        ("E: 9b2d7c1e-0a1b-4c3d-8e4f-5a6b7c8d9e0f", "E: 1"),
        ("E: [1, 2, 3]", "E: [1, 2, 3, 4, 5]"),
    ],
)
def test_numbers_and_ids_in_a_message_do_not_tell_failures_apart(one: str, other: str) -> None:
    assert fingerprint(raised(one)) == fingerprint(raised(other))


@pytest.mark.parametrize(
    "other",
    [raised("ValueError: 'cpf'"), raised("KeyError: 'name'"), raised("KeyError: 'cpf'", function="load"), ""],
)
def test_another_exception_message_function_or_end_is_another_failure(other: str) -> None:
    assert fingerprint(raised("KeyError: 'cpf'")) != fingerprint(other)


def test_the_same_failure_of_another_job_is_another() -> None:
    assert fingerprint(job="dw/costs") != fingerprint()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exit_code": 3}, "exit code 3"),
        ({"exit_code": 3, "reason": "exit_code; output_held"}, "exit code 3"),
        ({"reason": "stderr", "exit_code": 0}, "stderr"),
        (
            {"reason": "signal: SIGKILL, which often means that memory ran out", "signal": "SIGKILL"},
            "signal: SIGKILL",
        ),
        ({"state": "timed_out", "reason": "timeout; left_behind: 2 killed"}, "timeout"),
        ({"state": "lost", "reason": "reboot"}, "reboot"),
        ({"state": "lost", "reason": ""}, "lost"),
        ({"reason": "not_started: main.py does not exist", "exit_code": None}, "not_started: main.py does not exist"),
    ],
)
def test_what_left_no_traceback_is_told_by_how_it_ended(changes: dict[str, Any], words: str) -> None:
    found = failure({**ended(exit_code=None), **changes}, lambda: "")
    assert found is not None
    assert (found["exception"], found["where"]) == (words, "")


def test_exit_codes_tell_failures_apart() -> None:
    assert fingerprint(exit_code=3) != fingerprint(exit_code=4)


def test_what_was_killed_did_not_die_of_what_it_printed_before() -> None:
    found = failure(
        ended(reason="signal: SIGKILL", signal="SIGKILL", exit_code=None), lambda: raised("KeyError: 'cpf'")
    )
    assert found is not None
    assert found["exception"] == "signal: SIGKILL"


@pytest.mark.parametrize("state", sorted(set(State) - FAILURES))
def test_what_did_not_fail_has_no_failure(state: str) -> None:
    assert failure(ended(state=state), lambda: raised("KeyError: 'cpf'")) is None


@given(st.text())
def test_what_is_alike_stays_so(message: str) -> None:
    once = alike(message)
    assert alike(once) == once
    assert len(once) <= MESSAGE_MAX
    assert not any(one.isdecimal() for one in once)


@given(st.text(), st.integers(min_value=0), st.integers(min_value=0))
def test_any_number_in_a_message_may_be_another(message: str, one: int, other: int) -> None:
    assert alike(f"{message[:50]} {one} rows") == alike(f"{message[:50]} {other} rows")


@given(st.text(), st.sampled_from(sorted(FAILURES)), st.text(), st.none() | st.integers())
def test_whatever_was_written_a_failure_has_a_name(output: str, state: str, reason: str, code: int | None) -> None:
    found = failure(ended(state=state, reason=reason, exit_code=code), lambda: output)
    assert found is not None
    assert len(found["fingerprint"]) == 16
    assert found["exception"]
