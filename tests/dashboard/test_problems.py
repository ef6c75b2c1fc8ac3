from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import a_job
from tests.support.dashboard import NOW, Site
from windmill.core.documents import Document, to_text
from windmill.core.ports import Batch

CANARY = "<script>alert(1)</script>\"'&{{ 7*7 }}\u202e\x1b[31m"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def a_problem(**changes: Any) -> Document:
    return {
        "file": "jobs.d/x.yaml",
        "line": 3,
        "column": 5,
        "message": "unknown key",
        "expected": "",
        "found": "",
        "hint": "",
        "severity": "error",
        "code": "",
        "job": "",
    } | changes


def catalog(*problems: Document, **facts: Any) -> Batch:
    read = {"id": "catalog", "at": to_text(NOW), "files": 42, "problems": list(problems), "stale": []}
    return Batch(status={"catalog": read | facts})


def shown(site: Site) -> str:
    html = site.client.get("/problems").get_data(as_text=True).partition("<main")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


def test_before_anything_was_read_the_page_says_what_would_read(site: Site) -> None:
    assert "Nothing was read yet: windmill up reads the job files" in shown(site)


def test_where_nothing_is_wrong_the_page_says_what_was_read(site: Site) -> None:
    site.put(catalog())
    assert "No problems. 42 files read now." in shown(site)


def test_a_problem_has_its_place_what_was_expected_and_the_way_to_mend_it(site: Site) -> None:
    site.put(catalog(a_problem(expected="a duration", found='"soon"', hint="write 5m")))
    assert '✕ Error 3:5 unknown key Expected a duration, found "soon". write 5m' in shown(site)


def test_files_with_errors_come_before_those_with_warnings_only(site: Site) -> None:
    warning = a_problem(file="jobs.d/a.yaml", severity="warning")
    site.put(catalog(warning, a_problem(file="jobs.d/b.yaml")))
    page = shown(site)
    assert "1 error, 1 warning in 2 files" in page
    assert page.index("jobs.d/b.yaml") < page.index("jobs.d/a.yaml ▲ Warning")


def test_what_runs_instead_of_a_broken_file_is_said(site: Site) -> None:
    site.put(catalog(a_problem(job="p/hello"), a_problem(job="p/new"), stale=["p/hello"]))
    site.put(Batch(jobs=[a_job()]))
    html = site.client.get("/problems").get_data(as_text=True)
    assert "hello runs on as its file last said before" in shown(site)
    assert 'href="/jobs/p/hello"' in html
    assert "/jobs/p/new" not in html


def test_a_directory_that_cannot_be_read_is_an_alarm(site: Site) -> None:
    site.put(catalog(unreadable=True))
    assert "The directory jobs.d cannot be read" in shown(site)


def test_a_source_that_cannot_be_synced_is_a_problem(site: Site) -> None:
    source = {"id": "etl", "error": "fatal: no route to host", "applied": {"revision": "main@sha1:abc"}}
    site.put(Batch(status={"projects": {"id": "projects", "projects": [source, {"id": "ok", "error": ""}]}}))
    assert "etl cannot be brought up to date fatal: no route to host What ran before it runs on" in shown(site)


def test_programs_get_the_problems_as_they_were_told(site: Site) -> None:
    site.put(catalog(a_problem()))
    answer = site.client.get("/api/v1/problems").get_json()
    assert (answer["items"], answer["files"]) == ([a_problem()], 42)


def test_nothing_that_others_wrote_becomes_markup(site: Site) -> None:
    texts = dict.fromkeys(("file", "message", "expected", "found", "hint", "code"), CANARY)
    source = {"id": CANARY, "error": CANARY, "applied": {"revision": CANARY}}
    site.put(catalog(a_problem(**texts, job=f"p/{CANARY}")))
    site.put(Batch(jobs=[a_job(id=f"p/{CANARY}")], status={"projects": {"id": "projects", "projects": [source]}}))
    html = site.client.get("/problems").get_data(as_text=True)
    assert html.count("&lt;script&gt;") >= 8
    assert not re.search("<script>|\\b49\\b|\u202e|\x1b", html)
