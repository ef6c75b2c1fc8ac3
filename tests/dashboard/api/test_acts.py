from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.builders import a_job
from tests.support.dashboard import NOW, Site
from tests.support.waiting import until
from windmill.core.documents import Document, to_text
from windmill.core.ports import Batch
from windmill.dashboard.access import Access, Account, Role
from windmill.dashboard.context import store

RUN = "/api/v1/projects/p/jobs/hello/executions"
PAUSE = "/api/v1/projects/p/jobs/hello/pause"
DAY: Document = {"name": "day", "type": "integer", "default": None, "required": True, "enum": [], "description": ""}


def asked(site: Site) -> list[Document]:
    """What lies in the store for the scheduler."""
    with site.app.app_context():
        return store().pending_requests()


@contextmanager
def a_scheduler(site: Site, **answer: Any) -> Iterator[None]:
    """One that lives, and answers the next request so."""
    site.put(Batch(status={"scheduler": {"id": "scheduler", "at": to_text(NOW), "left": False}}))

    def reply() -> None:
        until(lambda: bool(asked(site)))
        site.put(Batch(answers=[{"id": asked(site)[0]["id"], **answer}]))

    thread = threading.Thread(target=reply)
    thread.start()
    yield
    thread.join()


def test_a_run_is_a_request_of_the_viewer_with_its_params(site: Site) -> None:
    site.put(Batch(jobs=[a_job(params=[DAY])]))
    answer = site.client.post(RUN, json={"params": {"day": 3}})
    (request,) = asked(site)
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/v1/requests/{request['id']}")
    assert (request["kind"], request["job"], request["params"], request["via"]) == (
        "run",
        "p/hello",
        {"day": 3},
        "api",
    )


def test_what_the_scheduler_started_is_where_the_answer_says(site: Site, failed: str) -> None:
    with a_scheduler(site, state="done", answer={"execution": failed}):
        answer = site.client.post(RUN)
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/v1/executions/{failed}")
    assert site.client.get(answer.headers["Location"]).get_json()["id"] == failed


def test_a_job_that_runs_is_not_started_and_what_runs_is_named(site: Site, running: str) -> None:
    with a_scheduler(site, state="refused", answer={"execution": running, "message": "p/hello runs already"}):
        answer = site.client.post(RUN)
    assert (answer.status_code, answer.get_json()["message"]) == (409, "p/hello runs already")
    assert answer.get_json()["detail"]["execution"] == running


def test_every_mistake_in_the_params_is_named_and_nothing_is_asked_for(site: Site) -> None:
    site.put(Batch(jobs=[a_job(params=[DAY])]))
    answer = site.client.post(RUN, json={"params": {"dya": 1, "hour": 2}})
    assert answer.status_code == 422
    assert answer.get_json()["detail"]["json"].keys() == {"params.dya", "params.hour", "params.day"}
    assert not asked(site)


def test_a_key_makes_one_request_of_many(site: Site, failed: str) -> None:
    answers = [site.client.post(RUN, headers={"Idempotency-Key": "deploy-7"}).get_json() for _ in range(3)]
    assert len({answer["id"] for answer in answers}) == len(asked(site)) == 1


def test_a_key_is_that_of_one_job(site: Site, failed: str) -> None:
    site.put(Batch(jobs=[a_job(id="p/other")]))
    key = {"Idempotency-Key": "deploy-7"}
    site.client.post(RUN, headers=key)
    site.client.post("/api/v1/projects/p/jobs/other/executions", headers=key)
    assert {one["job"] for one in asked(site)} == {"p/hello", "p/other"}


def test_a_key_means_the_same_to_a_dashboard_that_was_started_anew(site: Site, failed: str) -> None:
    key = {"Idempotency-Key": "deploy-7"}
    first = site.client.post(RUN, headers=key).get_json()
    again = Site(site.database, anonymous=Role.ACT).client.post(RUN, headers=key).get_json()
    assert again == first


def test_a_key_is_that_of_one_viewer(site: Site, failed: str) -> None:
    secrets = {name: f"the token of {name}, 20 long" for name in ("ana", "bob")}
    accounts = {name: Account(role=Role.ACT, token=lambda name=name: secrets[name]) for name in secrets}  # type: ignore[misc] # each its own
    shared = Site(site.database, access=lambda: Access(auth="token", accounts=accounts))
    for secret in secrets.values():
        headers = {"Idempotency-Key": "deploy-7", "Authorization": f"Bearer {secret}"}
        assert shared.client.post(RUN, headers=headers).status_code == 202
    assert {one["by"] for one in asked(shared)} == {"ana", "bob"}


def test_a_pause_has_an_end_and_a_note(site: Site, failed: str) -> None:
    site.client.post(PAUSE, json={"until": "2h", "note": "upgrade"})
    (request,) = asked(site)
    assert (request["kind"], request["until"], request["note"]) == ("pause", "2026-01-01T14:05:00.000Z", "upgrade")


def test_an_end_that_cannot_be_read_is_told_where_it_stands(site: Site, failed: str) -> None:
    answer = site.client.post(PAUSE, json={"until": "soon"})
    assert (answer.status_code, list(answer.get_json()["detail"]["json"])) == (422, ["until"])


def test_a_pause_can_be_ended(site: Site, failed: str) -> None:
    assert site.client.delete(PAUSE).status_code == 202
    assert [one["kind"] for one in asked(site)] == ["resume"]


def test_what_runs_can_be_stopped(site: Site, running: str) -> None:
    assert site.client.post(f"/api/v1/executions/{running}/stop").status_code == 202
    assert [(one["kind"], one["execution"]) for one in asked(site)] == [("stop", running)]


def test_what_has_ended_cannot_be_stopped(site: Site, failed: str) -> None:
    answer = site.client.post(f"/api/v1/executions/{failed}/stop")
    assert (answer.status_code, answer.get_json()["detail"]) == (409, {"state": "failed"})


def test_a_rerun_is_of_what_ran_then(site: Site, failed: str) -> None:
    site.client.post(f"/api/v1/executions/{failed}/rerun")
    (request,) = asked(site)
    assert (request["rerun_of"], request["params"], request["definition"]["id"]) == (failed, {"day": 3}, "d")


def test_a_rerun_can_be_of_the_job_as_it_stands(site: Site, failed: str) -> None:
    site.client.post(f"/api/v1/executions/{failed}/rerun", json={"head": True})
    assert "definition" not in asked(site)[0]


def test_a_rerun_whose_code_is_not_on_disk_is_refused_with_the_way_to_it(site: Site, failed: str) -> None:
    away = Site(site.database, anonymous=Role.ACT, missing=lambda _: "3f2a91")
    answer = away.client.post(f"/api/v1/executions/{failed}/rerun")
    assert (answer.status_code, answer.get_json()["detail"]) == (409, {"revision": "3f2a91"})


def test_a_project_is_synced_and_one_in_place_is_not(site: Site, failed: str) -> None:
    assert site.client.post("/api/v1/projects/p/sync").status_code == 409
    source = {"id": "p", "kind": "git", "sync": "behind", "error": "", "applied": None}
    site.put(Batch(status={"projects": {"id": "projects", "projects": [source]}}))
    assert site.client.post("/api/v1/projects/p/sync", json={"accept": True}).status_code == 202
    assert [(one["job"], one["params"]) for one in asked(site)] == [("p/@sync", {"accept": True})]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/projects/p/jobs/none/executions",
        "/api/v1/projects/p/jobs/none/pause",
        "/api/v1/projects/none/sync",
        "/api/v1/executions/" + "f" * 16 + "/stop",
        "/api/v1/executions/" + "f" * 16 + "/rerun",
    ],
)
def test_what_is_not_there_cannot_be_acted_on(site: Site, failed: str, path: str) -> None:
    assert (site.client.post(path).status_code, asked(site)) == (404, [])


def test_who_may_only_look_does_not_act(site: Site, failed: str) -> None:
    readonly = Site(site.database)
    assert readonly.client.post(RUN).status_code == 401
    readonly.sign_in()  # a browser's session does not count: another site could use it
    assert readonly.client.post(RUN).status_code == 401


def test_where_nothing_acts_there_is_no_such_route(site: Site, failed: str) -> None:
    closed = Site(site.database, anonymous=Role.ACT, actions=False)
    assert closed.client.post(RUN).status_code == 404
    paths = closed.client.get("/api/v1/openapi.json").get_json()["paths"]
    assert {method for operations in paths.values() for method in operations} == {"get"}


def test_who_asked_what_can_be_read_afterwards(site: Site, failed: str) -> None:
    first = site.client.post(RUN).get_json()
    site.client.post(PAUSE)
    page = site.client.get("/api/v1/audit?limit=1").get_json()
    rest = site.client.get(f"/api/v1/audit?limit=1&cursor={page['next']}").get_json()
    found = {one["id"]: one for one in page["items"] + rest["items"]}
    assert {one["kind"] for one in found.values()} == {"run", "pause"}
    assert found[first["id"]] == first == site.client.get(f"/api/v1/requests/{first['id']}").get_json()
