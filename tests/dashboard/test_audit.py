from __future__ import annotations

import re
from contextlib import closing
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import bson
import pytest

from tests.support.builders import a_job
from tests.support.dashboard import NOW, Site
from windmill.core.documents import Document, to_text
from windmill.core.ports import Batch
from windmill.dashboard import audit
from windmill.store.sqlite import SqliteStore

EXECUTION = "0" * 15 + "1"
HOSTILE = "<script>alert('audit')</script>"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "windmill.db")
    site.put(Batch(jobs=[a_job()]))
    return site


def asked(site: Site, *wishes: Document) -> None:
    """Let so many minutes lie between each of these and now as there are before it, and one more."""
    with closing(SqliteStore(site.database)) as store:
        for number, wish in enumerate(wishes, 1):
            known = {"id": f"{number:032x}", "kind": "run", "job": "p/hello", "by": "ana", "via": "cli", **wish}
            store.add_request({"at": to_text(NOW - timedelta(minutes=number)), **known})
            if "state" in wish:
                settled = {"id": known["id"], "state": wish["state"], "answer": wish.get("answer", {})}
                store.write(Batch(answers=[settled]))


def rows(site: Site, **wanted: Any) -> list[str]:
    """The rows of the page, as text."""
    html = site.client.get("/audit", query_string=wanted).get_data(as_text=True)
    found = re.findall(r"<tr.*?</tr>", html.partition("<tbody")[2], re.DOTALL)
    return [unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row))).strip() for row in found]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "Run"),
        ({"rerun_of": EXECUTION}, "Run again as it stands"),
        ({"rerun_of": EXECUTION, "definition": {"id": "d"}}, "Run again exactly"),
        ({"job": "p/@sync"}, "Sync"),
        ({"job": "p/@sync", "params": {"accept": True}}, "Sync, accepting removals"),
        ({"job": "p/@sync", "params": {"revision": "a"}}, "Make a revision available again"),
        ({"kind": "stop", "execution": EXECUTION}, "Stop"),
        ({"kind": "pause", "until": "2026-01-01T14:05:00.000Z"}, "Pause p/ hello until 2026-01-01 14:05:00 UTC"),
        ({"kind": "pause", "until": None}, "Pause"),
        ({"kind": "resume"}, "Resume"),
        ({"kind": "poll", "job": None, "project": "shop"}, "Look at the source"),
        (
            {"kind": "place", "state": "done", "answer": {"file": "jobs.d/a.yaml"}},
            "Write a job file p/ hello jobs.d/a.yaml",
        ),
        (
            {"kind": "upload", "job": None, "state": "done", "answer": {"file": "projects/a.py"}},
            "Upload code projects/a.py",
        ),
        ({"kind": "something new"}, "something new"),
    ],
)
def test_each_act_is_named(site: Site, wish: Document, words: str) -> None:
    asked(site, wish)
    assert [row for row in rows(site) if row.startswith(f"{words} ")] == rows(site)


def test_who_when_from_where_and_with_which_values_are_told(site: Site) -> None:
    asked(site, {"by": "bia", "via": "dashboard", "address": "10.1.2.3", "params": {"day": 3}, "note": "why not"})
    (row,) = rows(site)
    for words in ("bia", "1 min ago", "dashboard", "10.1.2.3", "day=3", "why not", "hello"):
        assert words in row


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "waiting"),
        ({"state": "done", "answer": {"execution": EXECUTION}}, f"done {EXECUTION[:8]}"),
        ({"state": "refused", "answer": {"message": "it runs already"}}, "refused it runs already"),
    ],
)
def test_what_came_of_it_is_told(site: Site, wish: Document, words: str) -> None:
    asked(site, wish)
    assert rows(site)[0].endswith(words)


def test_an_act_leads_to_its_job_and_execution(site: Site) -> None:
    asked(site, {"state": "done", "answer": {"execution": EXECUTION}})
    html = site.client.get("/audit").get_data(as_text=True)
    assert f'href="/executions/{EXECUTION}"' in html
    assert 'href="/jobs/p/hello"' in html


def test_an_act_of_an_older_version_is_told_as_far_as_it_is_known(site: Site) -> None:
    asked(site, {"via": None, "by": None, "job": None})
    assert "not signed in" in rows(site)[0]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"who": "BI"}, ["bia"]),
        ({"job": "report"}, ["rui"]),
        ({"what": "stop"}, ["eva"]),
        ({"via": "webhook"}, ["hook"]),
        ({"via": "cli", "what": "run"}, ["ana", "bia", "rui"]),
        ({"who": "nobody"}, []),
        ({"who": "  "}, ["ana", "bia", "rui", "eva", "hook"]),
    ],
)
def test_the_address_restricts_what_is_shown(site: Site, wanted: Document, found: list[str]) -> None:
    asked(
        site,
        {"by": "ana"},
        {"by": "bia"},
        {"by": "rui", "job": "p/reports"},
        {"by": "eva", "kind": "stop", "via": "dashboard"},
        {"by": "hook", "kind": "poll", "via": "webhook", "job": None, "project": "shop"},
    )
    assert [
        name for row in rows(site, **wanted) for name in ("ana", "bia", "rui", "eva", "hook") if name in row
    ] == found


def test_pages_follow_one_another_newest_first_without_a_gap(site: Site) -> None:
    asked(site, *({"by": f"person-{number:03}"} for number in range(audit.PAGE * 2 + 5)))
    path, seen = "/audit", list[str]()
    while path:
        html = site.client.get(path).get_data(as_text=True)
        seen += re.findall(r"person-\d+", html)
        path = unescape((re.findall(r'href="([^"]+)" rel="next"', html) or [""])[0])
    assert seen == [f"person-{number:03}" for number in range(audit.PAGE * 2 + 5)]


def test_what_is_rare_is_found_on_the_page_that_looks_far_enough(site: Site) -> None:
    asked(site, *({"by": "many"} for _ in range(audit.PAGE * 3)), {"by": "rare one"})
    assert len(rows(site, who="rare")) == 1


def test_a_search_that_takes_long_says_how_far_it_looked_and_goes_on(site: Site) -> None:
    many = [
        {"_id": f"{number:032x}", "kind": "run", "job": "p/hello", "state": "pending", "by": "many"}
        | {"at": NOW - timedelta(seconds=number)}
        for number in range(audit.LOOKED_INTO + 10)
    ]
    many[-5]["by"] = "rare one"
    with closing(SqliteStore(site.database)) as store:
        store.load("requests", [bson.encode(one) for one in many])
    html = site.client.get("/audit?who=rare").get_data(as_text=True)
    assert "Nothing of this kind since" in html
    further = unescape(re.findall(r'href="(/audit[^"]+)">Look further back', html)[0])
    assert "rare one" in site.client.get(further).get_data(as_text=True).partition("<tbody")[2]


def test_a_foreign_cursor_is_refused(site: Site) -> None:
    assert site.client.get("/audit?cursor=%25").status_code == 400


def test_where_nobody_asked_for_anything_it_says_what_will_stand_there(site: Site) -> None:
    assert "Nobody has asked for anything yet" in site.client.get("/audit").get_data(as_text=True)
    assert "Clear filters" in site.client.get("/audit?who=ana").get_data(as_text=True)


def test_nothing_that_others_wrote_becomes_markup(site: Site) -> None:
    hostile = dict.fromkeys(("kind", "job", "by", "via", "address", "note", "project"), HOSTILE)
    answer = {"message": HOSTILE, "execution": HOSTILE}
    asked(site, hostile | {"params": {HOSTILE: HOSTILE}, "state": "refused", "answer": answer})
    asked(site, {"id": "f" * 32, "params": {HOSTILE: HOSTILE}, "note": HOSTILE})
    for path in ("/audit", f"/audit?who={HOSTILE}&job={HOSTILE}&what={HOSTILE}&via={HOSTILE}"):
        html = site.client.get(path).get_data(as_text=True)
        assert "<script>alert" not in html
        assert "alert(" in html
