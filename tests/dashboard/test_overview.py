from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import NOON, a_job, a_running_execution, an_execution
from tests.support.dashboard import NOW, Site
from windmill.core.documents import Document, to_text
from windmill.core.model import State
from windmill.core.ports import Batch

CANARY = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def scheduler(seconds: float, *, left: bool = False) -> Batch:
    """The scheduler was heard of so many seconds ago."""
    at = to_text(NOW - timedelta(seconds=seconds))
    return Batch(status={"scheduler": {"id": "scheduler", "at": at, "left": left, "home": "/srv/windmill"}})


def test_an_empty_home_is_told_what_to_do_next(site: Site) -> None:
    assert "No jobs yet." in site.page()
    assert "Compose the first job" in site.page()


def test_a_job_stands_there_with_its_last_and_next_start(site: Site) -> None:
    site.put(Batch(jobs=[a_job()], executions=[an_execution()]))
    page = site.page()
    assert "p/ hello" in page
    assert "✓ Success" in page
    assert "5 min ago" in page
    assert "in 10 min" in page


def test_jobs_that_went_wrong_come_first(site: Site) -> None:
    went_wrong = an_execution(job="p/zebra", state=State.FAILED)
    site.put(Batch(jobs=[a_job(id="p/ant"), a_job(id="p/zebra")], executions=[went_wrong]))
    jobs = site.page().partition("Last 20")[2]
    assert jobs.index("zebra") < jobs.index("ant")


def test_of_many_problems_some_are_shown_and_all_are_counted(site: Site) -> None:
    rest = {
        "line": 0,
        "column": 0,
        "hint": "",
        "expected": "",
        "found": "",
        "severity": "error",
        "code": "",
        "job": "",
    }
    problems = [{"file": f"jobs.d/{number}.yaml", "message": "not YAML"} | rest for number in range(1000)]
    site.put(Batch(status={"catalog": {"id": "catalog", "problems": problems}}))
    page = site.page()
    assert "1,000 problems in files" in page
    assert page.count("not YAML") == 5
    assert "All 1000 problems" in page


def test_what_runs_is_shown(site: Site) -> None:
    site.put(Batch(jobs=[a_job()], executions=[a_running_execution()]))
    assert "▶ Running" in site.page()


@pytest.mark.parametrize(
    ("state", "shown"),
    [(State.FAILED, "✕ Failed"), (State.TIMED_OUT, "◷ Timed out"), (State.LOST, "? Lost")],
)
def test_a_failure_is_shown_with_its_reason(site: Site, state: State, shown: str) -> None:
    site.put(Batch(executions=[an_execution(state=state, reason="the disk was full", exit_code=1)]))
    page = site.page()
    assert shown in page
    assert "the disk was full" in page


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"reason": "exit_code", "exit_code": 3}, "exit code 3"),
        ({"reason": "exit_code; output was cut", "exit_code": 3}, "exit code 3; output was cut"),
        ({"reason": "signal: SIGSEGV", "exit_code": None, "signal": "SIGSEGV"}, "signal: SIGSEGV"),
    ],
)
def test_how_a_process_ended_is_said_in_words(site: Site, facts: dict[str, Any], shown: str) -> None:
    site.put(Batch(executions=[an_execution(state=State.FAILED, **facts)]))
    assert shown in site.page()


def test_jobs_that_are_gone_or_ours_are_not_listed(site: Site) -> None:
    site.put(Batch(jobs=[a_job(id="p/gone", deleted=True), a_job(id="p/@sync", system=True)]))
    assert "No jobs yet" in site.page()


def test_a_problem_is_shown_with_its_place_and_hint(site: Site) -> None:
    problem = {"file": "jobs.d/x.yaml", "line": 3, "column": 1, "message": "unknown key", "hint": "rename it"}
    rest = {"expected": "", "found": "", "severity": "error", "code": "", "job": ""}
    site.put(Batch(status={"catalog": {"id": "catalog", "problems": [problem | rest]}}))
    page = site.page()
    assert "jobs.d/x.yaml:3" in page
    assert "unknown key rename it" in page


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Batch(), "no scheduler was seen here yet"),
        (scheduler(2), "scheduler ok, 2 s ago"),
        (scheduler(180), "scheduler silent, last heard of 3 min ago"),
        (scheduler(2, left=True), "scheduler stopped 2 s ago: nothing will start"),
    ],
    ids=["never", "well", "silent", "ended"],
)
def test_the_heartbeat_of_the_scheduler_is_always_shown(site: Site, told: Batch, words: str) -> None:
    site.put(told)
    assert words in site.page()


def test_a_store_that_is_away_is_said_and_asked_again_later(site: Site) -> None:
    site.database.unlink()
    answer = site.client.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "The store does not answer" in answer.get_data(as_text=True)
    site.put(Batch())
    assert site.client.get("/").status_code == 200


def test_nothing_that_others_wrote_becomes_markup(site: Site) -> None:
    problem = {"file": CANARY, "line": 1, "column": 1, "message": CANARY, "hint": CANARY}
    rest = {"expected": CANARY, "found": CANARY, "severity": "error", "code": "", "job": ""}
    status: dict[str, Document] = {
        "catalog": {"id": "catalog", "problems": [problem | rest]},
        "scheduler": {"id": "scheduler", "at": to_text(NOW), "left": False, "home": CANARY},
    }
    job = a_job(id=f"p/{CANARY}", description=CANARY, schedule_words=CANARY)
    failed = an_execution(id="2" * 16, job=f"p/{CANARY}", state=State.FAILED, reason=CANARY, exit_code=1)
    running = a_running_execution(id="3" * 16, job=f"q/{CANARY}")
    site.put(Batch(jobs=[job], executions=[failed, running], status=status))
    html = site.client.get("/").get_data(as_text=True)
    assert html.count("&lt;script&gt;") >= 7
    assert not re.search(r"<script(?! src=)|<img src=x|onerror=[^&]*>|\b49\b", html.replace("&gt;", ""))


def test_a_page_holds_neither_script_nor_style_of_its_own(site: Site) -> None:
    site.put(Batch(jobs=[a_job()], executions=[an_execution()]))
    html = site.client.get("/").get_data(as_text=True)
    assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=|javascript:|https?://", html)


def test_everything_a_page_loads_is_there(site: Site) -> None:
    html = site.client.get("/").get_data(as_text=True)
    loaded = re.findall(r'(?:href|src)="(/[^"#]+)"', html)
    assert len(loaded) >= 2
    for path in loaded:
        with site.client.get(path) as answer:
            assert answer.status_code == 200, path


def test_the_address_says_which_jobs_are_listed(site: Site) -> None:
    site.put(Batch(jobs=[a_job(id="p/ant"), a_job(id="q/bee")]))
    html = site.client.get("/?project=q").get_data(as_text=True)
    assert 'href="/jobs/q/bee"' in html
    assert 'href="/jobs/p/ant"' not in html


def test_what_was_asked_for_stays_in_the_form(site: Site) -> None:
    site.put(Batch(jobs=[a_job(labels={"team": "sales"})]))
    html = site.client.get("/?q=x%22y&state=failed&label=team%3Dsales&attention=1").get_data(as_text=True)
    assert 'name="q" value="x&#34;y"' in html
    assert 'value="failed" selected' in html
    assert "<option selected>team=sales" in html
    assert 'value="1" checked' in html


def test_a_search_that_finds_nothing_says_how_to_get_out(site: Site) -> None:
    site.put(Batch(jobs=[a_job()]))
    html = site.client.get("/?q=zebra").get_data(as_text=True)
    assert 'No job matches. <a href="/">Clear filters</a>' in html


def test_many_jobs_come_in_pages_that_keep_the_search(site: Site) -> None:
    site.put(Batch(jobs=[a_job(id=f"p/j{number:03}") for number in range(70)]))
    first = site.client.get("/?project=p").get_data(as_text=True)
    assert first.count('href="/jobs/p/') == 50
    assert 'href="/?project=p&amp;page=2"' in first
    last = site.client.get("/?project=p&page=2").get_data(as_text=True)
    assert last.count('href="/jobs/p/') == 20
    assert ">Previous</a>" in last
    assert ">Next</a>" not in last


@pytest.mark.parametrize("number", ["0", "-3", "x", "99999999999999999999"])
def test_any_page_may_be_asked_for(site: Site, number: str) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert site.client.get(f"/?page={number}").status_code == 200


def test_a_job_has_bars_of_what_it_did(site: Site) -> None:
    bad = an_execution(id="2" * 16, state=State.FAILED, exit_code=1, queued_at=NOON + timedelta(seconds=1))
    site.put(Batch(jobs=[a_job()], executions=[an_execution(), bad]))
    html = site.client.get("/").get_data(as_text=True)
    assert html.count('class="tick"') == 2
    assert html.count('class="mark"') == 1
    assert 'aria-label="1 Success, 1 Failed"' in html


def test_failures_of_the_last_day_are_counted(site: Site) -> None:
    old = NOW - timedelta(days=1, minutes=1)
    site.put(
        Batch(
            executions=[
                an_execution(id="2" * 16, state=State.FAILED, exit_code=1),
                an_execution(id="3" * 16, state=State.LOST, queued_at=old, started_at=old, ended_at=old),
            ]
        )
    )
    assert "1 failed in 24 h" in site.page()


def test_the_heartbeat_is_on_every_page(site: Site) -> None:
    site.put(scheduler(2))
    for path in ("/", "/upcoming", "/executions", "/nothing/here"):
        assert "scheduler ok, 2 s ago" in site.client.get(path).get_data(as_text=True), path


def test_jobs_whose_files_are_gone_are_listed_when_asked_for(site: Site) -> None:
    removed = {"commit": "c" * 40, "author": "Ana", "subject": "Retire it", "at": "2026-01-01T00:00:00.000Z"}
    site.put(Batch(jobs=[a_job(), a_job(id="p/gone", deleted=True, removed=removed)]))
    assert 'href="/?deleted=1">1 job whose file is gone' in site.client.get("/").get_data(as_text=True)
    page = site.client.get("/?deleted=1").get_data(as_text=True)
    assert 'href="/jobs/p/gone"' in page
    assert "Ana removed it in cccccccccccc" in page
    assert 'href="/jobs/p/hello"' not in page


@pytest.mark.parametrize(
    ("batch", "verdict"),
    [
        (Batch(jobs=[a_job()]), "✓ The one job is well"),
        (Batch(jobs=[a_job(), a_job(id="p/two")]), "✓ All 2 jobs are well"),
        (Batch(jobs=[a_job()], executions=[an_execution(state=State.LOST)]), "✕ 1 job needs attention"),
    ],
    ids=["one", "all", "lost"],
)
def test_what_a_person_has_to_know_stands_first(site: Site, batch: Batch, verdict: str) -> None:
    site.put(batch)
    assert verdict in site.page()


def test_what_starts_next_is_shown(site: Site) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert re.search(r"in 10 min\s+the next start", site.page())


def test_a_page_that_stays_open_asks_for_the_heartbeat_alone(site: Site) -> None:
    site.put(scheduler(2))
    beat = site.client.get("/heart").get_data(as_text=True)
    assert "scheduler ok, 2 s ago" in beat
    assert "<html" not in beat


def test_problems_are_counted_on_every_page(site: Site) -> None:
    problem = {"file": "x", "line": 1, "column": 1, "message": "m", "hint": "", "severity": "error", "job": ""}
    rest = {"expected": "", "found": "", "code": ""}
    site.put(Batch(status={"catalog": {"id": "catalog", "problems": [problem | rest, problem | rest]}}))
    assert re.search(r'id="problem-count" class="count">2<', site.client.get("/upcoming").get_data(as_text=True))


def test_who_is_signed_in_is_shown(site: Site) -> None:
    site.sign_in(name="Ana <b>")
    assert "<summary>Ana &lt;b&gt;</summary>" in site.client.get("/").get_data(as_text=True)
