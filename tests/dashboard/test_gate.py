"""Who may ask for what: one rule, held against every route there is, so that a new one needs no line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.dashboard import Site
from tests.support.routes import Route, routes
from windmill.dashboard.access import Role
from windmill.dashboard.gate import FOR_PROGRAMS, PUBLIC, needed

Ask = Callable[..., TestResponse]


@pytest.fixture
def open_site(tmp_path: Path) -> Site:
    """Everybody here may look."""
    return Site(tmp_path / "windmill.db")


@pytest.fixture
def closed(tmp_path: Path) -> Site:
    """Nobody may anything who has not signed in."""
    return Site(tmp_path / "closed.db", anonymous=Role.NOBODY)


def ask(site: Site, route: Route, *, csrf: str | None = None, **headers: str) -> TestResponse:
    """Ask for the route as it is, but for what is given."""
    more: dict[str, Any] = {} if csrf is None else {"data": {"csrf_token": csrf}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return site.client.open(route.path, method=route.method, headers=named, buffered=True, **more)


def bearer(name: str) -> str:
    return f"Bearer token of {name}, whom only tests know"


def for_programs(route: Route) -> bool:
    return route.path.startswith(FOR_PROGRAMS)


def let_through(answer: TestResponse) -> bool:
    """Whether the gate had nothing against it; what the route makes of it is its own business."""
    to_sign_in = answer.status_code == 303 and answer.location.startswith("/sign-in?next=")
    said = answer.get_data(as_text=True)
    return answer.status_code not in {401, 403} and not to_sign_in and "form has expired" not in said


def wrong(site: Site, expected: Callable[[Route], object], found: Callable[[Route], object]) -> dict[Route, Any]:
    """Return the routes where something else was found than expected."""
    asked = [route for route in routes(site.app) if route.method != "OPTIONS"]  # which tells the methods only
    results = {route: (expected(route), found(route)) for route in asked}
    assert len(results) > 50
    return {route: pair for route, pair in results.items() if pair[0] != pair[1]}


def test_who_has_not_signed_in_sees_nothing_where_reading_is_closed(closed: Site) -> None:
    token = closed_token(closed)

    def expected(route: Route) -> object:
        if route.endpoint in PUBLIC:
            return "its own business"
        return 303 if route.safe and not for_programs(route) else 401

    def found(route: Route) -> object:
        answer = ask(closed, route, csrf=None if route.safe or for_programs(route) else token)
        return "its own business" if route.endpoint in PUBLIC else answer.status_code

    assert wrong(closed, expected, found) == {}


def test_what_is_public_is_let_through_everywhere(closed: Site) -> None:
    shown = {route: ask(closed, route) for route in routes(closed.app) if route.endpoint in PUBLIC and route.safe}
    assert {route for route, answer in shown.items() if not let_through(answer)} == set()


def test_who_has_not_signed_in_looks_and_does_not_act_where_reading_is_open(open_site: Site) -> None:
    token = open_site.token()

    def found(route: Route) -> bool:
        return let_through(ask(open_site, route, csrf=None if route.safe or for_programs(route) else token))

    unsigned = {"hooks.pushed", "sign_in.enter"}  # say themselves that a proof is missing
    assert (
        wrong(
            open_site,
            lambda route: needed(route.method, route.endpoint) is Role.READ or route.endpoint in PUBLIC - unsigned,
            found,
        )
        == {}
    )


@pytest.mark.parametrize("role", [Role.READ, Role.ACT])
def test_a_session_reads_all_and_acts_on_pages_only_as_its_role_says(closed: Site, role: Role) -> None:
    closed.sign_in(role)
    token = closed.token()

    def expected(route: Route) -> object:
        if route.endpoint in PUBLIC:
            return "its own business"
        if not route.safe and for_programs(route):
            return 401  # a browser adds the cookie whoever made it ask
        return "through" if role >= needed(route.method, route.endpoint) else 403

    def found(route: Route) -> object:
        answer = ask(closed, route, csrf=None if route.safe or for_programs(route) else token)
        if route.endpoint in PUBLIC:
            closed.sign_in(role)
            return "its own business"
        return "through" if let_through(answer) else answer.status_code

    token = closed.token()
    assert wrong(closed, expected, found) == {}


@pytest.mark.parametrize("role", [Role.READ, Role.ACT])
def test_a_program_does_what_the_role_of_its_token_says(closed: Site, role: Role) -> None:
    closed.sign_in(role, "robot")
    closed.client = closed.app.test_client()

    def expected(route: Route) -> object:
        if route.endpoint in PUBLIC or not for_programs(route):
            return "its own business"
        return "through" if role >= needed(route.method, route.endpoint) else 403

    def found(route: Route) -> object:
        if route.endpoint in PUBLIC or not for_programs(route):
            return "its own business"
        answer = ask(closed, route, Authorization=bearer("robot"))
        return "through" if let_through(answer) else answer.status_code

    assert wrong(closed, expected, found) == {}


def test_a_wrong_token_is_refused_everywhere_and_told_how_to_do_better(closed: Site) -> None:
    closed.sign_in(Role.ACT, "robot")
    closed.client = closed.app.test_client()
    asked = [route for route in routes(closed.app) if for_programs(route) and route.endpoint not in PUBLIC]
    answers = [ask(closed, route, Authorization="Bearer " + "x" * 30) for route in asked]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert {answer.headers.get("WWW-Authenticate") for answer in answers if answer.status_code == 401} == {
        "Bearer realm=WindMill"
    }


def test_every_route_refuses_what_another_site_had_the_browser_send(closed: Site) -> None:
    closed.sign_in(Role.ACT)
    token = closed.token()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:81"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        for route in routes(closed.app):
            if not route.safe:
                answer = ask(closed, route, csrf=token, Authorization=bearer("ana"), **headers)
                assert answer.status_code == 400, (headers, route)


@pytest.mark.parametrize("csrf", [None, "", "wrong", "of another"])
def test_every_form_needs_the_token_of_a_page_shown_to_the_viewer(closed: Site, tmp_path: Path, csrf: str) -> None:
    if csrf == "of another":
        csrf = Site(tmp_path / "another.db").token()
    closed.sign_in(Role.ACT)
    for route in routes(closed.app):
        if not route.safe and not for_programs(route):
            assert ask(closed, route, csrf=csrf).status_code == 400, route


def test_looking_needs_less_than_acting() -> None:
    assert needed("GET", "overview.overview") is needed("HEAD", "execution.execution") is Role.READ
    assert {needed(method, "acts.run") for method in ("POST", "PUT", "PATCH", "DELETE")} == {Role.ACT}
    assert needed("GET", "acts.run_form") is Role.ACT


def test_a_foreign_name_is_refused_also_from_who_may_act(closed: Site) -> None:
    closed.sign_in(Role.ACT)
    for route in routes(closed.app):
        assert ask(closed, route, Authorization=bearer("ana"), Host="evil.example").status_code == 400, route


def test_without_actions_nothing_that_acts_is_there(tmp_path: Path) -> None:
    site = Site(tmp_path / "windmill.db", actions=False)
    assert {route.endpoint for route in routes(site.app) if not route.safe} <= PUBLIC
    site.sign_in(Role.ACT)
    for route in routes(Site(tmp_path / "windmill.db").app):
        if not route.safe and route.endpoint not in PUBLIC:
            answer = ask(site, route, csrf=site.token(), Authorization=bearer("ana"))
            assert answer.status_code in {404, 405}, route


def test_pages_show_all_that_they_show_without_actions(tmp_path: Path) -> None:
    site = Site(tmp_path / "windmill.db", actions=False)
    site.sign_in(Role.ACT)
    answers = {route: ask(site, route) for route in routes(site.app) if route.method == "GET"}
    assert {route for route, answer in answers.items() if answer.status_code == 500} == set()


def closed_token(site: Site) -> str:
    """What a form of the sign-in page carries."""
    page = site.client.get("/sign-in").get_data(as_text=True)
    return page.partition('name="csrf_token" value="')[2].partition('"')[0]


def test_who_comes_through_a_proxy_is_not_somebody_on_this_machine(open_site: Site) -> None:
    assert open_site.client.get("/").status_code == 200
    for headers in ({"Host": "hooks.example.com"}, {"X-Forwarded-For": "198.51.100.7"}, {"Forwarded": "for=x"}):
        answer = open_site.client.get("/executions?state=failed", headers=headers)
        assert (answer.status_code, answer.location) == (303, "/sign-in?next=/executions?state%3Dfailed")


def test_a_part_of_a_page_has_the_whole_page_go_to_the_sign_in(closed: Site) -> None:
    answer = closed.client.get("/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in?next=/")


def test_who_is_not_in_sees_nothing_of_what_is_inside(closed: Site) -> None:
    for path in ("/sign-in", "/nothing", "/sign-in?token=wrong"):
        page = closed.client.get(path).get_data(as_text=True)
        assert "/srv/windmill" not in page
        assert "scheduler" not in page


def test_a_form_sent_without_being_in_leads_to_the_sign_in(open_site: Site) -> None:
    token = open_site.token()
    acts = [route for route in routes(open_site.app) if not route.safe and route.endpoint not in PUBLIC]
    page = next(route for route in acts if not for_programs(route))
    answer = ask(open_site, page, csrf=token, Referer="http://localhost/executions?state=failed")
    assert answer.status_code == 401
    assert '<a href="/sign-in?next=/executions?state%3Dfailed">' in answer.get_data(as_text=True)
