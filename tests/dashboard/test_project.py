"""One project: what is live, what was before, what it is made of."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import a_job, an_execution
from tests.support.dashboard import NOW, Site
from windmill.core.documents import Document, to_text
from windmill.core.errors import WindmillError
from windmill.core.model import State
from windmill.core.ports import Batch
from windmill.dashboard.ground import Ground

CANARY = "<script>alert(1)</script>\"'&{{ 7*7 }}\u202e\x1b[31m"
OLD, LIVE, NEW = ("0" * 40, "3f2a91c0d4e5" + "0" * 28, "9" * 40)


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def a_revision(key: str, *, live: bool = False, published: datetime | None = None, **changes: Any) -> Document:
    return {
        "key": key,
        "revision": f"main@sha1:{key}",
        "commit": key,
        "author": "Ana",
        "subject": "Sum it up",
        "committed_at": to_text(ago(hours=3)),
        "published_at": to_text(published or ago(hours=2)),
        "environment": "",
        "live": live,
        "here": True,
    } | changes


def known(**changes: Any) -> Document:
    return {
        "id": "shop",
        "kind": "git",
        "source": "https://git.example.com/acme/shop.git",
        "ref": "main",
        "path": "",
        "syncs": True,
        "behind": None,
        "settings": [["git", "https://git.example.com/acme/shop.git"], ["token", "from_env SHOP_TOKEN"]],
        "webhook": True,
        "revisions": [a_revision(LIVE, live=True)],
        "attempted": None,
        "trouble": "",
        "environment": None,
        "good": {},
    } | changes


def told(**changes: Any) -> Document:
    applied = {"revision": f"main@sha1:{LIVE}", "author": "Ana", "subject": "Sum it up"}
    return {
        "id": "shop",
        "kind": "git",
        "ref": "main",
        "path": "",
        "sync": "synced",
        "error": "",
        "applied": applied,
    } | ({"seen_at": to_text(ago(seconds=20)), "next_poll": to_text(NOW + timedelta(seconds=40))} | changes)


def a_sync(number: int, *, began: datetime, took: float = 10, **changes: Any) -> Document:
    instants = {"queued_at": began, "started_at": began, "ended_at": began + timedelta(seconds=took)}
    return an_execution(id=f"{number:016x}", job="shop/@sync", **instants | changes)


class Shop:
    """A site that knows the project shop."""

    def __init__(self, database: Path, facts: Document | None = None, **more: Any) -> None:
        self.facts = facts or known()
        brief = ("kind", "source", "ref", "path", "syncs", "behind")
        ground = Ground(
            projects=lambda: {self.facts["id"]: {name: self.facts[name] for name in brief}},
            project=lambda name: self.facts if name == self.facts["id"] else None,
        )
        self.site = Site(database, ground=ground, **more)

    def tell(self, *documents: Document, **batch: Any) -> None:
        self.site.put(Batch(status={"projects": {"id": "projects", "projects": list(documents)}}, **batch))

    def html(self, path: str = "/projects/shop") -> str:
        return self.site.client.get(path).text.partition("<main")[2]

    def shown(self, path: str = "/projects/shop") -> str:
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", self.html(path))))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "windmill.db"


def test_it_tells_what_is_live_and_how_its_source_stands_to_it(database: Path) -> None:
    shop = Shop(database)
    shop.tell(told())
    page = shop.shown()
    for words in ("✓ synced", "Commit 3f2a91c0d4e5 Sum it up", "Author Ana", "Looked at 20 s ago , again in 40 s"):
        assert words in page


def test_a_project_that_was_never_looked_at_is_shown_all_the_same(database: Path) -> None:
    page = Shop(database, known(revisions=[])).shown()
    assert "? not looked at yet" in page
    assert "It has not been synced yet. This does it now and shows what happens: windmill sync shop" in page


def test_a_directory_in_place_has_no_revisions(database: Path) -> None:
    facts = known(kind="directory", syncs=False, revisions=[], source="projects/shop", settings=[])
    page = Shop(database, facts).shown()
    assert "– in place" in page
    assert "what you save is what runs next" in page
    assert "Revisions" not in page
    assert "No job runs it yet." in page


def test_a_sync_that_published_is_told_by_what_it_published(database: Path) -> None:
    shop = Shop(database, known(revisions=[a_revision(LIVE, live=True, published=ago(hours=1, seconds=-5))]))
    shop.tell(told(), executions=[a_sync(7, began=ago(hours=1))])
    assert "✓ published main@3f2a91c0d4e5 live Sum it up Ana" in shop.shown()
    assert 'href="/executions/0000000000000007"' in shop.html()
    assert f'href="/executions?project=shop&amp;revision=main@sha1:{LIVE}"' in shop.html()


@pytest.mark.parametrize(
    ("outcome", "words"), [("refused", "✕ refused main@999999999999"), ("held", "■ held back main@999999999999")]
)
def test_an_attempt_that_came_to_nothing_says_why(database: Path, outcome: str, words: str) -> None:
    attempted: Document = {
        "revision": f"main@sha1:{NEW}",
        "key": NEW,
        "outcome": outcome,
        "error": "it would remove 4 of 5 jobs",
    }
    attempted |= {"at": to_text(ago(minutes=9, seconds=55)), "author": "Bia", "subject": "Tidy", "problems": 0}
    shop = Shop(database, known(attempted=attempted, behind=2))
    shop.tell(told(sync=outcome), executions=[a_sync(8, began=ago(minutes=10), state=State.FAILED, exit_code=1)])
    page = shop.shown()
    assert f"{words} Tidy Bia it would remove 4 of 5 jobs" in page


def test_syncs_that_published_nothing_are_told_as_such(database: Path) -> None:
    shop = Shop(database)
    failed = a_sync(2, began=ago(minutes=10), state=State.FAILED, exit_code=1, reason="exit_code")
    running = a_sync(3, began=ago(minutes=1), state=State.RUNNING, ended_at=None, exit_code=None)
    shop.tell(told(), executions=[a_sync(1, began=ago(minutes=20)), failed, running])
    page = shop.shown()
    assert page.index("▶ syncing") < page.index("✕ sync failed exit code 1") < page.index("– nothing new went live")


def test_a_revision_outlives_the_execution_that_published_it(database: Path) -> None:
    older = a_revision(OLD, published=ago(days=90), subject="Begin", here=False)
    page = Shop(database, known(revisions=[a_revision(LIVE, live=True), older])).shown()
    assert "✓ published main@000000000000 Begin Ana" in page
    assert "no longer on disk" in page


def test_the_environment_lists_its_packages(database: Path) -> None:
    environment: Document = {"key": "e" * 40, "python": "3.11.9", "asked_by": "requirements.txt", "count": 2}
    environment |= {"packages": [["flask", "3.1.0"], ["six", "1.17"]], "built_at": to_text(ago(days=2))}
    page = Shop(database, known(environment=environment)).shown()
    for words in ("Python 3.11.9", "Key eeeeeeeeeeee", "Built 2 d ago", "2 packages flask 3.1.0 six 1.17"):
        assert words in page


def test_an_environment_that_is_gone_is_told(database: Path) -> None:
    environment: Document = {
        "key": "e" * 40,
        "python": "",
        "asked_by": "",
        "count": 0,
        "packages": [],
        "built_at": None,
    }
    assert "It is not on disk: a sync builds it anew." in Shop(database, known(environment=environment)).shown()


def test_jobs_are_told_with_their_state_their_file_and_the_revision_it_is_read_from(database: Path) -> None:
    shop = Shop(database, known(good={"sums.yaml": OLD}))
    jobs = [a_job(id="shop/sums", file="shop@3f2a91c0d4:jobs.d/sums.yaml", line=4), a_job(id="q/other")]
    shop.tell(told(), jobs=jobs, executions=[an_execution(job="shop/sums", state=State.FAILED)])
    page = shop.shown()
    assert "✕ Failed 5 min ago shop@3f2a91c0d4:jobs.d/sums.yaml:4" in page
    assert "line 4 as of 000000000000" in page
    assert 'href="/jobs/shop/sums"' in shop.html()
    assert "other" not in page


def test_the_push_address_says_whether_its_secret_is_set_and_when_it_was_used(database: Path) -> None:
    shop = Shop(database)
    request = {"id": "a" * 32, "kind": "poll", "project": "shop", "by": "webhook", "at": to_text(ago(minutes=3))}
    with_others = [request, request | {"id": "b" * 32, "project": "etl", "at": to_text(ago(minutes=1))}]
    for one in with_others:
        shop.site.request(one)
    page = shop.shown()
    assert "/hooks/git/shop ✓ its secret is set; the last push came 3 min ago" in page
    assert "Secret to Everybody" not in shop.html()


def test_a_push_address_without_a_secret_is_closed(database: Path) -> None:
    assert "– closed: it opens with webhook in windmill.toml" in Shop(database, webhook_secret=lambda _: None).shown()


def test_a_secret_that_cannot_be_read_is_told(database: Path) -> None:
    def unreadable(_: str) -> str | None:
        raise WindmillError("there is no variable SHOP_SECRET")

    assert "✕ its secret cannot be read here" in Shop(database, webhook_secret=unreadable).shown()


def test_trouble_is_told_with_what_runs_meanwhile(database: Path) -> None:
    shop = Shop(database)
    shop.tell(told(sync="error", error="fatal: no route to host"))
    assert "fatal: no route to host Still running: main@3f2a91c0d4e5 It is looked at again in 40 s ." in shop.shown()


def test_an_unknown_project_names_those_that_are_called_alike(database: Path) -> None:
    shop = Shop(database)
    answer = shop.site.client.get("/projects/shopp")
    assert answer.status_code == 404
    assert "There is no project shopp. There is shop." in unescape(answer.text)


def test_while_the_store_is_away_the_page_says_so(database: Path) -> None:
    shop = Shop(database)
    database.unlink()
    assert shop.site.client.get("/projects/shop").status_code == 503


def test_nothing_that_others_wrote_becomes_markup(database: Path) -> None:
    revision = a_revision(LIVE, live=True, author=CANARY, subject=CANARY, revision=CANARY)
    attempted: Document = {"revision": CANARY, "key": "", "outcome": CANARY, "error": CANARY, "author": CANARY}
    attempted |= {"subject": CANARY, "at": to_text(ago(minutes=9, seconds=55)), "removes": [CANARY]}
    environment: Document = {"key": CANARY, "python": CANARY, "asked_by": CANARY, "count": 1}
    environment |= {"packages": [[CANARY, CANARY]], "built_at": to_text(NOW)}
    facts = known(source=CANARY, ref=CANARY, path=CANARY, settings=[[CANARY, CANARY]], revisions=[revision])
    shop = Shop(database, facts | {"attempted": attempted, "environment": environment, "good": {CANARY: CANARY}})
    job = a_job(id="shop/x", file=CANARY, schedule_words=CANARY)
    shop.tell(
        told(error=CANARY, ref=CANARY, path=CANARY, applied=None),
        jobs=[job],
        executions=[a_sync(1, began=ago(minutes=10))],
    )
    for path in ("/projects/shop", "/projects"):
        html = shop.site.client.get(path).text
        assert html.count("&lt;script&gt;") >= (10 if path.endswith("shop") else 3)
        assert not re.search("<script>alert|\\b49\\b|\u202e|\x1b", html)


def test_a_project_that_is_gone_leads_to_what_ran(database: Path) -> None:
    shop = Shop(database)
    shop.tell(jobs=[a_job(id="old/sums", deleted=True)])
    assert "It is not there any more, and neither are its jobs." in shop.shown("/projects/old")
    assert 'href="/projects/old"' in shop.html("/jobs/old/sums")
