from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import a_job
from tests.support.dashboard import NOW, Site
from windmill.core.documents import Document, to_text
from windmill.core.ports import Batch
from windmill.dashboard.ground import Ground

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


def beat(**changes: Any) -> Batch:
    known: Document = {"id": "scheduler", "at": to_text(NOW), "left": False, "waiting": [], "retries": []}
    return Batch(status={"scheduler": known | changes})


def shown(site: Site) -> str:
    html = site.client.get("/problems").get_data(as_text=True).partition("<main")[2]
    html = re.sub(r"</?mark>", "", html)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


def test_before_anything_was_read_the_page_says_what_would_read(site: Site) -> None:
    assert "Nothing was read yet: windmill up reads the job files" in shown(site)


def test_where_nothing_is_wrong_the_page_says_what_was_read(site: Site) -> None:
    site.put(catalog())
    site.put(beat())
    assert "✓ No problems. 42 files read now." in shown(site)


def test_a_silent_scheduler_is_a_problem_too(site: Site) -> None:
    site.put(catalog())
    site.put(beat(at=to_text(NOW - timedelta(minutes=3))))
    page = shown(site)
    assert "✕ Scheduler silent, last heard of 3 min ago" in page
    assert "No problem in any file. 42 files read now." in page


def test_what_waits_for_a_store_that_was_away_is_told(site: Site) -> None:
    backlog = {"bytes": 2048, "away_since": to_text(NOW - timedelta(minutes=1)), "error": "refused", "full": False}
    site.put(beat(backlog=backlog))
    assert "▲ Journal 2.0 KiB wait; the store is away since 1 min ago refused Bring the store back" in shown(site)


def test_the_lines_around_a_problem_are_shown_with_a_caret_under_it(site: Site) -> None:
    lines = ["name: x", "    soon: 1", "end: 2"]
    site.put(catalog(a_problem(excerpt=lines)))
    html = site.client.get("/problems").text
    text = unescape(
        re.sub(r"<[^>]*>", "", html.partition('<pre class="excerpt"')[2].partition(">")[2].partition("</pre>")[0])
    )
    assert text.splitlines() == ["2name: x", "3    soon: 1", "    ^", "4end: 2"]
    assert "<mark>s</mark>" in html


@pytest.mark.parametrize(
    ("line", "column", "marked"),
    [("ab", 3, " "), ("ab", 90, " "), ("\tab", 1, "→"), ("", 1, " ")],
    ids=["at the end", "beyond it", "a tab", "an empty line"],
)
def test_a_place_without_a_letter_is_marked_all_the_same(site: Site, line: str, column: int, marked: str) -> None:
    site.put(catalog(a_problem(line=1, column=column, excerpt=[line, "next"])))
    assert f"<mark>{marked}</mark>" in site.client.get("/problems").text


def test_a_problem_as_an_older_version_told_it_has_no_lines(site: Site) -> None:
    site.put(catalog(a_problem()))
    assert '<pre class="excerpt"' not in site.client.get("/problems").text


def test_problems_are_told_by_project(site: Site) -> None:
    files = ("jobs.d/x.yaml", "projects/shop/jobs.d/y.yaml", "etl@3f2a91c0d4:jobs.d/z.yaml")
    site.put(catalog(*(a_problem(file=file) for file in files), a_problem(file="jobs.d/w.yaml", job="crm/x")))
    assert re.findall(r"<h2>(?:<a [^>]*>)?(.*?)(?:</a>)?</h2>", site.client.get("/problems").text)[:4] == [
        "Of no project",
        "crm",
        "etl",
        "shop",
    ]


def in_git(database: Path) -> Site:
    """A site that knows a commit of etl which was refused, and the one before, which is live."""
    live = {"key": "1" * 40, "author": "Bia", "subject": "Begin", "published_at": to_text(NOW - timedelta(days=1))}
    tried = {
        "key": "3f2a91c0d4" + "0" * 30,
        "author": "Ana",
        "subject": "Sum",
        "at": to_text(NOW - timedelta(hours=1)),
    }
    known = {"revisions": [live], "attempted": tried}
    site = Site(database, ground=Ground(project=lambda name: known if name == "etl" else None))
    applied = {"revision": "main@sha1:" + "1" * 40}
    source = {"id": "etl", "error": "2 problem(s)", "sync": "error", "unreachable": "", "applied": applied}
    site.put(Batch(status={"projects": {"id": "projects", "projects": [source | {"attempted": tried}]}}))
    return site


def test_a_file_of_a_commit_is_told_with_its_author_and_what_runs_instead(tmp_path: Path) -> None:
    site = in_git(tmp_path / "windmill.db")
    site.put(catalog(a_problem(file="etl@3f2a91c0d4:jobs.d/sums.yaml"), stale=["etl/sums"]))
    site.put(Batch(jobs=[a_job(id="etl/sums", file="etl@1111111111:jobs.d/sums.yaml")]))
    page = shown(site)
    assert "commit 3f2a91c0d4 · Ana · Sum · tried 1 h ago" in page
    assert "▶ The version of 1111111111 keeps running: etl/ sums" in page


def test_of_a_file_that_never_was_good_nothing_runs(tmp_path: Path) -> None:
    site = in_git(tmp_path / "windmill.db")
    site.put(catalog(a_problem(file="etl@3f2a91c0d4:jobs.d/new.yaml"), a_problem(file="jobs.d/new.yaml")))
    assert shown(site).count("– Nothing of it runs.") == 2


def test_what_else_a_broken_file_holds_runs(site: Site) -> None:
    site.put(catalog(a_problem(job="p/broken")))
    site.put(Batch(jobs=[a_job(id="p/whole", file="jobs.d/x.yaml")]))
    assert "▶ What else is in it runs: p/ whole" in shown(site)


def test_a_file_of_the_home_says_since_when_it_is_as_it_is(tmp_path: Path) -> None:
    changed = {"jobs.d/x.yaml": NOW - timedelta(minutes=20)}
    site = Site(tmp_path / "windmill.db", ground=Ground(changed=changed.get))
    site.put(catalog(a_problem()))
    assert "saved 20 min ago" in shown(site)


def test_a_source_is_told_once_and_whether_it_was_reached(site: Site) -> None:
    gone = {
        "id": "etl",
        "error": "fatal: no route",
        "unreachable": "fatal: no route",
        "sync": "error",
        "applied": None,
    }
    held = {"id": "crm", "error": "it would remove 4 of 5 jobs", "unreachable": "", "sync": "held", "applied": None}
    site.put(catalog(a_problem(file="projects/crm", line=0, message=held["error"], code="held")))
    site.put(Batch(status={"projects": {"id": "projects", "projects": [gone, held]}}))
    page = shown(site)
    assert "✕ etl cannot be reached" in page
    assert "■ crm is held back" in page
    assert "windmill sync crm --accept" in page
    assert page.count("it would remove 4 of 5 jobs") == 1


def test_while_the_store_is_away_the_page_says_so(site: Site) -> None:
    site.database.unlink()
    assert site.client.get("/problems").status_code == 503


def test_a_problem_has_its_place_what_was_expected_and_the_way_to_mend_it(site: Site) -> None:
    site.put(catalog(a_problem(expected="a duration", found='"soon"', hint="write 5m")))
    assert '✕ Error 3:5 unknown key Expected a duration Found "soon" → write 5m' in shown(site)


def test_files_with_errors_come_before_those_with_warnings_only(site: Site) -> None:
    warning = a_problem(file="jobs.d/a.yaml", severity="warning")
    site.put(catalog(warning, a_problem(file="jobs.d/b.yaml")))
    page = shown(site)
    assert "1 error, 1 warning · in 2 files" in page
    assert page.index("jobs.d/b.yaml") < page.index("jobs.d/a.yaml")


def test_what_runs_instead_of_a_broken_file_is_said(site: Site) -> None:
    site.put(catalog(a_problem(job="p/hello"), a_problem(job="p/new"), stale=["p/hello"]))
    site.put(Batch(jobs=[a_job(file="jobs.d/x.yaml")]))
    html = site.client.get("/problems").get_data(as_text=True)
    assert "▶ Its last good version keeps running: p/ hello" in shown(site)
    assert 'href="/jobs/p/hello"' in html
    assert "/jobs/p/new" not in html


def test_a_directory_that_cannot_be_read_is_an_alarm(site: Site) -> None:
    site.put(catalog(unreadable=True))
    assert "The directory jobs.d cannot be read" in shown(site)


def test_a_source_that_cannot_be_synced_is_a_problem(site: Site) -> None:
    source = {"id": "etl", "error": "fatal: no route to host", "applied": {"revision": "main@sha1:abc"}}
    site.put(Batch(status={"projects": {"id": "projects", "projects": [source, {"id": "ok", "error": ""}]}}))
    assert "✕ etl cannot be brought up to date fatal: no route to host ▶ What ran before it runs on: abc" in shown(
        site
    )


def test_programs_get_the_problems_as_they_were_told(site: Site) -> None:
    site.put(catalog(a_problem()))
    answer = site.client.get("/api/v1/problems").get_json()
    assert (answer["items"], answer["files"]) == ([a_problem() | {"excerpt": []}], 42)


def test_nothing_that_others_wrote_becomes_markup(site: Site) -> None:
    texts = dict.fromkeys(("file", "message", "expected", "found", "hint", "code"), CANARY)
    source = {"id": CANARY, "error": CANARY, "applied": {"revision": CANARY}}
    site.put(catalog(a_problem(**texts, job=f"p/{CANARY}", excerpt=[CANARY, CANARY, CANARY])))
    site.put(Batch(jobs=[a_job(id=f"p/{CANARY}")], status={"projects": {"id": "projects", "projects": [source]}}))
    html = site.client.get("/problems").get_data(as_text=True)
    assert html.count("&lt;script&gt;") >= 8
    assert not re.search("<script>|\\b49\\b|\u202e|\x1b", html)
