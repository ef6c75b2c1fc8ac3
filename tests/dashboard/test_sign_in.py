from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from tests.support.dashboard import NOW, Site
from windmill.core.errors import WindmillError
from windmill.dashboard.access import Access, Account, Proxy, Role
from windmill.dashboard.attempts import FREE
from windmill.dashboard.identity import SESSION

TOKEN = "a token of at least twenty characters"
PASSWORD = "correct horse battery staple"
HASH = generate_password_hash(PASSWORD, method="scrypt:1024:8:1")


class Door:
    """A dashboard with ana, who may act, and bia, who may look; what settings say may change while it is open."""

    def __init__(self, database: Path, auth: str, **more: Any) -> None:
        self.now = NOW
        self.links = {"good": "ana"}
        accounts = {
            "ana": Account(role=Role.ACT, token=lambda: TOKEN, password=lambda: HASH),
            "bia": Account(role=Role.READ, token=lambda: "sha256:" + sha256(b"b" * 30).hexdigest()),
        }
        known: dict[str, Any] = {"auth": auth, "anonymous": Role.NOBODY, "accounts": accounts}
        self.access = Access(**known | more)
        self.site = Site(database, access=lambda: self.access, claim=self.claim, clock=lambda: self.now)
        self.client = self.site.client

    def claim(self, token: str) -> str | None:
        return self.links.pop(token, None)

    def change(self, **changes: Any) -> None:
        """Let somebody write something else into windmill.toml."""
        self.access = replace(self.access, **changes)

    def enter(self, secret: str, name: str = "", **more: Any) -> TestResponse:
        """Fill in the form of the sign-in page."""
        page = self.client.get("/sign-in").get_data(as_text=True)
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        form = {"csrf_token": token, "secret": secret, "name": name} | more
        return self.client.post("/sign-in", data=form)

    def is_in(self) -> bool:
        """Whether the first page is shown."""
        return self.client.get("/").status_code == 200

    def may_act(self) -> bool:
        """Whether a form to act is shown."""
        return self.client.get("/projects/shop/sync").status_code not in {303, 401, 403}


@pytest.fixture
def door(tmp_path: Path) -> Callable[..., Door]:
    return lambda auth, **more: Door(tmp_path / "windmill.db", auth, **more)


def said(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


# By link


def test_a_link_signs_in_once(door: Callable[..., Door]) -> None:
    site = door("link")
    answer = site.client.get("/sign-in?token=good")
    assert (answer.status_code, answer.location) == (303, "/")
    assert site.may_act()
    again = site.site.app.test_client().get("/sign-in?token=good")
    assert (again.status_code, "used already" in said(again)) == (401, True)


def test_a_link_may_lead_to_a_page(door: Callable[..., Door]) -> None:
    assert door("link").client.get("/sign-in?token=good&next=/executions").location == "/executions"


@pytest.mark.parametrize("typed", ["good", " good ", "http://localhost:5000/sign-in?token=good"])
def test_a_link_may_be_pasted(door: Callable[..., Door], typed: str) -> None:
    site = door("link")
    assert site.enter(typed).status_code == 303
    assert site.may_act()


@pytest.mark.parametrize(
    "asked", [{"method": "HEAD"}, {"headers": {"Sec-Purpose": "prefetch;prerender"}}], ids=["HEAD", "prefetch"]
)
def test_who_only_looks_whether_the_link_is_there_does_not_use_it_up(
    door: Callable[..., Door], asked: dict[str, Any]
) -> None:
    site = door("link")
    site.client.open("/sign-in?token=good", **asked)
    assert not site.is_in()
    assert site.client.get("/sign-in?token=good").status_code == 303


def test_links_count_only_where_people_sign_in_by_link(door: Callable[..., Door]) -> None:
    site = door("token")
    assert site.client.get("/sign-in?token=good").status_code == 200
    assert not site.is_in()


# By token


def test_a_token_signs_in(door: Callable[..., Door]) -> None:
    site = door("token")
    answer = site.enter(TOKEN, next="/executions?state=failed")
    assert (answer.status_code, answer.location) == (303, "/executions?state=failed")
    assert site.may_act()


def test_a_token_known_by_its_hash_signs_in_as_its_role_says(door: Callable[..., Door]) -> None:
    site = door("token")
    assert site.enter("b" * 30).status_code == 303
    assert site.is_in()
    assert not site.may_act()


@pytest.mark.parametrize("typed", ["", "wrong", TOKEN[:-1], TOKEN.upper(), sha256(b"b" * 30).hexdigest(), PASSWORD])
def test_any_other_token_is_refused_in_words(door: Callable[..., Door], typed: str) -> None:
    site = door("token")
    answer = site.enter(typed)
    assert (answer.status_code, "This token is not one" in said(answer)) == (401, True)
    assert not site.is_in()


@pytest.mark.parametrize("secret", ["", "short", "sha256:", "sha256:" + "0" * 63, "sha256:" + "-" * 64])
def test_a_token_that_is_none_lets_nobody_in(door: Callable[..., Door], secret: str) -> None:
    site = door("token", accounts={"ana": Account(role=Role.ACT, token=lambda: secret)})
    assert site.enter(secret).status_code == 401


def test_a_token_that_cannot_be_read_is_nobodys(door: Callable[..., Door]) -> None:
    def gone() -> str:
        raise WindmillError("gone")

    accounts = {"ana": Account(role=Role.ACT, token=gone), "bia": Account(role=Role.READ, token=lambda: TOKEN)}
    site = door("token", accounts=accounts)
    assert site.enter("x" * 30).status_code == 401
    assert site.enter(TOKEN).status_code == 303


# By name and password


def test_name_and_password_sign_in(door: Callable[..., Door]) -> None:
    site = door("basic")
    assert site.enter(PASSWORD, "ana").status_code == 303
    assert site.may_act()


@pytest.mark.parametrize(
    ("name", "password"), [("ana", "x"), ("ana", ""), ("ana", HASH), ("eve", PASSWORD), ("", PASSWORD), ("bia", "")]
)
def test_any_other_pair_is_refused_alike(door: Callable[..., Door], name: str, password: str) -> None:
    answer = door("basic").enter(password, name)
    assert (answer.status_code, "do not belong together" in said(answer)) == (401, True)


def test_a_program_may_show_name_and_password(door: Callable[..., Door]) -> None:
    site = door("basic")
    assert site.client.get("/api/v1/executions", auth=("ana", PASSWORD)).status_code == 200
    refused = site.client.get("/api/v1/executions", auth=("ana", "x"))
    assert refused.status_code == 401
    assert [value.split()[0] for value in refused.headers.getlist("WWW-Authenticate")] == ["Bearer", "Basic"]


def test_a_browser_is_not_made_to_ask_for_a_password_in_a_window_of_its_own(door: Callable[..., Door]) -> None:
    refused = door("basic").client.get("/api/v1/executions", headers={"Sec-Fetch-Mode": "cors"})
    assert [value.split()[0] for value in refused.headers.getlist("WWW-Authenticate")] == ["Bearer"]


# Too many attempts


def test_who_is_wrong_too_often_has_to_wait(door: Callable[..., Door]) -> None:
    site = door("basic")
    for _ in range(FREE["account"]):
        assert site.enter("x", "ana").status_code == 401
    refused = site.enter(PASSWORD, "ana")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert "wrong too often" in said(refused)
    site.now += timedelta(seconds=1)
    assert site.enter(PASSWORD, "ana").status_code == 303


def test_programs_have_to_wait_too(door: Callable[..., Door]) -> None:
    site = door("basic")
    codes = [site.client.get("/api/v1/executions", auth=("ana", "x")).status_code for _ in range(FREE["account"] + 1)]
    assert codes == [*[401] * FREE["account"], 429]


def test_who_guesses_tokens_has_to_wait_and_the_owner_of_one_has_not(door: Callable[..., Door]) -> None:
    site = door("token")
    for _ in range(FREE["address"] + 1):
        answer = site.client.get("/api/v1/executions", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 429
    good = site.client.get("/api/v1/executions", headers={"Authorization": f"Bearer {TOKEN}"})
    assert good.status_code == 200


def test_a_program_whose_password_held_does_not_wait_for_those_who_guess(door: Callable[..., Door]) -> None:
    site = door("basic")
    asked = ("/api/v1/executions",)
    assert site.client.get(*asked, auth=("ana", PASSWORD)).status_code == 200
    codes = [site.client.get(*asked, auth=("ana", "x")).status_code for _ in range(FREE["account"] + 1)]
    assert codes[-1] == 429
    assert site.client.get(*asked, auth=("ana", PASSWORD)).status_code == 200


def test_a_password_that_held_holds_no_more_when_it_is_another(door: Callable[..., Door]) -> None:
    site = door("basic")
    assert site.client.get("/api/v1/executions", auth=("ana", PASSWORD)).status_code == 200
    other = generate_password_hash("another", method="scrypt:1024:8:1")
    site.change(accounts={"ana": Account(role=Role.ACT, password=lambda: other)})
    assert site.client.get("/api/v1/executions", auth=("ana", PASSWORD)).status_code == 401


def test_who_tries_many_links_has_to_wait_and_a_good_one_is_good(door: Callable[..., Door]) -> None:
    site = door("link")
    codes = [site.client.get("/sign-in?token=bad").status_code for _ in range(FREE["address"] + 1)]
    assert codes == [*[401] * FREE["address"], 429]
    assert site.client.get("/sign-in?token=good").status_code == 303


# By a proxy

BEFORE = Proxy(header="X-Remote-User", peers=(ip_network("127.0.0.1/32"),), act=frozenset({"ana"}))


@pytest.mark.parametrize(
    ("sent", "peer", "codes"),
    [
        ("ana", "127.0.0.1", (200, 404)),
        ("bia", "127.0.0.1", (200, 403)),
        ("ana", "127.0.0.2", (303, 303)),
        ("ana", "::ffff:127.0.0.1", (200, 404)),
        ("ana", "::1", (303, 303)),
        ("eve, ana", "127.0.0.1", (303, 303)),
        ("ana,", "127.0.0.1", (303, 303)),
        ("", "127.0.0.1", (303, 303)),
        ("x" * 400, "127.0.0.1", (303, 303)),
    ],
)
def test_the_header_counts_from_the_proxy_only(
    door: Callable[..., Door], sent: str, peer: str, codes: tuple[int, int]
) -> None:
    site = door("proxy", proxy=BEFORE)
    more: dict[str, Any] = {"headers": {"X-Remote-User": sent}, "environ_base": {"REMOTE_ADDR": peer}}
    assert site.client.get("/", **more).status_code == codes[0]
    assert site.client.get("/projects/nothing/sync", **more).status_code == codes[1]


def test_the_header_counts_in_the_mode_for_it_only(door: Callable[..., Door]) -> None:
    site = door("token", proxy=BEFORE)
    assert site.client.get("/", headers={"X-Remote-User": "ana"}).status_code == 303


def test_a_program_cannot_act_by_the_header_which_a_proxy_adds_for_any_site_that_asks(
    door: Callable[..., Door],
) -> None:
    site = door("proxy", proxy=BEFORE)
    assert site.client.post("/api/v1/projects/shop/sync", headers={"X-Remote-User": "ana"}).status_code == 401


@pytest.mark.parametrize(("peer", "secure"), [("127.0.0.1", True), ("192.0.2.1", False)])
def test_the_cookie_is_for_https_where_our_proxy_says_so(door: Callable[..., Door], peer: str, secure: bool) -> None:
    site = door("link", proxy=BEFORE)
    headers = {"X-Forwarded-Proto": "http, https"}
    answer = site.client.get("/sign-in?token=good", headers=headers, environ_base={"REMOTE_ADDR": peer})
    assert ("Secure" in answer.headers["Set-Cookie"]) is secure


def test_the_log_names_the_client_and_not_the_proxy(
    door: Callable[..., Door], caplog: pytest.LogCaptureFixture
) -> None:
    site = door("link", proxy=BEFORE)
    site.client.get("/sign-in?token=bad", headers={"X-Forwarded-For": "6.6.6.6, 198.51.100.7"})
    assert "198.51.100.7" in caplog.text


# The session


def test_the_cookie_is_kept_from_scripts_and_other_sites(door: Callable[..., Door]) -> None:
    cookie = door("link").client.get("/sign-in?token=good").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))


def test_a_session_ends(door: Callable[..., Door]) -> None:
    site = door("token")
    site.enter(TOKEN)
    site.now += SESSION - timedelta(seconds=1)
    assert site.is_in()
    site.now += timedelta(seconds=1)
    assert not site.is_in()


def test_a_session_of_the_future_counts_for_nothing(door: Callable[..., Door]) -> None:
    site = door("token")
    site.enter(TOKEN)
    site.now -= timedelta(hours=1)
    assert not site.is_in()


def test_signing_out_ends_the_session(door: Callable[..., Door]) -> None:
    site = door("token")
    site.enter(TOKEN)
    answer = site.client.post("/sign-out", data={"csrf_token": site.site.token()}, follow_redirects=True)
    assert "You have signed out." in said(answer)
    assert not site.is_in()


def test_signing_out_by_a_link_does_nothing(door: Callable[..., Door]) -> None:
    site = door("token")
    site.enter(TOKEN)
    assert site.client.get("/sign-out").status_code == 405
    assert site.is_in()


@pytest.mark.parametrize(
    "accounts",
    [
        {},
        {"bia": Account(role=Role.ACT, token=lambda: TOKEN)},
        {"ana": Account(role=Role.ACT, token=lambda: "another token of twenty characters")},
        {"ana": Account(role=Role.ACT, password=lambda: HASH)},
    ],
    ids=["removed", "another", "a new token", "no token"],
)
def test_who_is_taken_out_of_the_settings_is_out_at_once(
    door: Callable[..., Door], accounts: dict[str, Account]
) -> None:
    site = door("token")
    site.enter(TOKEN)
    site.change(accounts=accounts)
    assert not site.is_in()


def test_a_changed_role_counts_at_once(door: Callable[..., Door]) -> None:
    site = door("token")
    site.enter(TOKEN)
    site.change(accounts={"ana": Account(role=Role.READ, token=lambda: TOKEN)})
    assert site.is_in()
    assert not site.may_act()


@pytest.mark.parametrize("auth", ["token", "basic", "proxy"])
def test_a_session_ends_with_the_way_it_began(door: Callable[..., Door], auth: str) -> None:
    site = door("link")
    site.client.get("/sign-in?token=good")
    site.change(auth=auth)
    assert not site.is_in()


def test_a_cookie_that_we_did_not_sign_counts_for_nothing(door: Callable[..., Door], tmp_path: Path) -> None:
    site, another = door("link"), Door(tmp_path / "another.db", "link")
    another.site.app.secret_key = b"another"
    another.client.get("/sign-in?token=good")
    cookie = another.client.get_cookie(another.site.app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    site.client.set_cookie(site.site.app.config["SESSION_COOKIE_NAME"], cookie.value)
    assert not site.is_in()


# Where it leads

HOSTILE = [
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "//evil.example/%2f..",
    "//localhost@evil.example",
    "/\\evil.example",
    "/\\/evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n//evil.example",
    "\t//evil.example",
    " //evil.example",
    " /",
    "/\x00/evil.example",
    "/\x0b/evil.example",
    "/\u2028/evil.example",
    "/\u200b/evil.example",
    "http://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "HTTPS://evil.example",
    "http:\\\\evil.example",
    "javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "evil.example",
    ".evil.example",
    "@evil.example",
    "?//evil.example",
    "#//evil.example",
    "/\r\nSet-Cookie: a=b",
    "mailto:eve@evil.example",
]


@pytest.mark.parametrize("wanted", HOSTILE)
def test_nobody_is_sent_to_another_site(door: Callable[..., Door], wanted: str) -> None:
    answer = door("token").enter(TOKEN, next=wanted)
    assert (answer.status_code, answer.location) == (303, "/")


def test_a_page_without_being_in_leads_to_the_sign_in_and_back(door: Callable[..., Door]) -> None:
    site = door("token")
    answer = site.client.get("/executions?state=failed&q=a%26b")
    assert answer.status_code == 303
    page = said(site.client.get(answer.location))
    assert 'name="next" value="/executions?state=failed&amp;q=a%26b"' in page


# What is said


@pytest.mark.parametrize("auth", ["link", "token", "basic", "proxy"])
def test_the_page_says_how_to_sign_in(door: Callable[..., Door], auth: str) -> None:
    words = {"link": "windmill sign-in", "token": "Token", "basic": "Password", "proxy": "X-Forwarded-User"}
    page = door(auth).client.get("/sign-in")
    assert (page.status_code, words[auth] in said(page)) == (200, True)


def test_who_is_in_sees_as_whom(door: Callable[..., Door]) -> None:
    site = door("token")
    site.enter("b" * 30)
    assert "As bia, who may look." in said(site.client.get("/sign-in"))


def test_what_was_typed_is_shown_as_text(door: Callable[..., Door]) -> None:
    canary = "\"><script>alert('canary')</script>"
    page = said(door("basic").enter(canary, canary, next="/" + canary))
    assert "<script" not in page
    assert page.count("canary") == 2, "the name and the way on, never the password"


def test_the_log_tells_who_came_and_went_and_no_secret(
    door: Callable[..., Door], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "windmill")
    site = door("token")
    site.enter("a secret typed wrong")
    site.enter(TOKEN)
    site.client.post("/sign-out", data={"csrf_token": site.site.token()})
    assert [getattr(record, "event", "") for record in caplog.records] == [
        "sign-in.refused",
        "sign-in.done",
        "sign-out",
    ]
    assert "ana signed in" in caplog.text
    assert not {"a secret typed wrong", TOKEN} & set(caplog.text.split("\n"))
    assert TOKEN not in caplog.text


def test_names_of_those_who_are_not_there_are_not_logged(
    door: Callable[..., Door], caplog: pytest.LogCaptureFixture
) -> None:
    door("basic").enter("x", "my password in the wrong field")
    assert "wrong field" not in caplog.text
