"""The composer's form as a job file and back: what a person filled in is what the loader reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windmill.core.model import Job
from windmill.dashboard.composing import MODELINE, Form, compose, field_of, read
from windmill.dashboard.copying import form_of
from windmill.jobs import spec, strict_yaml

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
ODD = st.sampled_from(
    [
        "on",
        "yes",
        "No",
        "~",
        "null",
        "1:30",
        "010",
        "0x1F",
        "1e3",
        "1_000",
        "2h",
        "2026-01-01",
        "#c",
        "*a",
        "&a",
        "!t",
    ]
)
HOSTILE = st.sampled_from(
    [
        "%d",
        "@daily",
        "`",
        "{",
        "]",
        "'",
        '"',
        "=",
        "<<",
        "|",
        "- x",
        "a: b",
        "a #b",
        "\u202ex",
        "\u2028",
        " lead",
        "é",
    ]
)
TEXT = st.one_of(WORDS, ODD, HOSTILE)
LINES = st.lists(TEXT, max_size=4).map("\n".join)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
VARIABLES = st.one_of(
    st.sampled_from(["on", "y", "NULL", "A_1"]), st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
)
PAIRS = st.dictionaries(VARIABLES, TEXT, max_size=4).map(
    lambda pairs: "\n".join(f"{name}={value}" for name, value in pairs.items())
)
COUNTS = st.one_of(st.just(""), st.integers(0, 400).map(str), st.just("1.5"), TEXT)
INSTANTS = st.one_of(st.just(""), st.just("2026-03-01T06:00"), st.just("2027-01-01T00:00:00+02:00"), TEXT)
FORMS = st.fixed_dictionaries(
    {
        "project": st.just("p"),
        "entry_point": st.one_of(st.just("main.py"), st.just("-m package"), TEXT),
        "name": NAMES,
        "when": st.sampled_from(["interval", "cron", "at", "manual"]),
    },
    optional={
        "description": TEXT,
        "notes": LINES,
        "days": COUNTS,
        "hours": COUNTS,
        "cron": st.one_of(st.sampled_from(["0 5 * * *", "*/5 * * * *", "@daily"]), TEXT),
        "at": INSTANTS,
        "start_at": INSTANTS,
        "timezone": st.sampled_from(["", "Europe/Lisbon"]),
        "overrun": st.sampled_from(["", "run_now", "skip"]),
        "catch_up": st.sampled_from(["", "none", "last", "all"]),
        "timeout": st.one_of(st.sampled_from(["", "90", "1h30m"]), TEXT),
        "retry_limit": COUNTS,
        "args": LINES,
        "env": PAIRS,
        "labels": PAIRS,
        "after": st.one_of(LINES, st.sampled_from(["extract", "extract\nother/rates any\nx failure", "a success"])),
        "owner": TEXT,
        "held": st.sampled_from(["", "on"]),
    },
)


def loaded(content: bytes) -> list[Job]:
    return spec.read(
        content, file="jobs.d/x.yaml", stem="x", timezone="UTC", defaults={}, projects={"p": Path("/p")}
    )[0]


def meant(document: Mapping[str, Any]) -> Job:
    return spec.job_from_document(
        document, file="jobs.d/x.yaml", stem="x", timezone="UTC", defaults={}, projects={"p": Path("/p")}
    )


def same(job: Job, other: Job) -> bool:
    """Whether everything is equal but where it stands."""
    return all(getattr(job, each.name) == getattr(other, each.name) for each in fields(Job) if each.name != "line")


def form(**values: str) -> Form:
    return read({"project": "p", "entry_point": "main.py", "name": "hello", "when": "manual", **values}.items())


@given(FORMS)
def test_a_file_says_what_the_form_said(values: dict[str, str]) -> None:
    composed = compose(read(values.items()), {})
    documents, problems = strict_yaml.read(composed.text.encode(), file="x")
    assert (problems, [document.data for document in documents]) == ([], [dict(composed.document)])
    if jobs := loaded(composed.text.encode()):
        assert same(jobs[0], meant(composed.document))


@given(FORMS)
def test_the_form_of_a_job_describes_the_same_job(values: dict[str, str]) -> None:
    jobs = loaded(compose(read(values.items()), {}).text.encode())
    if not jobs:
        return
    again, rest = form_of(jobs[0].document, project="p", name=jobs[0].name)
    copied = loaded(compose(read(again.values.items()), rest).text.encode())
    assert copied
    assert copied[0].digest == jobs[0].digest


@given(FORMS)
def test_a_form_travels_in_a_link_unchanged(values: dict[str, str]) -> None:
    sent = read(values.items())
    assert compose(read(parse_qsl(sent.query())), {}) == compose(sent, {})


def test_only_what_differs_from_the_usual_is_written_in_the_order_people_read() -> None:
    filled = form(
        owner="ana@example.com",
        when="cron",
        cron="*/5 * * * mon",
        overrun="run_now",
        catch_up="none",
        timezone="Europe/Lisbon",
        description="on",
        notes="Ask Ana.\r\nThen restart.",
        args="--region\n${params.region}",
        env="ON=1:30\nPLAIN=value",
        timeout="2h",
        retry_limit="2",
    )
    assert compose(filled, {}).text == (
        MODELINE
        + """\
name: hello
description: |-
  on

  Ask Ana.
  Then restart.
project: p
entry_point: main.py
args:
  - --region
  - ${params.region}
env:
  "ON": "1:30"
  PLAIN: value
schedule:
  cron: "*/5 * * * mon"
  timezone: Europe/Lisbon
timeout: 2h
retry:
  limit: 2
owner: ana@example.com
"""
    )


def test_an_interval_is_written_by_its_units_without_those_that_are_nothing() -> None:
    assert compose(form(when="interval", days="0", hours="1", minutes="30"), {}).document["schedule"] == {
        "interval": {"hours": 1, "minutes": 30}
    }


@pytest.mark.parametrize("value", ["x\nschedule: {cron: '* * * * *'}", 'x"\nenabled: false', "x # y", "- a\n- b"])
@pytest.mark.parametrize("field", ["description", "notes", "owner", "cron", "timezone", "entry_point", "timeout"])
def test_no_field_can_say_anything_but_itself(field: str, value: str) -> None:
    composed = compose(form(when="cron", **{field: value}), {})
    (document,), problems = strict_yaml.read(composed.text.encode(), file="x")
    assert problems == []
    assert document.data.keys() <= {"name", "description", "project", "entry_point", "schedule", "timeout", "owner"}


def test_an_argument_may_be_empty_or_have_spaces_at_its_ends() -> None:
    assert compose(form(args='""\n" a "\n"b\\nc"\n"half'), {}).document["args"] == ["", " a ", "b\nc", '"half']


def test_the_keys_without_a_field_stand_where_they_belong() -> None:
    rest = {"kill_grace": "5s", "retry": {"backoff": 3}, "schedule": {"spread": "5m"}}
    composed = compose(form(when="cron", cron="@daily", retry_limit="1", owner="ana"), rest)
    assert composed.mistakes == []
    assert list(composed.document) == ["name", "project", "entry_point", "schedule", "kill_grace", "retry", "owner"]
    assert composed.document["retry"] == {"backoff": 3, "limit": 1}
    assert composed.document["schedule"] == {"cron": "@daily", "spread": "5m"}


def test_what_is_said_twice_is_a_mistake() -> None:
    rest = {"owner": "bia", "retry": {"limit": 3}}
    composed = compose(form(owner="ana", retry_limit="1"), rest)
    assert [mistake.field for mistake in composed.mistakes] == ["rest"]
    assert "owner, retry.limit" in composed.mistakes[0].words


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"env": "A=1\nB"}, "env"),
        ({"env": "A=1\nA=2"}, "env"),
        ({"labels": "=x"}, "labels"),
        ({"notes": "x" * 4001}, "notes"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_what_no_document_could_say_is_a_mistake_of_its_field(values: dict[str, str], field: str) -> None:
    assert [mistake.field for mistake in compose(form(**values), {}).mistakes] == [field]


def test_more_parameters_than_have_room_are_a_mistake() -> None:
    sent = read([("param_name", f"p{number}") for number in range(500)])
    assert [mistake.field for mistake in compose(sent, {}).mistakes] == ["params"]


def test_a_parameter_has_values_of_its_type() -> None:
    row = {
        "name": "days",
        "type": "integer",
        "default": "7",
        "required": "",
        "enum": "7\n30",
        "about": "How far back",
    }
    sent = read([("name", "x"), *((f"param_{name}", value) for name, value in row.items())])
    assert compose(sent, {}).document["params"] == [
        {"name": "days", "type": "integer", "default": 7, "enum": [7, 30], "description": "How far back"}
    ]


def test_the_form_of_a_job_keeps_what_it_has_no_field_for() -> None:
    document = {
        "entry_point": "main.py",
        "schedule": {"interval": "1h30m", "spread": "5m"},
        "retry": {"limit": 2, "backoff": 3},
        "secrets": [{"name": "DB", "from_env": "X"}],
        "params": [{"name": "region", "enum": ["BR", "1"], "default": "BR"}],
        "timeout": {"hours": 2},
    }
    found, rest = form_of(document, project="p", name="hello")
    assert (found["hours"], found["minutes"], found["timeout"]) == ("1", "30", "2h")
    assert rest == {
        "secrets": [{"name": "DB", "from_env": "X"}],
        "retry": {"backoff": 3},
        "schedule": {"spread": "5m"},
    }
    (job,) = loaded(compose(found, rest).text.encode())
    assert job.digest == meant({**document, "project": "p", "name": "hello"}).digest


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (("schedule", "cron"), "cron"),
        (("schedule", "interval", "hours"), "when"),
        (("schedule",), "when"),
        (("schedule", "spread"), "rest"),
        (("retry", "limit"), "retry_limit"),
        (("params", 0, "default"), "params"),
        (("env", "A"), "env"),
        (("limits", "memory"), "rest"),
        ((), "name"),
    ],
)
def test_a_problem_is_shown_at_the_field_it_came_from(path: tuple[str | int, ...], field: str) -> None:
    assert field_of(path) == field


@pytest.mark.parametrize(
    ("text", "above"),
    [
        ("extract", [{"job": "extract"}]),
        ("extract  success\n\n other/rates   any \n", [{"job": "extract"}, {"job": "other/rates", "when": "any"}]),
        ("extract failure", [{"job": "extract", "when": "failure"}]),
    ],
)
def test_jobs_before_are_named_line_by_line(text: str, above: list[dict[str, str]]) -> None:
    assert compose(form(after=text), {}).document["after"] == above


def test_a_copy_names_the_same_jobs_before(tmp_path: Path) -> None:
    above = [{"job": "extract"}, {"job": "other/rates", "when": "any"}]
    copied, rest = form_of({"entry_point": "main.py", "after": above}, project="p", name="load")
    assert (copied["after"], rest) == ("extract\nother/rates any", {})
