from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_job, a_running_execution, an_execution
from tests.support.dashboard import Site
from windmill.core.model import State
from windmill.core.ports import Batch

CANARY = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}\x1b[31m\u202e"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def html(site: Site, path: str = "/jobs/p/hello") -> str:
    return site.client.get(path).get_data(as_text=True)


def words(site: Site, path: str = "/jobs/p/hello") -> str:
    """The text of the page, its white space as a browser shows it."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html(site, path))))


def test_a_job_is_shown_with_its_facts_and_definition(site: Site) -> None:
    site.put(Batch(jobs=[a_job(owner="ana@example.com", labels={"team": "sales"})]))
    page = words(site)
    for fact in ("Says hello", "every 1 h", "hello.py", "jobs.d/hello.yaml:1", "ana@example.com", "team=sales"):
        assert fact in page
    assert "interval: 1h" in page


def test_the_next_ten_starts_are_shown(site: Site) -> None:
    site.put(Batch(jobs=[a_job()]))
    starts = html(site).partition("Next starts")[2].partition("</ol>")[0]
    assert starts.count("<li>") == 10
    assert "Thu 01 Jan, 12:15:00 UTC" in starts
    assert "in 10 min" in starts


def test_a_job_that_never_ran_says_when_it_will(site: Site) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert "Has not run yet. It is due in 10 min." in words(site)


def test_the_last_executions_lead_to_their_pages(site: Site) -> None:
    site.put(Batch(jobs=[a_job()], executions=[an_execution(id="a" * 16, state=State.FAILED, exit_code=3)]))
    assert f'href="/executions/{"a" * 16}"' in html(site)


def test_success_is_counted_by_window(site: Site) -> None:
    ago = {7: 1, 30: 20, 90: 80}
    ended = [
        an_execution(id=f"{days:016x}", state=state, queued_at=at, started_at=at, ended_at=at + timedelta(seconds=2))
        for (_, days), state in zip(ago.items(), (State.SUCCEEDED, State.FAILED, State.LOST), strict=True)
        for at in [NOON - timedelta(days=days)]
    ]
    site.put(Batch(jobs=[a_job()], executions=ended))
    table = words(site).partition("Longest gap")[2]
    assert re.match(r" 7 1 100% 0 2 s 2 s – 30 2 50% 1 2 s 2 s – 90 3 33% 2 2 s 2 s – ", table)


def test_durations_say_in_words_what_the_picture_shows(site: Site) -> None:
    site.put(
        Batch(
            jobs=[a_job()], executions=[an_execution(), an_execution(id="3" * 16), a_running_execution(id="2" * 16)]
        )
    )
    page = html(site)
    assert 'aria-label="2 Success, 1 Running"' in page
    assert "median of successes 2 s" in page


def test_a_day_of_the_calendar_says_what_ran(site: Site) -> None:
    site.put(Batch(jobs=[a_job()], executions=[an_execution(state=State.FAILED, exit_code=1)]))
    assert "<title>2026-01-01, 1 Failed</title>" in html(site)


def test_a_job_whose_file_is_gone_says_who_took_it_away(site: Site) -> None:
    removed = {"commit": "c" * 40, "author": "Ana", "subject": "Retire hello", "at": "2026-01-01T00:00:00.000Z"}
    site.put(Batch(jobs=[a_job(deleted=True, removed=removed)]))
    page = words(site)
    assert "Ana removed it in cccccccccccc, Retire hello." in page
    assert "Nothing is due as things are" in page


def test_a_pause_is_shown_with_its_reason(site: Site) -> None:
    site.put(Batch(jobs=[a_job(paused={"until": None, "by": "Ana", "note": "the source moves"})]))
    assert "Paused until it is resumed, by Ana: the source moves." in words(site)


def test_a_broken_file_leads_to_what_is_wrong(site: Site) -> None:
    site.put(Batch(jobs=[a_job(stale=True)]))
    assert "its last good version runs" in words(site)


@pytest.mark.parametrize("path", ["/jobs/p/helo", "/jobs/p/%3Cscript%3E"])
def test_a_job_that_is_not_there_is_not_found(site: Site, path: str) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert site.client.get(path).status_code == 404
    assert "<script>" not in html(site, path)


def test_jobs_of_a_like_name_are_named(site: Site) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert "There is no job p/helo. There is p/hello." in words(site, "/jobs/p/helo")


def test_our_own_jobs_have_no_page(site: Site) -> None:
    site.put(Batch(jobs=[a_job(id="p/@sync", system=True)]))
    assert site.client.get("/jobs/p/@sync").status_code == 404


def test_nothing_that_others_wrote_becomes_markup(site: Site) -> None:
    job = a_job(
        id=f"p/{CANARY}",
        description=CANARY,
        owner=CANARY,
        labels={CANARY: CANARY},
        entry_point=CANARY,
        file=CANARY,
        schedule_words=CANARY,
        document={CANARY: CANARY},
        deleted=True,
        removed={"commit": CANARY, "author": CANARY, "subject": CANARY},
        paused={"until": None, "by": CANARY, "note": CANARY},
    )
    failed = an_execution(job=f"p/{CANARY}", state=State.FAILED, reason=CANARY, exit_code=1)
    site.put(Batch(jobs=[job], executions=[failed]))
    overview = site.client.get("/").get_data(as_text=True)
    path = re.search(r'href="(/jobs/[^"]+)"', overview)
    assert path
    page = html(site, unescape(path[1]))
    assert page.count("&lt;script&gt;") > 10
    assert not re.search("<script(?! src=)|<img src=x|\\b49\\b|\x1b|\u202e", page)
    assert not re.search(r"<[^>]*\son\w+=[^>]*>", page.replace("&gt;", ""))


def test_a_day_of_the_calendar_leads_to_its_executions(site: Site) -> None:
    site.put(Batch(jobs=[a_job()], executions=[an_execution()]))
    links = re.findall(r'href="(/executions\?[^"]*from=[^"]+)"', html(site))
    assert [unescape(link) for link in links] == ["/executions?job=p/hello&from=2026-01-01&to=2026-01-02"]
    assert "p/hello" in words(site, unescape(links[0])).partition("Revision")[2]


def test_the_jobs_are_named_as_the_part_of_the_site(site: Site) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert re.search('<a href="/"[^>]* aria-current="true">Jobs</a>', html(site))
