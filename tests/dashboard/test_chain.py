"""A job among others, and an execution in line, on the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask_babel import force_locale

from tests.support.builders import NOON, a_job, an_execution
from tests.support.dashboard import NOW, Site
from windmill.core.documents import Document, to_text
from windmill.core.model import Cause, Schedule, State, execution_id
from windmill.core.ports import Batch
from windmill.dashboard import present
from windmill.dashboard.schedules import schedule_words

CANARY = "<img src=x onerror=alert(1)>"
E1, E2 = "1" * 16, "2" * 16
FOLLOWER = execution_id("p/load", cause=Cause.AFTER, what=E1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """extract, load and publish come after each other; the first of them ran at noon, and the second after it."""
    found = Site(tmp_path / "windmill.db")
    found.put(Batch(jobs=[job("extract"), job("load", "p/extract"), job("publish", "p/load")]))
    found.put(Batch(executions=[an_execution(id=E1, job="p/extract"), after_extract()]))
    return found


def job(name: str, *above: str, when: str = "success", **facts: Any) -> Document:
    words = {"schedule_words": f"after {' and '.join(above)}"} if above else {}
    return a_job(id=f"p/{name}", after=[{"job": one, "when": when} for one in above], **words, **facts)


def after_extract(**facts: Any) -> Document:
    known: dict[str, Any] = {"id": FOLLOWER, "job": "p/load", "trigger": Cause.AFTER, "after": {"p/extract": E1}}
    return an_execution(**(known | {"queued_at": NOON + timedelta(minutes=1)} | facts))


def html(site: Site, path: str) -> str:
    return site.client.get(path).get_data(as_text=True)


def text(markup: str) -> str:
    """What a browser shows of it."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", markup)))


def chain(site: Site, name: str) -> str:
    return html(site, f"/jobs/p/{name}").partition('aria-labelledby="chain"')[2].partition("</section>")[0]


def test_a_chain_is_shown_step_by_step_with_the_state_of_each(site: Site) -> None:
    steps = [text(step) for step in chain(site, "load").partition("<ol")[2].split("<ul>")[1:]]
    assert [("extract" in step, "load" in step, "publish" in step) for step in steps] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert ["✓ Success" in step for step in steps] == [True, True, False]
    assert "○ never" in steps[2]


def test_the_job_of_the_page_is_marked_and_the_others_are_links(site: Site) -> None:
    found = chain(site, "load")
    assert found.count('aria-current="true"') == 1
    assert ('href="/jobs/p/extract"' in found, 'href="/jobs/p/load"' in found) == (True, False)


def test_a_job_by_itself_has_no_chain(site: Site) -> None:
    site.put(Batch(jobs=[a_job()]))
    assert chain(site, "hello") == ""


def test_a_job_says_what_it_waits_for(site: Site) -> None:
    assert "It waits for p/extract." in text(chain(site, "load"))
    site.put(Batch(executions=[an_execution(id=E2, job="p/extract", queued_at=NOON + timedelta(minutes=2))]))
    assert "It waits for" not in text(chain(site, "load"))


def test_a_slot_that_has_come_and_waits_is_named(tmp_path: Path) -> None:
    def starts(_: Document, at: datetime) -> Iterator[datetime]:
        return (at + timedelta(minutes=number) for number in range(1, 100))

    site = Site(tmp_path / "windmill.db", schedule=lambda _: Schedule(interval=timedelta(minutes=1)), starts=starts)
    site.put(Batch(jobs=[job("extract"), job("load", "p/extract")]))
    running = an_execution(id=E1, job="p/extract", state=State.RUNNING, ended_at=None)
    site.put(Batch(executions=[running, an_execution(job="p/load")]))
    assert "Its slot of Thu 01 Jan, 12:01:00 UTC waits for p/extract." in text(chain(site, "load"))


def test_how_the_ones_before_have_to_end_is_said(site: Site) -> None:
    site.put(Batch(jobs=[job("mourn", "p/extract", when="failure"), job("sweep", "p/load", "p/mourn", when="any")]))
    found = text(chain(site, "sweep"))
    assert "after a failure of p/extract" in found
    assert "after any end of p/load and any end of p/mourn" in found


def test_a_job_that_is_named_and_not_there_is_told_as_that(site: Site) -> None:
    site.put(Batch(jobs=[job("lonely", CANARY)]))
    found = chain(site, "lonely")
    assert ("not there" in text(found), CANARY in found) == (True, False)


def test_why_a_job_was_left_out_is_said_in_its_place(site: Site) -> None:
    reason = f"blocked: p/extract failed ({E1})"
    site.put(Batch(executions=[after_extract(id=E2, state=State.SKIPPED, reason=reason, queued_at=NOW)]))
    assert "blocked: p/extract failed (11111111)" in text(chain(site, "load"))


def test_an_execution_leads_to_what_it_follows_and_to_what_followed_it(site: Site) -> None:
    before, after = html(site, f"/executions/{E1}"), html(site, f"/executions/{FOLLOWER}")
    assert f'href="/executions/{FOLLOWER}"' in before.partition("Followed by")[2].partition("</div>")[0]
    assert f'href="/executions/{E1}"' in after.partition("Follows")[2].partition("</div>")[0]


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ({"running": 8, "max_running": 8}, "Next in line: all places are taken (8)"),
        ({"running": 3, "max_running": 8}, "Starts any moment"),
        (
            {"running": 3, "max_running": 8, "groups": {"dw": 1}, "groups_taken": {"dw": 1}},
            "Next in line: group dw is full (1 of 1)",
        ),
    ],
)
def test_an_execution_that_waits_says_for_what(site: Site, scheduler: Document, said: str) -> None:
    wait_in_line(site, scheduler, "p/extract")
    for path in (f"/executions/{E2}", "/jobs/p/extract", "/", "/status"):
        assert said in text(html(site, path)), path


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({}, "Number 3 in line: all places are taken (8)"),
        ({"groups": {"dw": 1}, "groups_taken": {"dw": 1}}, "Number 3 in line: group dw is full (1 of 1)"),
    ],
)
def test_who_waits_behind_others_has_a_number(site: Site, groups: Document, said: str) -> None:
    wait_in_line(site, {"running": 8, "max_running": 8} | groups, "p/a", "p/b", "p/extract")
    assert said in text(html(site, f"/executions/{E2}"))


def wait_in_line(site: Site, scheduler: Document, *jobs: str) -> None:
    """Let the last of the jobs wait as execution E2, the others before it."""
    waiting = [
        {"job": one, "execution": E2 if one == jobs[-1] else one, "since": None, "group": "dw"} for one in jobs
    ]
    queued = an_execution(id=E2, job=jobs[-1], state=State.QUEUED, queued_at=NOW, started_at=None, ended_at=None)
    told = {"id": "scheduler", "at": to_text(NOW), "left": False, "waiting": waiting, "waiting_count": len(jobs)}
    site.put(Batch(executions=[queued], status={"scheduler": told | scheduler}))


@pytest.mark.parametrize(
    ("schedule", "said"),
    [(None, "depois de p/a e p/b"), (Schedule(interval=timedelta(hours=1)), "a cada 1 h, depois de p/a e p/b")],
)
def test_a_chain_is_told_in_portuguese(site: Site, schedule: Schedule | None, said: str) -> None:
    with site.app.test_request_context(), force_locale("pt_BR"):
        assert schedule_words(job("load", "p/a", "p/b"), schedule) == said


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (f"blocked: p/a failed ({E1})", "bloqueado: p/a falhou (11111111)"),
        (
            f"blocked: p/a timed out ({E1}); p/b was skipped (paused)",
            "bloqueado: p/a excedeu o tempo (11111111); p/b foi pulado (o job estava pausado)",
        ),
        ("blocked: p/<x> exploded", "bloqueado: p/<x> exploded"),
    ],
)
def test_what_blocked_is_told_in_portuguese(site: Site, reason: str, said: str) -> None:
    with site.app.test_request_context(), force_locale("pt_BR"):
        assert present.why(an_execution(state=State.SKIPPED, reason=reason)) == said


def test_jobs_that_follow_stand_beneath_the_one_that_is_due(tmp_path: Path) -> None:
    timed = Schedule(interval=timedelta(hours=1))
    site = Site(tmp_path / "windmill.db", schedule=lambda job: None if job.get("after") else timed)
    site.put(Batch(jobs=[job("extract"), job("load", "p/extract"), job("both", "p/load", "p/other")]))
    ran = [(one, number) for one in ("extract", "load") for number in range(5)]
    site.put(Batch(executions=[an_execution(id=f"{number:015x}{len(one):x}", job=f"p/{one}") for one, number in ran]))
    lane = text(html(site, "/upcoming").partition("extract</a>")[2].partition("</th>")[0])
    assert "↳ then p/ load , about 12:15" in lane
    assert "↳ then p/ both" in lane
    assert lane.count("about") == 1
