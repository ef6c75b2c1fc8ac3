from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import a_job, an_execution
from tests.support.dashboard import NOW, Site
from windmill.core.documents import Document, to_text
from windmill.core.model import State
from windmill.core.ports import Batch
from windmill.dashboard.ground import Ground

CANARY = "<script>alert(1)</script>\"'&{{ 7*7 }}\u202e\x1b[31m"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def a_source(**changes: Any) -> Document:
    applied = {"revision": "main@sha1:" + "3f2a91c0d4e5" * 3, "author": "Ana", "subject": "Sum it up"}
    facts = {"id": "etl", "kind": "git", "ref": "main", "path": "", "sync": "synced", "error": "", "applied": applied}
    seen = {"seen_at": to_text(NOW - timedelta(seconds=20)), "next_poll": to_text(NOW + timedelta(seconds=40))}
    return facts | seen | changes


def sources(*told: Document) -> Batch:
    return Batch(status={"projects": {"id": "projects", "projects": list(told)}})


def shown(site: Site) -> str:
    html = site.client.get("/projects").get_data(as_text=True).partition("<main")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


def test_where_there_is_no_project_the_page_says_how_there_would_be(site: Site) -> None:
    assert "Make projects/reports/ , put your script into it" in shown(site)


def test_a_source_is_told_with_what_is_live_and_when_it_was_looked_at(site: Site) -> None:
    site.put(sources(a_source()))
    page = shown(site)
    for words in ("etl", "✓ synced", "main@3f2a91c0d4e5 Sum it up Ana", "git main", "20 s ago , again in 40 s"):
        assert words in page


def test_a_source_that_fails_is_told_in_its_own_words(site: Site) -> None:
    site.put(sources(a_source(sync="error", error="fatal: no route to host", applied=None)))
    page = shown(site)
    assert "✕ sync failed" in page
    assert "fatal: no route to host" in page
    assert "nothing yet" in page


def test_a_directory_that_is_used_in_place_is_known_by_its_jobs(site: Site) -> None:
    site.put(Batch(jobs=[a_job(), a_job(id="p/other"), a_job(id="q/gone", deleted=True)]))
    page = shown(site)
    assert "– in place" in page
    assert "2 jobs" in page
    assert "q" not in re.findall(r"<h2>(.*?)</h2>", site.client.get("/projects").text)


@pytest.mark.parametrize(
    ("states", "health"),
    [
        ([], "○ no job has run"),
        ([State.SUCCEEDED, State.SUCCEEDED], "✓ jobs ok"),
        ([State.FAILED, State.SUCCEEDED], "✕ jobs failing"),
        ([State.SUCCEEDED, State.LOST], "✕ jobs failing"),
    ],
    ids=["none ran", "all well", "first failed", "last lost"],
)
def test_health_is_that_of_the_jobs_last_executions(site: Site, states: list[State], health: str) -> None:
    executions = [
        an_execution(id=f"{number:016x}", job=f"p/{number}", state=state) for number, state in enumerate(states)
    ]
    site.put(Batch(jobs=[a_job(id="p/0"), a_job(id="p/1")], executions=executions))
    assert health in shown(site)


def test_programs_get_every_project(site: Site) -> None:
    site.put(sources(a_source()))
    (one,) = site.client.get("/api/v1/projects").get_json()["items"]
    assert (one["id"], one["jobs"], one["health"]) == ("etl", 0, "unknown")
    assert (one["applied"]["subject"], one["applied"]["live"]) == ("Sum it up", True)


def test_nothing_that_others_wrote_becomes_markup(site: Site) -> None:
    applied = dict.fromkeys(("revision", "author", "subject"), CANARY)
    site.put(sources(a_source(id=CANARY, kind=CANARY, ref=CANARY, path=CANARY, error=CANARY, applied=applied)))
    html = site.client.get("/projects").get_data(as_text=True)
    assert html.count("&lt;script&gt;") >= 8
    assert not re.search("<script>|\\b49\\b|\u202e|\x1b", html)


def test_a_word_for_a_sync_that_is_not_known_is_shown_as_it_is(site: Site) -> None:
    site.put(sources(a_source(sync="thinking")))
    assert "thinking" in shown(site)


def grounded(database: Path, **facts: Any) -> Site:
    """A site that knows the project etl from git, and a directory that no job runs."""
    brief = {"kind": "git", "source": "https://git.example.com/etl.git", "ref": "main", "path": "sub", "syncs": True}
    idle = {"kind": "directory", "source": "projects/idle", "ref": "", "path": "", "syncs": False, "behind": None}
    grounds = {"etl": brief | {"behind": None} | facts, "idle": idle}
    return Site(database, ground=Ground(projects=lambda: grounds))


def test_a_source_is_told_by_its_address_ref_and_directory(tmp_path: Path) -> None:
    site = grounded(tmp_path / "windmill.db")
    site.put(sources(a_source(path="sub")))
    assert "https://git.example.com/etl.git#main:sub" in shown(site)


def test_a_project_without_jobs_is_listed_too(tmp_path: Path) -> None:
    page = shown(grounded(tmp_path / "windmill.db"))
    assert "idle – in place" in page
    assert "etl ? not looked at yet" in page


@pytest.mark.parametrize(
    ("sync", "behind", "words"),
    [("behind", 3, "… 3 commits behind"), ("behind", None, "… behind"), ("held", 1, "■ held back")],
    ids=["counted", "not counted", "held"],
)
def test_how_far_a_source_is_ahead_is_told_where_it_is_known(
    tmp_path: Path, sync: str, behind: int | None, words: str
) -> None:
    site = grounded(tmp_path / "windmill.db", behind=behind)
    site.put(sources(a_source(sync=sync)))
    assert words in shown(site)


def test_what_still_runs_stands_beside_the_trouble(site: Site) -> None:
    site.put(sources(a_source(sync="error", error="fatal: no route to host")))
    assert "fatal: no route to host Still running: main@3f2a91c0d4e5" in shown(site)
