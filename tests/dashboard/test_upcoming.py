from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_job, an_execution
from tests.support.dashboard import Site
from windmill.core.model import State
from windmill.core.ports import Batch

CANARY = "<script>alert(1)</script>\"'&{{ 7*7 }}\x1b[31m\u202e"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def html(site: Site, address: str = "/upcoming") -> str:
    return site.client.get(address).get_data(as_text=True)


def words(site: Site, address: str = "/upcoming") -> str:
    """The text of the page, its white space as a browser shows it."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html(site, address))))


def test_a_job_has_a_lane_with_its_starts(site: Site) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert 'aria-label="5 starts"' in html(site, "/upcoming?hours=1")


@pytest.mark.parametrize("address", ["/upcoming", "/upcoming?hours=24", "/upcoming?hours=7", "/upcoming?hours=x"])
def test_it_is_the_next_day_unless_the_address_says_otherwise(site: Site, address: str) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert re.search('aria-current="true">Next day', html(site, address))


def test_a_lane_says_how_long_its_job_usually_takes(site: Site) -> None:
    site.put(Batch(jobs=[a_job()], executions=[an_execution()]))
    assert "usually 2 s" in words(site)


def test_what_comes_due_while_its_job_runs_is_said(site: Site) -> None:
    long = an_execution(ended_at=NOON + timedelta(minutes=15))
    site.put(Batch(jobs=[a_job()], executions=[long]))
    assert "expected to come due while it still runs" in words(site)


def test_the_first_starts_are_listed_with_their_zone(site: Site) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert "p/ hello in 10 min Thu 01 Jan, 12:15:00 UTC" in words(site)


def test_a_busy_job_leaves_room_for_others_among_the_first_starts(site: Site) -> None:
    site.put(Batch(jobs=[a_job(), a_job(id="p/later")]))
    listed = words(site).partition("First starts")[2].partition("Slots")[0]
    assert (listed.count("hello"), listed.count("later")) == (3, 3)


def test_nothing_due_says_what_makes_a_job_due(site: Site) -> None:
    assert "Nothing is due in this time. A job is, when its file has a schedule" in words(site)


def test_jobs_that_are_gone_or_ours_have_no_lane(site: Site) -> None:
    site.put(Batch(jobs=[a_job(id="p/gone", deleted=True), a_job(id="p/@sync", system=True)]))
    assert "Nothing is due" in words(site)


def test_a_slot_that_was_skipped_is_shown_with_its_reason(site: Site) -> None:
    skipped = an_execution(state=State.SKIPPED, reason="missed", started_at=None, ended_at=NOON, coalesced=2)
    site.put(Batch(executions=[skipped]))
    assert "p/ hello 5 min ago and 2 more missed: the scheduler was not running" in words(site)


def test_slots_of_a_job_that_were_skipped_for_one_reason_share_a_line(site: Site) -> None:
    facts = {"state": State.SKIPPED, "started_at": None, "ended_at": NOON}
    slots = [NOON - timedelta(minutes=5 * number) for number in (3, 2, 1)]
    paused = [
        an_execution(id=f"{number:016x}", slot=slot, reason="paused", **facts) for number, slot in enumerate(slots)
    ]
    site.put(Batch(executions=[*paused, an_execution(id="f" * 16, slot=NOON, reason="missed", **facts)]))
    shown = words(site)
    assert "p/ hello 10 min ago and 2 more the job was paused" in shown
    assert shown.count("the job was paused") == 1
    assert "missed: the scheduler was not running" in shown


def test_nothing_that_others_wrote_becomes_markup(site: Site) -> None:
    key = f"p/{CANARY}"
    skipped = an_execution(id="2" * 16, job=key, state=State.SKIPPED, reason=CANARY, started_at=None, exit_code=None)
    site.put(Batch(jobs=[a_job(id=key)], executions=[skipped]))
    page = html(site)
    assert page.count("&lt;script&gt;") >= 4
    assert not re.search("<script(?! src=)|\\b49\\b|\x1b|\u202e", page)


def test_of_very_many_jobs_the_first_are_shown_and_the_rest_counted(site: Site) -> None:
    site.put(Batch(jobs=[a_job(id=f"p/j{number}") for number in range(60)]))
    assert html(site).count('class="lane"') == 50
    assert "10 more jobs start later" in words(site)


def test_more_than_may_run_at_once_is_said(site: Site) -> None:
    ends = NOON + timedelta(minutes=5)
    jobs = [a_job(id="p/ant"), a_job(id="p/bee")]
    past = [an_execution(id=f"{number:016x}", job=job["id"], ended_at=ends) for number, job in enumerate(jobs, 1)]
    site.put(
        Batch(jobs=jobs, executions=past, status={"scheduler": {"id": "scheduler", "at": None, "max_running": 1}})
    )
    assert "More than may run at once" in words(site, "/upcoming?hours=1")
    assert "2 are expected, and 1 may run (max_running): the others wait." in words(site, "/upcoming?hours=1")


def test_the_last_day_is_drawn_from_what_ran(site: Site) -> None:
    later = NOON + timedelta(seconds=1)
    failed = an_execution(
        id="2" * 16, job="p/other", state=State.FAILED, exit_code=1, started_at=later, ended_at=later
    )
    site.put(Batch(executions=[an_execution(), failed]))
    page = words(site, "/upcoming?hours=-24")
    assert "At most 1 ran at once" in page
    assert "1 Success" in page
    assert "1 Failed" in page


def test_a_day_on_which_nothing_ran_says_so(site: Site) -> None:
    assert "Nothing ran in the last day." in words(site, "/upcoming?hours=-24")
