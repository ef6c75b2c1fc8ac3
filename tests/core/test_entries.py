from __future__ import annotations

import json

import pytest

from tests.support.executions import document
from windmill.core.documents import from_document
from windmill.core.entries import document_in, execution_of

NO_OBJECTS = [b"", b"{", b"\xff", b"7", b"[]", b"null", b"[" * 100_000]


def test_an_entry_says_what_was_written() -> None:
    assert execution_of(document_in(json.dumps(document(1)).encode())) == from_document(document(1))


@pytest.mark.parametrize("payload", NO_OBJECTS, ids=range(len(NO_OBJECTS)))
def test_what_is_no_object_is_an_empty_one(payload: bytes) -> None:
    assert document_in(payload) == {}


@pytest.mark.parametrize("changes", [{"job": None}, {"state": "asleep"}, {"trigger": "moon"}, {"queued_at": "now"}])
def test_a_document_that_describes_no_execution_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is not|is none|moon"):
        execution_of(document(1) | changes)
