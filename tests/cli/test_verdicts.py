from __future__ import annotations

import pytest

from tests.support.builders import NOON, an_execution
from windmill.cli.verdicts import SKIPPED, trigger, verdict
from windmill.core.model import Cause, State


def test_an_execution_that_was_due_says_so() -> None:
    assert verdict(an_execution()) == "Success: was due"


def test_a_manual_start_names_who() -> None:
    by_hand = an_execution(trigger=Cause.MANUAL, requested_by="ana@host", state=State.FAILED, exit_code=3)
    assert verdict(by_hand) == "Failed: was started by hand by ana@host, exit code 3"


def test_coalesced_slots_are_counted_and_bounded() -> None:
    started = an_execution(coalesced=2, coalesced_from=NOON.replace(hour=10), coalesced_to=NOON)
    assert verdict(started) == (
        "Success: was due, and stood for 2 more slots between 2026-01-01T10:00:00.000Z and 2026-01-01T12:00:00.000Z"
    )


@pytest.mark.parametrize("reason", SKIPPED)
def test_a_skipped_slot_says_why_in_a_sentence(reason: str) -> None:
    assert verdict(an_execution(state=State.SKIPPED, reason=reason)) == f"Skipped: {SKIPPED[reason]}"


def test_an_unknown_reason_is_shown_as_it_is() -> None:
    assert verdict(an_execution(state=State.SKIPPED, reason="eclipse")) == "Skipped: eclipse"


def test_another_attempt_names_the_one_before() -> None:
    again = an_execution(trigger=Cause.RETRY, attempt=2, retry_of="00000000000000aa")
    assert verdict(again) == "Success: tried again, attempt 2, after 00000000000000aa"


@pytest.mark.parametrize(
    ("who", "words"), [("poll", "was asked for by the poll"), ("webhook", "was asked for by a push")]
)
def test_a_sync_that_nobody_started_by_hand_says_what_asked_for_it(who: str, words: str) -> None:
    asked = an_execution(trigger=Cause.MANUAL, requested_by=who)
    assert (verdict(asked), trigger(asked)) == (f"Success: {words}", who)


def test_in_a_word_a_start_by_a_person_is_manual() -> None:
    assert trigger(an_execution(trigger=Cause.MANUAL, requested_by="ana@host")) == "manual"
