"""How everything is: for programs as JSON, for people as a page."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.dashboard import NOW, Site
from windmill.core.documents import Document, to_text
from windmill.core.ports import Batch
from windmill.dashboard.access import Role
from windmill.dashboard.ground import Ground

CANARY = "<script>alert(1)</script>\"'&{{ 7*7 }}\u202e\x1b[31m"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
MACHINE: Document = {
    "store": {"kind": "SQLite", "version": "3.45.1", "bytes": 5 << 20},
    "disk": {"free": 50 << 30, "total": 100 << 30},
    "journal_bytes": 3 << 10,
    "python": "3.11.9",
    "system": "Linux 6.8",
}


def beat(**changes: Any) -> Batch:
    known: Document = {
        "id": "scheduler",
        "at": to_text(NOW - timedelta(seconds=2)),
        "started_at": to_text(NOW - timedelta(days=2)),
        "left": False,
        "pid": 77,
        "host": "box",
        "version": "1",
        "running": 3,
        "max_running": 8,
        "waiting": [],
        "retries": [],
        "backlog": {"bytes": 0, "away_since": None, "error": None, "full": False, "rejected": 0},
    }
    return Batch(status={"scheduler": known | changes, "catalog": {"id": "catalog", "files": 42, "problems": []}})


def a_site(database: Path, *, machine: Document | None = None, **more: Any) -> Site:
    found = MACHINE if machine is None else machine
    return Site(database, ground=Ground(machine=lambda: found), **more)


def shown(site: Site) -> str:
    html = site.client.get("/status").text.partition("<main")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "windmill.db"


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/plain", "application/json, text/html;q=0.9"])
def test_programs_get_what_they_always_got(database: Path, accept: str) -> None:
    answer = a_site(database).client.get("/health", headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok", "version": "1"})
    assert answer.headers["Vary"] == "Accept" or "Accept" in answer.vary


def test_a_browser_is_sent_to_the_page(database: Path) -> None:
    answer = a_site(database).client.get("/health", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.location) == (303, "/status")
    assert "Accept" in answer.vary


def test_who_may_not_read_learns_no_more_than_that_it_lives(database: Path) -> None:
    site = a_site(database, anonymous=Role.NOBODY)
    site.put(beat())
    assert site.client.get("/health").get_json() == {"status": "ok", "version": "1"}
    answer = site.client.get("/status", headers={"Accept": BROWSER})
    assert answer.status_code in {303, 401}
    assert "SQLite" not in answer.text


def test_when_all_is_well_the_page_says_so_in_a_word(database: Path) -> None:
    site = a_site(database)
    site.put(beat())
    page = shown(site)
    assert "✓ Everything is as it should be" in page
    for words in ("✓ ok heard of 2 s ago", "50.0 GiB free of 100.0 GiB", "42 files, no problem", "nothing waits"):
        assert words in page


def test_the_facts_of_machine_and_scheduler_are_told(database: Path) -> None:
    site = a_site(database)
    site.put(beat())
    page = shown(site)
    for words in ("3 / 8 running now", "2 d", "box, pid 77", "SQLite 3.45.1", "5.0 MiB", "3.0 KiB", "Python 3.11.9"):
        assert words in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"at": to_text(NOW - timedelta(minutes=3))}, "✕ problem silent, last heard of 3 min ago"),
        ({"left": True}, "✕ problem stopped 2 s ago: nothing will start Start it with windmill up"),
        ({"backlog": {"bytes": 1 << 20, "full": True}}, "✕ problem full with 1.0 MiB: output is being cut Bring"),
        ({"backlog": {"bytes": 0, "rejected": 2}}, "✕ problem 2 documents that the store refuses They are kept"),
        (
            {"backlog": {"bytes": 2048, "away_since": to_text(NOW - timedelta(minutes=1)), "error": "refused"}},
            "▲ look at it 2.0 KiB wait; the store is away since 1 min ago refused Bring the store back",
        ),
        ({"backlog": {"bytes": 1 << 29}}, "▲ look at it 512.0 MiB wait for the store See whether it is slow."),
    ],
    ids=["silent", "left", "full", "rejected", "away", "large backlog"],
)
def test_what_is_not_well_says_what_to_do(database: Path, changes: Document, words: str) -> None:
    site = a_site(database)
    site.put(beat(**changes))
    page = shown(site)
    assert words in page
    assert "Everything is as it should be" not in page


def test_a_full_disk_is_a_problem(database: Path) -> None:
    site = a_site(database, machine=MACHINE | {"disk": {"free": 1 << 20, "total": 100 << 30}})
    assert "✕ problem 1.0 MiB free of 100.0 GiB Free some space" in shown(site)


def test_before_there_was_a_scheduler_the_page_says_how_to_start_one(database: Path) -> None:
    assert "✕ problem none was seen here yet Start it with windmill up" in shown(a_site(database))


def test_problems_of_files_and_sources_are_counted(database: Path) -> None:
    site = a_site(database)
    site.put(beat())
    problems = [{"severity": "error"}, {"severity": "warning"}]
    catalog = {"id": "catalog", "files": 42, "problems": problems}
    source = {"id": "etl", "error": "fatal: no route to host"}
    site.put(Batch(status={"catalog": catalog, "projects": {"id": "projects", "projects": [source]}}))
    page = shown(site)
    assert "✕ 2 things are not as they should be" in page
    assert "1 error in them" in page
    assert "1 source cannot be synced" in page


def test_what_waits_and_what_is_tried_again_is_listed(database: Path) -> None:
    site = a_site(database)
    since = to_text(NOW - timedelta(minutes=1))
    waiting = [{"job": "p/hello", "execution": "1" * 16, "since": since, "group": "dw"}]
    full = {"groups": {"dw": 2}, "groups_taken": {"dw": 2}}
    retries = [{"job": "p/other", "at": to_text(NOW + timedelta(minutes=1)), "attempt": 2, "of": "0" * 16}]
    site.put(beat(waiting=waiting, retries=retries, **full))
    page = shown(site)
    assert "p/ hello Next in line: group dw is full (2 of 2) · due 1 min ago" in page
    assert "dw 2 of 2 places taken" in page
    assert "p/ other in 1 min , attempt 2" in page


def test_while_the_store_is_away_the_page_says_so(database: Path) -> None:
    site = a_site(database)
    database.unlink()
    answer = site.client.get("/status")
    assert answer.status_code == 200
    page = shown(site)
    assert "✕ problem does not answer Start the database" in page
    assert "nothing is known of it while the store is away" in page


def test_nothing_that_others_wrote_becomes_markup(database: Path) -> None:
    site = a_site(database, machine=MACHINE | {"python": CANARY, "system": CANARY})
    backlog = {"bytes": 1, "away_since": to_text(NOW), "error": CANARY, "full": False, "rejected": 0}
    waiting = [{"job": f"p/{CANARY}", "execution": "1" * 16, "since": to_text(NOW), "group": CANARY}]
    site.put(beat(host=CANARY, version=CANARY, backlog=backlog, waiting=waiting, groups={CANARY: 0}))
    html = site.client.get("/status").text
    assert html.count("&lt;script&gt;") >= 5
    assert not re.search("<script>alert|\\b49\\b|\u202e|\x1b", html)
