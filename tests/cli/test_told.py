"""What executions told of themselves, and what failures have in common, at the command line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_running_execution, an_execution
from tests.support.command import remember, windmill
from windmill.cli.told import alike
from windmill.core.documents import Document
from windmill.core.model import State

HALF = {"value": 0.5, "text": "reading", "at": "2026-01-01T12:00:00.000Z"}
CPF = {"fingerprint": "c" * 16, "exception": "KeyError: 'cpf'", "where": "main.py:3 in load"}
OTHER = {"fingerprint": "d" * 16, "exception": "exit code 3", "where": ""}


def failed(number: int, known: dict[str, str]) -> Document:
    queued = NOON + timedelta(hours=number)
    return an_execution(id=f"{number:016x}", queued_at=queued, state=State.FAILED) | {"failure": known}


def test_progress_is_the_last_column_of_what_runs(home: Path) -> None:
    remember(home, executions=[a_running_execution(progress=HALF)])
    (line,) = windmill(home, "ps").out.splitlines()
    assert line.split("\t")[9] == "0.5"
    assert windmill(home, "ps", "--json").json[0]["progress"] == HALF


def test_what_an_execution_told_is_among_its_facts(home: Path) -> None:
    remember(home, executions=[an_execution(progress=HALF, facts={"rows": 12, "file": "a.csv"})])
    lines = windmill(home, "show", "0" * 15 + "1").out.splitlines()
    assert "progress\t50% reading" in lines
    assert "facts\trows=12, file=a.csv" in lines


def test_an_execution_that_told_nothing_has_no_such_facts(home: Path) -> None:
    remember(home, executions=[an_execution()])
    names = {line.partition("\t")[0] for line in windmill(home, "show", "0" * 15 + "1").out.splitlines()}
    assert names.isdisjoint({"progress", "facts", "failure", "failed alike"})


def test_a_failure_says_for_which_time_it_came(home: Path) -> None:
    remember(home, executions=[failed(1, CPF), failed(2, OTHER), failed(3, CPF)])
    lines = windmill(home, "show", f"{3:016x}").out.splitlines()
    assert f"failure\tKeyError: 'cpf' at main.py:3 in load ({'c' * 16})" in lines
    assert [line for line in lines if line.startswith("failed alike\ttime 2, first ")]
    assert windmill(home, "show", f"{3:016x}", "--json").json["failed_alike"] == {"count": 2, "first": f"{1:016x}"}


def test_what_failed_alike_can_be_listed(home: Path) -> None:
    remember(home, executions=[failed(1, CPF), failed(2, OTHER), failed(3, CPF)])
    found = windmill(home, "ps", "--failure", "c" * 16, "--json").json
    assert [one["id"] for one in found] == [f"{3:016x}", f"{1:016x}"]


@pytest.mark.parametrize(
    ("count", "changes", "said"),
    [
        (1, {}, "for the first time"),
        (2, {}, "time 2, first 3 h ago (0000000000000001)"),
        (
            12,
            {"revision": "main@sha1:" + "3f2a91c0" * 5, "subject": "Read it"},
            "time 12, first 3 h ago at main@3f2a91c Read it (0000000000000001)",
        ),
    ],
)
def test_what_failed_alike_is_told_with_the_first_of_them(count: int, changes: dict[str, str], said: str) -> None:
    assert alike(count, an_execution(**changes), NOON + timedelta(hours=3)) == said
