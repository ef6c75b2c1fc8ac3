from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.builders import NOON, a_job, a_running_execution, an_execution
from tests.support.dashboard import NOW, Site
from tests.support.stand_in import Answering, done, refused, scheduler
from windmill.core.documents import Document, to_text
from windmill.core.errors import NotFound
from windmill.core.model import State
from windmill.core.ports import Batch
from windmill.dashboard.access import Role
from windmill.store.sqlite import SqliteStore

RUN, PAUSE, RESUME = (f"/jobs/p/hello/{verb}" for verb in ("run", "pause", "resume"))
ID, OTHER = "0" * 15 + "1", "0" * 15 + "2"
STOP, RERUN = f"/executions/{ID}/stop", f"/executions/{ID}/rerun"
SYNC = "/projects/shop/sync"
HOSTILE = "<script>alert(1)</script>"


def param(name: str, kind: str, **facts: Any) -> Document:
    unset: Document = {"default": None, "enum": [], "description": "", "required": False}
    return {"name": name, "type": kind, **unset, **facts}


PARAMS = [
    param("region", "string", default="BR", enum=["BR", "PT"], description=HOSTILE),
    param("day", "integer", required=True),
    param("rate", "number"),
    param("full", "boolean", default=False),
    param("title", "string", default="all"),
]
SHOP = {"id": "shop/@sync", "project": "shop", "name": "@sync", "system": True, "deleted": False}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "windmill.toml").write_text("")
    (tmp_path / ".windmill").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def site(home: Path) -> Site:
    """Somebody who may act looks at a store with the job p/hello, and no scheduler runs."""
    site = Site(home / ".windmill" / "windmill.db")
    site.put(Batch(jobs=[a_job(), SHOP], executions=[an_execution()]))
    site.sign_in()
    return site


@contextmanager
def served(home: Path, answering: Answering) -> Iterator[list[Document]]:
    with scheduler(home, answering, status={"scheduler": {"at": to_text(NOW)}}) as seen:
        yield seen


def asked(site: Site) -> list[Document]:
    with closing(SqliteStore(site.database, readonly=True)) as store:
        return store.requests().items


def html(site: Site, path: str) -> str:
    return site.client.get(path).get_data(as_text=True)


def text(answer: TestResponse) -> str:
    main = answer.get_data(as_text=True).partition("<main")[2]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)))


def form(site: Site, page: str, action: str) -> dict[str, str]:
    """What the form of the page that leads to `action` would send as it stands."""
    found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', html(site, page), re.DOTALL)
    assert found, f"{page} has no form for {action}"
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in re.findall(r"<input[^>]*>", found[0])]
    return {one["name"]: unescape(one.get("value", "")) for one in inputs if one.get("type") != "checkbox"}


def send(site: Site, page: str, action: str = "", **fields: str) -> TestResponse:
    """Send the form of the page with these fields."""
    return site.client.post(action or page, data={**form(site, page, action or page), **fields})


def test_a_start_leads_to_the_execution(site: Site, home: Path) -> None:
    with served(home, done(execution=OTHER)):
        answer = send(site, "/jobs/p/hello", RUN)
    assert (answer.status_code, answer.location) == (303, f"/executions/{OTHER}")


def test_an_act_says_who_asked_when_from_where_and_by_which_way(site: Site) -> None:
    send(site, "/jobs/p/hello", RUN)
    (wish,) = asked(site)
    said = {name: wish[name] for name in ("kind", "job", "by", "via", "address", "at", "state")}
    assert said == {
        "kind": "run", "job": "p/hello", "by": "ana", "via": "dashboard", "address": "127.0.0.1",
        "at": to_text(NOW), "state": "pending",
    }  # fmt: skip


def test_a_form_that_is_sent_twice_asks_once_and_leads_to_the_same_execution(site: Site, home: Path) -> None:
    fields = form(site, "/jobs/p/hello", RUN)
    with served(home, lambda _, one: {**one, "state": "done", "answer": {"execution": one["id"][:16]}}):
        first, second = (site.client.post(RUN, data=fields).location for _ in range(2))
    assert first == second == f"/executions/{fields['identity'][:16]}"
    assert len(asked(site)) == 1


def test_two_forms_ask_twice(site: Site) -> None:
    for _ in range(2):
        send(site, "/jobs/p/hello", RUN)
    assert len(asked(site)) == 2


@pytest.mark.parametrize("identity", ["x", "0" * 33, "0" * 31 + "G", "../" * 10, "é" * 32])
def test_an_identity_of_another_form_asks_for_nothing(site: Site, identity: str) -> None:
    assert send(site, "/jobs/p/hello", RUN, identity=identity).status_code == 400
    assert asked(site) == []


def test_an_identity_counts_for_one_wish_only(site: Site) -> None:
    fields = form(site, "/jobs/p/hello", RUN)
    site.client.post(RUN, data=fields)
    assert site.client.post(SYNC, data=fields).status_code == 409
    assert [one["kind"] for one in asked(site)] == ["run"]


def test_a_refused_start_says_why_and_leads_to_what_runs(site: Site, home: Path) -> None:
    with served(home, refused(f"the job is running {HOSTILE}", execution=OTHER)):
        answer = send(site, "/jobs/p/hello", RUN)
    assert answer.status_code == 409
    assert f"the job is running {HOSTILE}" in text(answer)
    assert f'href="/executions/{OTHER}"' in answer.get_data(as_text=True)
    assert HOSTILE not in answer.get_data(as_text=True)


def test_without_a_scheduler_the_wish_is_kept_and_the_page_says_what_is_waited_for(site: Site) -> None:
    answer = send(site, "/jobs/p/hello", RUN)
    assert (answer.status_code, answer.location) == (303, f"/requests/{asked(site)[0]['id']}")
    waiting = site.client.get(answer.location)
    assert "No scheduler is running" in text(waiting)
    assert 'http-equiv="refresh"' in waiting.get_data(as_text=True)


@pytest.mark.parametrize(
    ("wish", "leads"),
    [
        ({"kind": "run", "job": "p/hello", "answer": {"execution": OTHER}}, f"/executions/{OTHER}"),
        ({"kind": "stop", "execution": ID, "answer": {}}, f"/executions/{ID}"),
        ({"kind": "pause", "job": "p/hello", "answer": {}}, "/jobs/p/hello"),
        ({"kind": "poll", "project": "shop", "answer": {}}, "/projects"),
    ],
)
def test_an_answered_wish_leads_on(site: Site, wish: Document, leads: str) -> None:
    settle(site, {"state": "done", **wish})
    answer = site.client.get("/requests/" + "a" * 32)
    assert (answer.status_code, answer.location) == (303, leads)


def test_a_wish_that_was_refused_later_says_why(site: Site) -> None:
    settle(site, {"state": "refused", "kind": "run", "job": "p/hello", "answer": {"message": HOSTILE}})
    answer = site.client.get("/requests/" + "a" * 32)
    assert HOSTILE in text(answer)
    assert HOSTILE not in answer.get_data(as_text=True)
    assert "http-equiv" not in answer.get_data(as_text=True)


def test_a_wish_that_nobody_had_is_not_there(site: Site) -> None:
    assert site.client.get("/requests/" + "b" * 32).status_code == 404


def settle(site: Site, wish: Document) -> None:
    with closing(SqliteStore(site.database)) as store:
        store.add_request({"id": "a" * 32, "by": "ana", "at": to_text(NOW), **wish})
        store.write(Batch(answers=[{"id": "a" * 32, "state": wish["state"], "answer": wish["answer"]}]))


@pytest.fixture
def with_params(site: Site) -> Site:
    site.put(Batch(jobs=[a_job(params=PARAMS)]))
    return site


def test_parameters_are_sent_as_their_types(with_params: Site) -> None:
    send(with_params, RUN, **{"param.region": "PT", "param.day": "3", "param.rate": "0.5", "param.full": "true"})
    params = asked(with_params)[0]["params"]
    assert params == {"region": "PT", "day": 3, "rate": 0.5, "full": True, "title": "all"}


def test_what_is_left_empty_is_not_given_unless_it_stands_for_a_default_text(with_params: Site) -> None:
    send(with_params, RUN, **{"param.day": "3", "param.rate": "", "param.full": "", "param.title": ""})
    params = asked(with_params)[0]["params"]
    assert params == {"region": "BR", "day": 3, "full": False, "title": ""}


def test_all_mistakes_are_told_at_once_and_what_was_written_stays(with_params: Site) -> None:
    answer = send(with_params, RUN, **{"param.region": HOSTILE, "param.rate": "fast", "param.title": "keep me"})
    shown, source = text(answer), answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert source.count('aria-invalid="true"') == 3
    for words in ("Choose one of: BR, PT.", "This is needed", "Write a number."):
        assert words in shown
    assert 'value="fast"' in source
    assert 'value="keep me"' in source
    assert HOSTILE not in source
    assert asked(with_params) == []


def test_a_new_form_shows_defaults_and_no_mistakes(with_params: Site) -> None:
    source = html(with_params, RUN)
    assert '<option value="BR" selected>' in source
    assert '<option value="false" selected>' in source
    assert "aria-invalid" not in source
    assert HOSTILE not in source


def test_a_parameter_that_the_job_does_not_have_is_not_sent(with_params: Site) -> None:
    send(with_params, RUN, **{"param.day": "3", "param.other": "x"})
    assert "other" not in asked(with_params)[0]["params"]


def test_a_job_with_parameters_is_run_by_its_form(with_params: Site) -> None:
    for path in ("/", "/jobs/p/hello"):
        assert f'href="{RUN}"' in html(with_params, path)


def test_a_rerun_as_it_stands_shows_the_values_of_then(with_params: Site) -> None:
    with_params.put(Batch(executions=[an_execution(id=OTHER, params={"day": 7, "region": "PT"})]))
    page = f"{RUN}?of={OTHER}"
    source = html(with_params, page)
    assert 'value="7"' in source
    assert '<option value="PT" selected>' in source
    with_params.client.post(RUN, data=form(with_params, page, RUN))
    (wish,) = asked(with_params)
    assert (wish["rerun_of"], wish["params"]["day"], "definition" in wish) == (OTHER, 7, False)


def test_the_values_of_another_job_are_not_offered(with_params: Site) -> None:
    with_params.put(Batch(executions=[an_execution(id=OTHER, job="p/other")]))
    assert with_params.client.get(f"{RUN}?of={OTHER}").status_code == 404


def test_a_job_runs_with_one_click_from_the_list(site: Site) -> None:
    assert send(site, "/", RUN).status_code == 303
    assert [one["job"] for one in asked(site)] == ["p/hello"]


@pytest.mark.parametrize("changes", [{"enabled": False}, {"deleted": True}])
def test_what_cannot_run_has_no_button(site: Site, changes: Document) -> None:
    site.put(Batch(jobs=[a_job(**changes)]))
    for path in ("/", "/jobs/p/hello"):
        assert RUN not in html(site, path)


def test_a_pause_has_an_end_and_a_reason(site: Site) -> None:
    send(site, PAUSE, until="2h", note="database upgrade")
    (wish,) = asked(site)
    facts = {name: wish[name] for name in ("kind", "job", "until", "note")}
    assert facts == {
        "kind": "pause",
        "job": "p/hello",
        "until": "2026-01-01T14:05:00.000Z",
        "note": "database upgrade",
    }


def test_a_pause_without_an_end_lasts_until_it_is_resumed(site: Site) -> None:
    send(site, PAUSE)
    assert asked(site)[0]["until"] is None


@pytest.mark.parametrize("until", ["soon", "2025-01-01", "9" * 500, HOSTILE])
def test_an_end_that_nobody_understands_or_that_is_past_is_told_beside_its_field(site: Site, until: str) -> None:
    answer = send(site, PAUSE, until=until, note="kept")
    assert (answer.status_code, "Write a duration such as 2h" in text(answer)) == (422, True)
    assert 'value="kept"' in answer.get_data(as_text=True)
    assert HOSTILE not in answer.get_data(as_text=True)
    assert asked(site) == []


def test_a_paused_job_can_be_resumed(site: Site, home: Path) -> None:
    site.put(Batch(jobs=[a_job(paused={"until": None, "by": "bia", "note": ""})]))
    with served(home, done()):
        answer = send(site, "/jobs/p/hello", RESUME)
    assert (answer.location, asked(site)[0]["kind"]) == ("/jobs/p/hello", "resume")


def test_a_sync_cannot_be_paused(site: Site) -> None:
    assert site.client.get("/jobs/shop/@sync/pause").status_code == 404


def test_a_running_execution_is_stopped_after_a_question(site: Site, home: Path) -> None:
    site.put(Batch(executions=[a_running_execution(id=OTHER)]))
    page = f"/executions/{OTHER}/stop"
    assert f'href="{page}"' in html(site, f"/executions/{OTHER}")
    with served(home, done(execution=OTHER)):
        answer = send(site, page)
    assert (answer.location, asked(site)[0]["execution"]) == (f"/executions/{OTHER}", OTHER)


def test_what_has_ended_is_not_stopped(site: Site) -> None:
    assert "It has ended already" in text(site.client.get(STOP))


def test_an_exact_rerun_asks_for_the_definition_and_revision_of_then(site: Site) -> None:
    ran = an_execution(id=OTHER, params={"day": 3}, revision="main@sha1:abc", job_digest="d")
    definition = {"id": "d", "job": "p/hello", "document": {"name": "hello"}, "seen_at": to_text(NOON)}
    site.put(Batch(executions=[ran], definitions=[definition]))
    site.client.post(f"/executions/{OTHER}/rerun", data={**form(site, "/jobs/p/hello", RUN), "how": "exact"})
    (wish,) = asked(site)
    known = {name: wish[name] for name in ("job", "params", "rerun_of", "revision", "definition")}
    assert known == {
        "job": "p/hello", "params": {"day": 3}, "rerun_of": OTHER, "revision": "main@sha1:abc",
        "definition": definition,
    }  # fmt: skip


def test_what_cannot_run_exactly_says_why_and_offers_the_job_as_it_stands(site: Site) -> None:
    shown = text(site.client.get(RERUN))
    assert "the definition that" in shown
    assert "Run as it stands now" in shown
    refused_ = site.client.post(RERUN, data={**form(site, RERUN, RERUN), "how": "exact"})
    assert (refused_.status_code, asked(site)) == (409, [])


def test_code_that_is_not_on_disk_is_made_available_first(home: Path) -> None:
    site = Site(home / ".windmill" / "windmill.db", missing=lambda _: "abc")
    definition = {"id": "", "job": "p/hello", "document": {"name": "hello"}, "seen_at": to_text(NOON)}
    site.put(Batch(jobs=[a_job()], executions=[an_execution(job_digest="e")], definitions=[definition | {"id": "e"}]))
    site.sign_in()
    answer = send(site, RERUN)
    (wish,) = asked(site)
    assert (wish["job"], wish["params"], wish["prepares"]) == ("p/@sync", {"revision": "abc"}, ID)
    assert answer.location == f"/requests/{wish['id']}"
    ended = an_execution(id=OTHER, job="p/@sync")
    settled = {"id": wish["id"], "state": "done", "answer": {"execution": OTHER}}
    site.put(Batch(answers=[settled], executions=[ended]))
    assert form(site, answer.location, RERUN)["how"] == "exact"


def test_code_that_nobody_has_any_more_says_so(home: Path) -> None:
    def gone(_execution: Document) -> str:
        raise NotFound("its archive was replaced")

    site = Site(home / ".windmill" / "windmill.db", missing=gone)
    definition = {"id": "e", "job": "p/hello", "document": {"name": "hello"}, "seen_at": to_text(NOON)}
    site.put(Batch(jobs=[a_job()], executions=[an_execution(job_digest="e")], definitions=[definition]))
    site.sign_in()
    assert "its archive was replaced" in text(site.client.get(RERUN))


def test_a_project_with_a_source_is_synced_with_one_click(site: Site, home: Path) -> None:
    site.put(Batch(status={"projects": {"projects": [{"id": "shop", "sync": "synced", "kind": "git"}]}}))
    with served(home, done(execution=OTHER)):
        answer = site.client.post(SYNC, data=form(site, SYNC, SYNC))
    (wish,) = asked(site)
    assert (wish["job"], wish["params"], wish["wait"]) == ("shop/@sync", {"accept": False}, True)
    assert answer.location == f"/executions/{OTHER}"


def test_a_held_removal_is_accepted_after_a_look_at_it(site: Site) -> None:
    held = {"id": "shop", "sync": "held", "attempted": {"removes": [f"shop/{HOSTILE}", "shop/b"]}}
    site.put(Batch(status={"projects": {"projects": [held]}}))
    shown = site.client.get(SYNC)
    assert f"shop/{HOSTILE}" in text(shown)
    assert HOSTILE not in shown.get_data(as_text=True)
    send(site, SYNC, accept="1")
    assert asked(site)[0]["params"] == {"accept": True}


@pytest.mark.parametrize("path", ["/projects/p/sync", "/projects/none/sync"])
def test_a_project_without_a_source_is_not_synced(site: Site, path: str) -> None:
    assert site.client.get(path).status_code == 404


PAGES = ["/", "/jobs/p/hello", f"/executions/{ID}", "/projects"]


@pytest.mark.parametrize("path", PAGES)
def test_who_has_not_signed_in_is_shown_where_to_and_no_button(home: Path, path: str) -> None:
    site = Site(home / ".windmill" / "windmill.db")
    told = {"projects": {"projects": [{"id": "shop", "sync": "synced"}]}}
    site.put(Batch(jobs=[a_job()], executions=[an_execution()], status=told))
    source = html(site, path)
    assert f'class="sign-in" href="/sign-in?next={path}' in source
    assert 'name="identity"' not in source


@pytest.mark.parametrize("path", PAGES)
def test_who_may_only_look_sees_no_button(site: Site, path: str) -> None:
    site.sign_in(Role.READ, name="rui")
    source = html(site, path)
    assert ('name="identity"' in source, 'class="sign-in"' in source, "/rerun" in source) == (False, False, False)


@pytest.mark.parametrize("path", [RUN, PAUSE, STOP, RERUN, SYNC])
def test_the_page_of_a_form_is_for_those_who_may_send_it(site: Site, path: str) -> None:
    site.sign_in(Role.READ, name="rui")
    assert site.client.get(path).status_code == 403


@pytest.mark.parametrize("path", [RUN, PAUSE, STOP, RERUN, SYNC])
def test_the_page_of_a_form_leads_to_where_one_signs_in(home: Path, path: str) -> None:
    answer = Site(home / ".windmill" / "windmill.db").client.get(path)
    assert (answer.status_code, answer.location) == (303, f"/sign-in?next={path}")


@pytest.mark.parametrize("path", [RUN, PAUSE, RESUME, STOP, RERUN, SYNC])
def test_nothing_acts_without_the_token_of_a_form(site: Site, path: str) -> None:
    assert site.client.post(path, data={"identity": "a" * 32}).status_code == 400
    assert asked(site) == []


def test_where_nobody_may_act_there_is_no_route_and_no_word_of_it(home: Path) -> None:
    site = Site(home / ".windmill" / "windmill.db", actions=False)
    site.put(Batch(jobs=[a_job()], executions=[an_execution()]))
    site.sign_in()
    token: dict[str, Any] = {"csrf_token": site.token()}
    for path in (RUN, PAUSE, RESUME, STOP, RERUN, SYNC):
        assert site.client.post(path, data=token).status_code in (404, 405), path
    for path in PAGES:
        source = html(site, path)
        assert ('name="identity"' in source, 'class="sign-in"' in source) == (False, False), path


def test_an_execution_that_was_asked_for_names_who_asked(site: Site) -> None:
    site.put(Batch(executions=[an_execution(id=OTHER, state=State.SUCCEEDED, requested_by=f"ana {HOSTILE}")]))
    answer = site.client.get(f"/executions/{OTHER}")
    assert f"ana {HOSTILE}" in text(answer)
    assert HOSTILE not in answer.get_data(as_text=True)
