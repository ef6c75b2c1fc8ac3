from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import NOON, a_job, an_execution
from tests.support.dashboard import NOW, SECRET, Site
from tests.support.executions import document
from windmill.core.documents import Document, to_text
from windmill.core.model import State
from windmill.core.ports import Batch
from windmill.dashboard.access import Access, Role
from windmill.dashboard.api import contract

PROMISED = {
    "id", "project", "job", "state", "reason", "trigger", "slot", "queued_at", "started_at", "ended_at", "exit_code",
    "signal", "attempt", "retry_of", "revision", "coalesced", "output_bytes",
}  # fmt: skip


def got(site: Site, path: str) -> Document:
    answer = site.client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    found: Document = answer.get_json()
    return found


def every_page(site: Site, path: str) -> list[Document]:
    items: list[Document] = []
    page: Any = {"next": ""}
    while page["next"] is not None:
        page = got(site, f"{path}{'&' if '?' in path else '?'}limit=2&cursor={page['next']}")
        items += page["items"]
    return items


def test_an_execution_has_what_was_promised(site: Site, failed: str) -> None:
    found = got(site, f"executions/{failed}")
    assert found.keys() >= PROMISED
    assert (found["project"], found["state"], found["exit_code"], found["duration_ms"]) == ("p", "failed", 1, 2000)


def test_an_execution_that_has_not_changed_is_not_sent_again(site: Site, running: str) -> None:
    path = f"/api/v1/executions/{running}"
    known = {"If-None-Match": site.client.get(path).headers["ETag"]}
    answer = site.client.get(path, headers=known)
    assert (answer.status_code, answer.data) == (304, b"")
    site.put(Batch(executions=[an_execution(id=running)]))
    assert site.client.get(path, headers=known).get_json()["state"] == "succeeded"


def test_the_list_is_a_table_file_for_who_asks_for_one(site: Site, failed: str) -> None:
    answer = site.client.get("/api/v1/executions?state=failed", headers={"Accept": "text/csv"})
    assert (answer.mimetype, failed in answer.text) == ("text/csv", True)


def test_what_is_given_twice_counts_twice(site: Site) -> None:
    states = [State.FAILED, State.LOST, State.SUCCEEDED]
    site.put(Batch(executions=[document(number, state) for number, state in enumerate(states)]))
    found = got(site, "executions?state=failed&state=lost")["items"]
    assert {one["state"] for one in found} == {"failed", "lost"}


def test_a_filter_that_is_none_is_a_mistake_and_not_everything(site: Site, failed: str) -> None:
    answer = site.client.get("/api/v1/executions?sate=failed&limit=0").get_json()
    assert (answer["code"], answer["detail"]["query"].keys()) == (422, {"sate", "limit"})


@pytest.mark.parametrize("path", ["executions", "audit", "jobs", "projects/p/jobs/hello/revisions"])
@pytest.mark.parametrize("cursor", ["nonsense", "%00", "MQ==", "%FF"])
def test_a_cursor_that_is_none_is_told_in_words(site: Site, failed: str, path: str, cursor: str) -> None:
    answer = site.client.get(f"/api/v1/{path}?cursor={cursor}")
    assert (answer.status_code, "cursor" in answer.get_json()["message"]) == (422, True)


def test_jobs_come_in_pages_without_a_gap(site: Site) -> None:
    keys = [f"p/{name}" for name in "abcde"]
    site.put(Batch(jobs=[a_job(id=key) for key in keys]))
    assert [one["id"] for one in every_page(site, "jobs")] == keys


def test_jobs_are_searched_as_on_the_page(site: Site, failed: str) -> None:
    site.put(Batch(jobs=[a_job(id="p/other", labels={"team": "sales"}), a_job(id="q/gone", deleted=True)]))
    assert [one["id"] for one in got(site, "jobs?attention=1")["items"]] == ["p/hello"]
    assert [one["id"] for one in got(site, "jobs?label=team=sales")["items"]] == ["p/other"]
    assert [one["id"] for one in got(site, "jobs?state=never")["items"]] == ["p/other"]
    assert [one["id"] for one in got(site, "jobs?project=q")["items"]] == []


def test_a_job_tells_its_last_execution_and_its_next_start(site: Site, failed: str) -> None:
    (listed,) = got(site, "jobs")["items"]
    job = got(site, "projects/p/jobs/hello")
    for one in (listed, job):
        assert (one["last"]["id"], one["attention"], one["next"]) == (failed, True, "2026-01-01T12:15:00.000Z")
    assert job["document"]["entry_point"] == "hello.py"


def test_a_job_tells_when_it_is_due(site: Site, failed: str) -> None:
    items = got(site, "projects/p/jobs/hello/schedule?count=2")["items"]
    assert [one["at"] for one in items] == ["2026-01-01T12:15:00.000Z", "2026-01-01T12:25:00.000Z"]


def test_what_is_counted_of_a_job_begins_and_ends_with_a_day(site: Site) -> None:
    ends = [("succeeded", 0), ("failed", 1), ("skipped", 1), ("succeeded", 2)]
    site.put(
        Batch(
            jobs=[a_job()],
            executions=[
                an_execution(id=f"{number:016x}", state=State(state), queued_at=NOON - timedelta(days=days))
                for number, (state, days) in enumerate(ends)
            ],
        )
    )
    stats = got(site, "projects/p/jobs/hello/stats?days=2")
    assert (stats["executions"], stats["succeeded"], stats["failed"], stats["success_rate"]) == (2, 1, 1, 0.5)
    assert (stats["since"], stats["mean_ms"]) == ("2025-12-31T00:00:00.000Z", 2000)


def test_what_a_job_ran_is_one_line_for_executions_in_a_row(site: Site) -> None:
    revisions = ["a", "a", "b"]
    executions = [document(number, job="p/hello", revision=one) for number, one in enumerate(revisions)]
    site.put(Batch(jobs=[a_job()], executions=executions))
    items = got(site, "projects/p/jobs/hello/revisions")["items"]
    assert [(one["revision"], one["executions"]) for one in items] == [("b", 1), ("a", 2)]


def test_the_revisions_of_a_project_tell_which_is_live_and_why_another_is_not(site: Site) -> None:
    live, other, old = "a" * 40, "b" * 40, "c" * 40
    attempted = {"revision": f"main@sha1:{other}", "at": to_text(NOW), "outcome": "refused", "error": "jobs.d/a.yaml"}
    applied = {"revision": f"main@sha1:{live}", "author": "Ana", "subject": "Sum"}
    source = {"id": "p", "kind": "git", "sync": "error", "error": "", "applied": applied, "attempted": attempted}
    site.put(Batch(status={"projects": {"id": "projects", "projects": [source | {"recent": [live, old]}]}}))
    items = got(site, "projects/p/revisions")["items"]
    assert [(one["revision"][-40:], one["live"], one["error"]) for one in items] == [
        (other, False, "jobs.d/a.yaml"),
        (live, True, ""),
        (old, False, ""),
    ]


def test_what_is_going_to_start_is_in_order_and_says_where_the_list_ends(site: Site, failed: str) -> None:
    site.put(Batch(jobs=[a_job(id="p/other")]))
    upcoming = got(site, "upcoming?hours=1&limit=3")
    assert [one["job"] for one in upcoming["items"]] == ["p/hello", "p/other", "p/hello"]
    assert upcoming["until"] == "2026-01-01T12:25:00.000Z"
    assert len(got(site, "upcoming?hours=1")["items"]) == 10


def test_the_status_tells_of_a_scheduler_that_is_silent(site: Site, failed: str) -> None:
    told: Document = {
        "at": to_text(NOW - timedelta(minutes=1)),
        "left": False,
        "running": 2,
        "max_running": 2,
        "groups": {"dw": 1},
        "groups_taken": {"dw": 0},
        "waiting": [{"job": "p/hello", "execution": "1" * 16, "since": None, "group": "dw"}],
        "waiting_count": 1,
        "host": "h",
    }
    site.put(Batch(status={"scheduler": {"id": "scheduler", **told}}))
    status = got(site, "status")
    assert (status["scheduler"]["alive"], status["scheduler"]["age_seconds"]) == (False, 60)
    assert (status["jobs"], status["attention"], status["scheduler"]["running"]) == (1, 1, 2)
    assert (status["scheduler"]["groups"], status["scheduler"]["waiting"]) == (
        [{"name": "dw", "taken": 0, "cap": 1}],
        1,
    )
    assert [(one["job"], one["number"], one["group"]) for one in status["scheduler"]["line"]] == [("p/hello", 1, "")]


def test_the_contract_is_the_same_without_a_home(site: Site) -> None:
    served = got(site, "openapi.json")
    alone = json.loads(json.dumps(contract("1")))
    assert (served["openapi"], served["paths"]) == ("3.1.0", alone["paths"])
    assert served["components"] == alone["components"]
    assert {"bearer", "basic"} == served["components"]["securitySchemes"].keys()


def test_the_contract_and_the_schemas_are_for_everybody(tmp_path: Path) -> None:
    closed = Site(tmp_path / "windmill.db", access=lambda: Access(auth="token", anonymous=Role.NOBODY))
    assert "properties" in got(closed, "schema/job.json")
    assert "properties" in got(closed, "schema/project.json")
    assert got(closed, "openapi.json")["info"]["title"] == "WindMill"
    assert closed.client.get("/api/v1/status").status_code == 401


def test_a_method_that_is_none_of_a_route_is_told_which_are(site: Site) -> None:
    answer = site.client.put("/api/v1/status")
    assert (answer.status_code, answer.get_json()["code"]) == (405, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_while_the_store_is_away_programs_are_told_to_ask_again(site: Site) -> None:
    site.database.unlink()
    answer = site.client.get("/api/v1/jobs")
    assert (answer.status_code, answer.headers["Retry-After"], answer.get_json()["detail"]) == (503, "5", {})


@pytest.mark.parametrize("body", ["{", "null", "[]", '{"params": 1}', '{"parms": {}}', '{"params": {"a": NaN}}'])
def test_a_body_that_cannot_be_read_is_told_in_json(site: Site, failed: str, body: str) -> None:
    answer = site.client.post("/api/v1/projects/p/jobs/hello/executions", data=body)
    assert answer.status_code in {400, 422}
    assert answer.get_json().keys() == {"code", "message", "detail", "request"}


def test_errors_say_nothing_of_what_is_secret(site: Site) -> None:
    assert SECRET not in site.client.get("/api/v1/executions?nope=1").text
