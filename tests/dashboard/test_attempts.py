from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.builders import NOON
from windmill.dashboard.attempts import FORGOTTEN, FREE, KNOWN_MAX, WAIT_MAX, Attempts

NOTHING = timedelta(0)


def after_failures(number: int, *, account: str = "ana") -> Attempts:
    """Somebody failed so often at noon, each time from another place."""
    attempts = Attempts()
    for failure in range(number):
        assert attempts.begin(NOON, address=f"192.0.2.{failure}", account=account) == NOTHING
    return attempts


def test_an_account_waits_after_a_few_failures_wherever_they_came_from() -> None:
    attempts = after_failures(FREE["account"])
    assert attempts.begin(NOON, address="198.51.100.1", account="ana") > NOTHING
    assert attempts.begin(NOON, address="198.51.100.1", account="bia") == NOTHING


def test_an_address_waits_after_many_failures_whoever_was_tried() -> None:
    attempts = Attempts()
    for number in range(FREE["address"]):
        assert attempts.begin(NOON, address="192.0.2.1", account=str(number)) == NOTHING
    assert attempts.begin(NOON, address="192.0.2.1", account="new") > NOTHING
    assert attempts.begin(NOON, address="192.0.2.2", account="new") == NOTHING


def test_addresses_of_one_house_are_one() -> None:
    attempts = Attempts()
    for number in range(FREE["address"]):
        attempts.begin(NOON, address=f"2001:db8::{number:x}")
    assert attempts.begin(NOON, address="2001:db8::ffff") > NOTHING
    assert attempts.begin(NOON, address="2001:db8:0:1::1") == NOTHING


def test_each_failure_doubles_the_wait_up_to_a_bound() -> None:
    attempts, now, waits = after_failures(FREE["account"]), NOON, []
    for number in range(12):
        wait = attempts.begin(now, address=f"198.51.100.{number}", account="ana")
        waits.append(wait)
        now += wait
        assert attempts.begin(now, address=f"203.0.113.{number}", account="ana") == NOTHING
    seconds = [wait.total_seconds() for wait in waits]
    assert seconds[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert max(waits) == WAIT_MAX


def test_an_attempt_that_comes_too_soon_makes_the_wait_no_longer() -> None:
    attempts = after_failures(FREE["account"])
    waits = {attempts.begin(NOON, address="198.51.100.1", account="ana") for _ in range(50)}
    assert len(waits) == 1


def test_who_succeeds_has_failed_never() -> None:
    attempts = after_failures(FREE["account"] - 1)
    attempts.begin(NOON, address="192.0.2.1", account="ana")
    attempts.succeeded(address="192.0.2.1", account="ana")
    assert attempts.begin(NOON, address="192.0.2.1", account="ana") == NOTHING


def test_somebody_who_succeeds_buys_no_attempts_at_others() -> None:
    attempts = Attempts()
    for number in range(FREE["address"]):
        attempts.begin(NOON, address="192.0.2.1", account=f"victim {number}")
        if attempts.begin(NOON, address="192.0.2.1", account="own") == NOTHING:
            attempts.succeeded(address="192.0.2.1", account="own")
    assert attempts.begin(NOON, address="192.0.2.1", account="victim") > NOTHING


@pytest.mark.parametrize("sign", [1, -1], ids=["time passes", "the clock is set back"])
def test_failures_are_forgotten(sign: int) -> None:
    attempts = after_failures(FREE["account"])
    later = NOON + sign * (FORGOTTEN + timedelta(seconds=1))
    assert attempts.begin(later, address="192.0.2.1", account="ana") == NOTHING


def test_a_flood_of_names_takes_no_more_memory() -> None:
    attempts = Attempts()
    for number in range(KNOWN_MAX + 100):
        attempts.begin(NOON, address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", account=f"n{number}")
    assert len(attempts) <= KNOWN_MAX
