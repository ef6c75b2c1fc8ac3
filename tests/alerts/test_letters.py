from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.builders import an_execution
from windmill.alerts.letters import LINES, SUMMED_UP, WIDTH, Context, letter, summary, trial
from windmill.alerts.rules import Alert, Rule
from windmill.core.model import State
from windmill.core.tracebacks import Fault
from windmill.core.zones import zone

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROME = zone("Europe/Rome")
LINK = "https://windmill.example.com/executions/1"
FAILED = Alert(rule=Rule.FAILED, about="p/hello", first="1", since=NOON, execution="1")


def body(alert: Alert = FAILED, **known: Any) -> str:
    return letter(alert, Context(**known), link=LINK, zone=ROME).body


def test_a_failure_says_what_since_when_and_where_to_look() -> None:
    execution = an_execution(state=State.FAILED, exit_code=3, reason="exit_code", revision="main@sha1:abc")
    text = body(
        execution=execution,
        fault=Fault(error="ValueError: no data", file="jobs/a.py", line=7, function="main"),
        suspects=[{"commit": "f" * 40, "author": "Ana", "subject": "Fix it", "touches": True}],
        tail="one\ntwo\n",
        owner="dataviz@example.com",
    )
    assert text.splitlines() == [
        "p/hello failed.",
        "What: exit code 3",
        "Since: 2026-01-01 13:00:00 Europe/Rome",
        "Error: ValueError: no data at jobs/a.py:7 in main",
        "Revision: main@sha1:abc",
        "Owner: dataviz@example.com",
        "",
        "Commits since it succeeded last:",
        "- ffffffffff Ana: Fix it (touches the job)",
        "",
        "Last lines of output:",
        "  one",
        "  two",
        "",
        LINK,
    ]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"reason": "signal", "signal": 9, "exit_code": None}, "What: ended by signal 9"),
        ({"reason": "not_started: no such file"}, "What: not started: no such file"),
        ({"state": State.TIMED_OUT}, "What: its time ran out"),
        ({"reason": "exit_code", "exit_code": 1, "attempt": 3}, "What: exit code 1, after 3 attempts"),
    ],
)
def test_each_way_to_fail_has_its_words(facts: dict[str, Any], words: str) -> None:
    execution = an_execution(**({"state": State.FAILED, "exit_code": 1} | facts))
    assert words in body(execution=execution).splitlines()


def test_a_failure_says_how_often_it_happened_in_this_way_before() -> None:
    first = an_execution(state=State.FAILED, revision="main@sha1:" + "a" * 40)
    words = "Alike: it failed in this way 12 times since commit aaaaaaaaaa, first 2026-01-01 13:00:00 Europe/Rome"
    assert words in body(alike=(12, first)).splitlines()
    assert "Alike" not in body(alike=(1, first))


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_has_a_subject(rule: Rule) -> None:
    alert = Alert(rule=rule, about="p/hello", first="1", since=NOON)
    said = letter(alert, Context(), link=LINK, zone=ROME)
    assert said.subject.startswith("[WindMill] p/hello ")
    assert said.body.endswith(LINK + "\n")


def test_the_subject_counts_failures_in_a_row() -> None:
    alert = Alert(rule=Rule.FAILED, about="p/hello", first="1", since=NOON, count=3)
    assert letter(alert, Context(), link=LINK, zone=ROME).subject == "[WindMill] p/hello failed, 3 times in a row"


def test_only_the_last_lines_are_shown_and_none_is_long() -> None:
    text = body(tail="".join(f"{number} {'x' * 500}\n" for number in range(1000)))
    shown = [line for line in text.splitlines() if line.startswith("  ")]
    assert len(shown) == LINES
    assert shown[-1].startswith("  999 ")
    assert max(map(len, shown)) <= WIDTH + 2


def test_nothing_in_the_output_steers_a_program_that_shows_it() -> None:
    text = body(tail="\x1b[31mred\x1b[0m\x07\n\x1b]0;title\x07here\r\n10%\r100%\n    code\u202etxt\0\n")
    assert [line[2:] for line in text.splitlines() if line.startswith("  ")] == [
        "red",
        "here",
        "100%",
        "    code txt",
    ]


def test_a_summary_names_some_and_counts_the_rest() -> None:
    alerts = [Alert(rule=Rule.FAILED, about=f"p/j{number}", first="1", since=NOON) for number in range(57)]
    said = summary(alerts, more=3, link=LINK, zone=ROME)
    lines = [line for line in said.body.splitlines() if line.startswith(("-", "and"))]
    assert said.subject == "[WindMill] 60 more alerts"
    assert (len(lines), lines[-1]) == (SUMMED_UP + 1, "and 40 more")


def test_a_trial_says_that_it_is_one() -> None:
    said = trial("team", NOON, link=LINK, zone=ROME)
    assert said.subject == "[WindMill] test of team"
    assert "2026-01-01 13:00:00 Europe/Rome" in said.body
