from __future__ import annotations

from typing import Any

import pytest

from tests.support.executions import document
from windmill.core.documents import KEY_MAX, flaw
from windmill.core.model import State


@pytest.mark.parametrize("state", State)
def test_a_document_of_any_state_is_whole(state: State) -> None:
    assert flaw(document(1, state)) is None


@pytest.mark.parametrize("name", ["id", "job", "state", "trigger", "queued_at"])
@pytest.mark.parametrize("value", [None, "", 7, {}, "x" * (KEY_MAX + 1)])
def test_a_key_that_stores_look_for_must_be_a_text_of_some_length(name: str, value: Any) -> None:
    assert flaw(document(1) | {name: value}) == f"{name} is not a text of 1 to {KEY_MAX} characters"


def test_a_state_nobody_knows_is_named() -> None:
    assert (flaw(document(1) | {"state": "asleep"}) or "").startswith("state is none of failed, ")


@pytest.mark.parametrize("name", ["slot", "queued_at", "started_at", "ended_at"])
@pytest.mark.parametrize("value", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", ["2026"]])
def test_an_instant_that_is_none_is_a_flaw(name: str, value: Any) -> None:
    assert flaw(document(1) | {name: value})
