from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.builders import NOON, a_job, an_execution
from tests.support.dashboard import NOW, Site
from tests.support.executions import document
from tests.support.repository import page, section
from windmill.alerts.outbox import Channel, Outbox, outbox_to_document
from windmill.core.documents import Document, to_text
from windmill.core.model import Cause, State
from windmill.core.ports import Batch
from windmill.dashboard.access import Access, Role

HOSTILE = 'a"b\\c\nwindmill_running 7'
Samples = dict[tuple[str, str], float]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def scraped(site: Site) -> Samples:
    """What Prometheus reads: by name and the value of the label."""
    answer = site.client.get("/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, "".join(one.labels.values())): one.value for family in families for one in family.samples}


def test_what_the_scheduler_says_of_itself_is_told(site: Site) -> None:
    waiting = [{"job": "p/a", "since": to_text(NOW - timedelta(seconds=90))}, {"job": "p/b", "since": to_text(NOW)}]
    backlog = {"bytes": 4096, "away_since": to_text(NOON), "error": "gone", "full": False, "rejected": 0}
    told = {"at": to_text(NOW - timedelta(seconds=3)), "running": 2, "waiting": waiting, "backlog": backlog}
    site.put(Batch(status={"scheduler": {"id": "scheduler", **told}}))
    found = scraped(site)
    assert found["windmill_heartbeat_age_seconds", ""] == 3
    assert (found["windmill_running", ""], found["windmill_waiting", ""]) == (2, 2)
    assert found["windmill_waiting_oldest_seconds", ""] == 90
    assert found["windmill_journal_backlog_bytes", ""] == 4096
    assert found["windmill_scheduler_store_up", ""] == 0


def test_of_a_scheduler_that_was_never_heard_of_there_is_no_age(site: Site) -> None:
    found = scraped(site)
    assert ("windmill_heartbeat_age_seconds", "") not in found
    assert (found["windmill_build_info", "1"], found["windmill_store_up", ""]) == (1, 1)


def test_todays_executions_are_counted_by_state(site: Site) -> None:
    yesterday = an_execution(id="9" * 16, queued_at=NOON - timedelta(days=1), state=State.FAILED)
    site.put(Batch(executions=[an_execution(), an_execution(id="2" * 16, state=State.FAILED), yesterday]))
    found = scraped(site)
    assert found["windmill_executions_today", "succeeded"] == found["windmill_executions_today", "failed"] == 1
    assert found["windmill_executions_today", "lost"] == 0


def test_a_job_that_fails_still_tells_when_it_succeeded_last(site: Site) -> None:
    good = document(1, job="p/hello")
    bad = [document(number, State.FAILED, job="p/hello") for number in range(2, 40)]
    site.put(Batch(jobs=[a_job()], executions=[good, *bad]))
    found = scraped(site)
    assert found["windmill_job_last_success_timestamp_seconds", "p/hello"] == document_time(1)
    assert found["windmill_job_last_failure_timestamp_seconds", "p/hello"] == document_time(39)


def document_time(number: int) -> float:
    return (NOON - timedelta(hours=12) + timedelta(seconds=number)).timestamp()


def test_problems_and_sources_are_told(site: Site) -> None:
    problems = [{"severity": severity, "file": "a"} for severity in ("error", "warning", "error")]
    sources = [
        {"id": "p", "sync": "synced", "error": "", "applied": None, "seen_at": to_text(NOW - timedelta(seconds=20))},
        {"id": "q", "sync": "error", "error": "gone", "applied": None},
    ]
    told = {"catalog": {"id": "catalog", "problems": problems}, "projects": {"id": "projects", "projects": sources}}
    site.put(Batch(status=told))
    found = scraped(site)
    assert (found["windmill_problems", "error"], found["windmill_problems", "warning"]) == (2, 1)
    assert (found["windmill_project_synced", "p"], found["windmill_project_synced", "q"]) == (1, 0)
    assert found["windmill_project_seen_age_seconds", "p"] == 20
    assert ("windmill_project_seen_age_seconds", "q") not in found


def test_a_name_cannot_become_a_metric(site: Site) -> None:
    site.put(Batch(jobs=[a_job(id=f"p/{HOSTILE}")], executions=[an_execution(job=f"p/{HOSTILE}")]))
    found = scraped(site)
    assert ("windmill_job_last_success_timestamp_seconds", f"p/{HOSTILE}") in found
    assert found["windmill_running", ""] == 0


def test_a_store_that_is_away_is_told_and_not_a_failure(site: Site) -> None:
    site.database.unlink()
    assert scraped(site) == {
        ("windmill_build_info", "1"): 1,
        ("windmill_streams", ""): 0,
        ("windmill_streams_max", ""): 128,
        ("windmill_store_up", ""): 0,
    }


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 401), ("", 401)])
def test_metrics_are_for_this_machine_and_for_readers(tmp_path: Path, address: str, status: int) -> None:
    closed = Site(tmp_path / "windmill.db", access=lambda: Access(auth="token", anonymous=Role.NOBODY))
    assert closed.client.get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == status


def test_a_reader_gets_metrics_from_anywhere(site: Site) -> None:
    site.sign_in(Role.READ)
    assert site.client.get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


def a_home_with_something_of_everything(site: Site) -> None:
    """Everything that a metric is made of is there once at least."""
    scheduler = {
        "id": "scheduler",
        "at": to_text(NOW - timedelta(seconds=3)),
        "running": 2,
        "max_running": 8,
        "waiting": [{"job": "p/a", "since": to_text(NOW)}],
        "waiting_count": 150,
        "groups": {"warehouse": 2},
        "groups_taken": {"warehouse": 1},
        "groups_waiting": {"warehouse": 7},
        "backlog": {"bytes": 0, "full": False, "rejected": 4},
        "lateness": {"p99": 0.25, "max": 1.5},
        "heartbeats": {
            "jobs": {"sent": 5, "failed": 2, "dropped": 1, "waiting": 3},
            "scheduler": {"sent": 9, "failed": 0, "dropped": 0, "waiting": 0},
        },
    }
    source = {"id": "p", "sync": "synced", "error": "", "applied": None, "seen_at": to_text(NOW)}
    executions = [
        late(1, job="p/hello", seconds=10, delay=2),
        late(2, job="p/hello", seconds=30, delay=0.5),
        late(3, job="q/other", seconds=1, delay=60, state=State.FAILED),
        late(4, job="q/other", seconds=1, delay=3600, state=State.FAILED, trigger=Cause.MANUAL),
    ]
    alerts = outbox_to_document(Outbox(channels={"team": Channel(uncounted=2, failures=5)}))
    status: dict[str, Document] = {
        "alerts": alerts,
        "scheduler": scheduler,
        "projects": {"id": "projects", "projects": [source]},
    }
    site.put(Batch(jobs=[a_job(), a_job(id="q/other")], executions=executions, status=status))


def late(number: int, *, delay: float, seconds: float, state: State = State.SUCCEEDED, **facts: Any) -> Document:
    """An execution of some minutes ago that started `delay` seconds after its slot."""
    queued = NOW - timedelta(minutes=30 - number)
    slot = queued - timedelta(seconds=delay)
    return document(number, state, seconds=seconds, queued_at=queued, slot=slot, **facts)


def test_how_long_executions_take_is_told_by_project(site: Site) -> None:
    a_home_with_something_of_everything(site)
    found = scraped(site)
    assert (found["windmill_recent_duration_seconds", "p0.5"], found["windmill_recent_ended", "p"]) == (10, 2)


def test_how_late_executions_start_is_told_of_those_that_came_of_a_slot(site: Site) -> None:
    a_home_with_something_of_everything(site)
    found = scraped(site)
    assert found["windmill_job_start_delay_seconds", "p/hello"] == 0.5
    assert found["windmill_job_start_delay_seconds", "q/other"] == 60
    assert found["windmill_recent_start_delay_seconds", "0.5"] == 2


def test_executions_of_long_ago_are_not_recent(site: Site) -> None:
    site.put(Batch(executions=[document(1, queued_at=NOW - timedelta(days=2), slot=NOW - timedelta(days=2))]))
    assert not [name for name, _ in scraped(site) if "recent" in name or "start_delay" in name]


def test_groups_the_loop_and_heartbeats_are_told(site: Site) -> None:
    a_home_with_something_of_everything(site)
    found = scraped(site)
    assert (found["windmill_waiting", ""], found["windmill_max_running", ""]) == (150, 8)
    names = ("max_running", "running", "waiting")
    assert [found[f"windmill_group_{name}", "warehouse"] for name in names] == [2, 1, 7]
    assert (found["windmill_loop_lateness_seconds", "0.99"], found["windmill_loop_lateness_seconds", "1"]) == (
        0.25,
        1.5,
    )
    results = ("sent", "failed", "dropped")
    assert [found["windmill_heartbeats_total", f"jobs{result}"] for result in results] == [5, 2, 1]
    assert (found["windmill_heartbeats_waiting", "jobs"], found["windmill_store_rejected", ""]) == (3, 4)


def test_channels_that_take_nothing_are_told(site: Site) -> None:
    a_home_with_something_of_everything(site)
    found = scraped(site)
    assert (found["windmill_alerts_waiting", "team"], found["windmill_channel_failures", "team"]) == (2, 5)


def test_what_an_older_scheduler_left_is_enough(site: Site) -> None:
    site.put(Batch(status={"scheduler": {"id": "scheduler", "at": to_text(NOW), "waiting": []}}))
    found = scraped(site)
    assert (found["windmill_store_up", ""], found["windmill_waiting", ""]) == (1, 0)


def test_the_manual_lists_every_metric_and_no_other(site: Site) -> None:
    a_home_with_something_of_everything(site)
    listed = set(re.findall(r"`(windmill_\w+)`", section(page("metrics.md"), "What there is")))
    assert listed == {name for name, _ in scraped(site)}


def test_the_rules_of_the_manual_ask_for_what_there_is(site: Site) -> None:
    a_home_with_something_of_everything(site)
    (rules,) = re.findall(r"```yaml\n(.*?)```", section(page("metrics.md"), "Alerts"), re.DOTALL)
    expressions = [rule["expr"] for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]
    asked = {name for expression in expressions for name in re.findall(r"windmill_\w+", expression)}
    assert len(expressions) > 5
    assert asked <= {name for name, _ in scraped(site)}
