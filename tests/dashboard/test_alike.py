"""What a failure has in common with others, as pages and programs are told."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import NOON, a_job, an_execution
from tests.support.dashboard import Site
from windmill.core.documents import Document
from windmill.core.model import State
from windmill.core.ports import Batch

CPF = {"fingerprint": "c" * 16, "exception": "KeyError: 'cpf'", "where": "etl/clean.py:88 in clean"}
KILLED = {"fingerprint": "d" * 16, "exception": "signal: SIGKILL", "where": ""}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def failed(number: int, known: dict[str, str] | None = None, *, days: float = 0, **changes: Any) -> Document:
    facts = {"id": f"{number:016x}", "state": State.FAILED, "reason": "exit_code", "exit_code": 1}
    document = an_execution(**facts, queued_at=NOON - timedelta(days=days), **changes)
    return document | ({"failure": known} if known else {})


def page(site: Site, path: str) -> str:
    return site.client.get(path).get_data(as_text=True)


def words(site: Site, path: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page(site, path))))


def test_a_failure_says_how_often_it_came_and_since_which_commit(site: Site) -> None:
    first = failed(1, CPF, days=3, revision="main@sha1:" + "3f2a91c0" * 5, subject="Read the new file")
    others = [failed(2, KILLED, days=2), failed(3, CPF, days=1), failed(9, CPF, days=-1)]
    site.put(Batch(executions=[first, *others, failed(4, CPF)]))
    path = f"/executions/{failed(4)['id']}"
    assert "In this way 3 times since commit 3f2a91c (Read the new file), first 3 d ago" in words(site, path)
    assert 'href="/executions?job=p/hello&amp;failure=cccccccccccccccc"' in page(site, path)


def test_a_failure_of_code_without_commits_says_since_when(site: Site) -> None:
    site.put(Batch(executions=[failed(1, CPF, days=3), failed(2, CPF)]))
    assert "In this way 2 times, first 3 d ago" in words(site, f"/executions/{failed(2)['id']}")


def test_a_failure_that_is_the_first_of_its_kind_says_so(site: Site) -> None:
    site.put(Batch(executions=[failed(1, KILLED, days=3), failed(2, CPF)]))
    assert "It has not failed in this way before" in words(site, f"/executions/{failed(2)['id']}")


def test_of_a_failure_of_which_nothing_is_known_nothing_is_said(site: Site) -> None:
    site.put(Batch(executions=[failed(1, CPF), failed(2)]))
    assert "in this way" not in words(site, f"/executions/{failed(2)['id']}").lower()


def test_a_job_tells_how_it_failed_in_the_last_days(site: Site) -> None:
    long_ago = failed(7, {**KILLED, "fingerprint": "e" * 16, "exception": "exit code 9"}, days=31)
    site.put(Batch(jobs=[a_job()], executions=[long_ago, failed(1, CPF, days=3), failed(2, KILLED), failed(3, CPF)]))
    shown = words(site, "/jobs/p/hello").partition("Failures of the last 30 days")[2]
    assert shown.index("2 times KeyError: 'cpf'") < shown.index("etl/clean.py:88 in clean")
    assert "1 time signal: SIGKILL" in shown
    assert "exit code 9" not in words(site, "/jobs/p/hello")


def test_a_job_that_did_not_fail_tells_of_no_failures(site: Site) -> None:
    site.put(Batch(jobs=[a_job()], executions=[an_execution()]))
    assert "Failures of the last" not in words(site, "/jobs/p/hello")


@pytest.mark.parametrize("query", [f"failure={CPF['fingerprint']}", f"job=p/hello&failure={CPF['fingerprint']}"])
def test_the_executions_that_failed_alike_are_listed(site: Site, query: str) -> None:
    site.put(Batch(executions=[failed(1, CPF, days=1), failed(2, KILLED), failed(3, CPF), failed(4)]))
    items = site.client.get(f"/api/v1/executions?{query}").get_json()["items"]
    assert [one["id"] for one in items] == [failed(3)["id"], failed(1)["id"]]
    assert items[0]["failure"] == CPF
    assert f'name="failure" value="{CPF["fingerprint"]}"' in page(site, f"/executions?{query}")
