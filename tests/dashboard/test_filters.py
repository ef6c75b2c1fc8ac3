from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import NOON
from windmill.core.model import State
from windmill.core.ports import ExecutionFilter
from windmill.dashboard.filters import NAMES, labelled, read


def test_an_address_without_filters_asks_for_everything() -> None:
    asked = read({"q": [" "], "other": ["x"]}, NOON)
    assert (asked.wanted, asked.labels, asked.mistakes) == (ExecutionFilter(), (), ())


def test_every_filter_of_an_address_is_read() -> None:
    given = {
        "q": ["sales"],
        "project": ["reports"],
        "job": ["reports/sales"],
        "state": ["failed", "lost"],
        "trigger": ["manual"],
        "label": ["team=sales"],
        "from": ["2025-12-31"],
        "to": ["2026-01-01T06:00+02:00"],
        "revision": ["3f2a"],
        "longer_than": ["1h30m"],
        "contains": ["KeyError"],
        "failure": ["749583c65627ea3f"],
        "column": ["rows  file rows"],
    }
    asked = read(given, NOON)
    assert (asked.labels, asked.mistakes) == (("team=sales",), ())
    assert asked.wanted == ExecutionFilter(
        text="sales",
        project="reports",
        job="reports/sales",
        states=frozenset({State.FAILED, State.LOST}),
        triggers=frozenset({"manual"}),
        since=NOON - timedelta(hours=36),
        until=NOON - timedelta(hours=8),
        revision="3f2a",
        longer_than=timedelta(hours=1, minutes=30),
        contains="KeyError",
        failure="749583c65627ea3f",
    )
    assert asked.columns == ("rows", "file")


def test_the_later_of_two_beginnings_counts() -> None:
    assert read({"last": ["1h"], "from": ["2020-01-01"]}, NOON).wanted.since == NOON - timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("state", "broken", "state is one of queued"),
        ("trigger", "$ne", "trigger is one of schedule"),
        ("last", "soon", "last is a duration such as"),
        ("longer_than", "1h 3", "longer_than is a duration"),
        ("from", "yesterday", "from is a time such as"),
        ("to", "0001-01-01T00:00+14:00", "to is a time such as"),
        ("q", "x" * 501, "q is longer than 500 characters"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, value: str, words: str) -> None:
    (mistake,) = read({name: [value]}, NOON).mistakes
    assert mistake.startswith(words)


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.text(max_size=20), max_size=3)))
def test_no_address_is_too_strange_to_read(given: dict[str, list[str]]) -> None:
    read(given, NOON)


@pytest.mark.parametrize(
    ("label", "carried"), [("team", True), ("team=sales", True), ("team=shop", False), ("owner", False)]
)
def test_a_label_is_a_name_or_a_name_and_its_value(label: str, carried: bool) -> None:
    assert labelled({"labels": {"team": "sales"}}, label) is carried
