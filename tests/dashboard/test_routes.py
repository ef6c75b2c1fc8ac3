"""What holds for every route there is: the cases come from the route map, so a new page is held to it too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.dashboard import SECRET, Site
from tests.support.routes import routes
from windmill.dashboard.security import HEADERS


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example:5000",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "",
    ],
)
def test_every_route_refuses_a_foreign_host(site: Site, host: str) -> None:
    found = {
        (method, path, site.client.open(path, method=method, headers={"Host": host}, buffered=True).status_code)
        for method, path, _ in routes(site.app)
    }
    assert {status for _, _, status in found} == {400}, found


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:5000", "hooks.example.com"])
def test_every_route_knows_the_names_of_the_dashboard(site: Site, host: str) -> None:
    for method, path, _ in routes(site.app):
        answer = site.client.open(path, method=method, headers={"Host": host}, buffered=True)
        assert b"This name is not one" not in answer.data, (method, path)


def test_nothing_is_changed_for_somebody_who_does_not_know_a_secret(site: Site) -> None:
    for method, path, _ in routes(site.app):
        if method not in {"GET", "HEAD", "OPTIONS"}:
            answer = site.client.open(path, method=method, data=b"{}")
            assert answer.status_code in {400, 401, 404}, (method, path)


def test_a_browser_is_told_to_trust_nothing_but_our_own_files(site: Site) -> None:
    headers = site.client.get("/").headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy.pop("default-src") == policy.pop("frame-ancestors") == policy.pop("base-uri") == "'none'"
    assert set(policy.values()) == {"'self'"}
    assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "same-origin")


def test_every_answer_carries_the_headers_and_an_id_of_its_own(site: Site) -> None:
    too_large = {"data": b"x" * (1 << 20 | 1), "headers": {"X-Gitlab-Token": SECRET}}
    answers = [site.client.open(path, method=method, buffered=True) for method, path, _ in routes(site.app)]
    answers += [site.client.get("/nothing"), site.client.delete("/"), site.client.get("/", headers={"Host": "evil"})]
    answers += [site.client.post("/hooks/git/shop", **too_large)]
    site.database.unlink()
    answers += [site.client.get("/"), site.client.get("/ready")]
    assert {404, 405, 400, 413, 503} <= {answer.status_code for answer in answers}
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer.request.path
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/hooks/nothing", "/health/nothing", "/ready/nothing"])
def test_programs_are_told_of_failures_in_json(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert answer.get_json() == {
        "code": 404,
        "message": answer.get_json()["message"],
        "detail": {},
        "request": answer.headers["X-Request-Id"],
    }


def test_people_are_told_of_failures_on_a_page_that_repeats_nothing_they_sent(site: Site) -> None:
    answer = site.client.get("/<script>alert(1)</script>?<script>")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "alert(1)" not in answer.get_data(as_text=True)
