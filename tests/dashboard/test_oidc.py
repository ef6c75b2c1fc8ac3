"""Signing in by an identity provider, the whole way round, with a real provider on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.test import TestResponse

from tests.support.browser import chromium, served
from tests.support.dashboard import Site
from tests.support.identity_provider import ANOTHER_KEY, CLIENT, IdentityProvider, identity_provider
from windmill.dashboard.access import Access, Issuer, Role
from windmill.dashboard.oidc import PATIENCE


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as found:
        yield found


class Round:
    """A dashboard whose people the provider vouches for; ana may act. A browser that goes from one to the other."""

    def __init__(self, database: Path, provider: IdentityProvider, **more: Any) -> None:
        self.late = timedelta(0)
        known: dict[str, Any] = {
            "url": provider.url,
            "client_id": CLIENT[0],
            "client_secret": lambda: CLIENT[1],
            "act": frozenset({"ana@example.com"}),
        }
        self.access = Access(auth="oidc", anonymous=Role.NOBODY, issuer=Issuer(**known | more))
        self.site = Site(database, access=lambda: self.access, clock=lambda: datetime.now(UTC) + self.late)  # noqa: TID251
        self.client = self.site.client

    def ask(self, wanted: str = "/") -> str:
        """Press the button; return where the provider sends the browser back to."""
        asked = self.client.get("/sign-in/oidc", query_string={"next": wanted})
        assert asked.status_code == 303, asked.get_data(as_text=True)
        return requests.get(asked.location, allow_redirects=False, timeout=10).headers["Location"]

    def come_back(self, url: str) -> TestResponse:
        place = urlsplit(url)
        return self.client.get(f"{place.path}?{place.query}")

    def codes(self) -> tuple[int, int]:
        """What the first page and a form to act answer."""
        return self.client.get("/").status_code, self.client.get("/projects/nothing/sync").status_code


IN = {"act": (200, 404), "read": (200, 403), "nobody": (403, 403), "out": (303, 303)}


def test_who_is_vouched_for_is_in_and_goes_on_where_they_wanted(tmp_path: Path, provider: IdentityProvider) -> None:
    way = Round(tmp_path / "windmill.db", provider)
    page = way.come_back(way.ask("/executions?state=failed"))
    assert page.status_code == 200
    assert 'content="0; url=/executions?state=failed"' in page.get_data(as_text=True)
    assert way.codes() == IN["act"]


@pytest.mark.parametrize(
    ("claims", "read", "role"),
    [
        ({"email": "bia@example.com"}, None, "read"),
        ({"email": "bia@example.com"}, frozenset({"cai@example.com"}), "nobody"),
        ({"email": "cai@example.com"}, frozenset({"cai@example.com"}), "read"),
        ({"email_verified": False}, None, "read"),
        ({"email_verified": "true"}, None, "read"),
        ({"email_verified": None}, None, "read"),
        ({"email": None, "sub": "ana@example.com"}, None, "read"),
        ({"email_verified": False}, frozenset({"sub:7"}), "read"),
        ({"email_verified": False}, frozenset({"ana@example.com"}), "nobody"),
    ],
)
def test_what_somebody_may_goes_by_an_address_that_was_verified(
    tmp_path: Path, provider: IdentityProvider, claims: dict[str, Any], read: frozenset[str] | None, role: str
) -> None:
    provider.claims |= claims
    way = Round(tmp_path / "windmill.db", provider, read=read)
    way.come_back(way.ask())
    assert way.codes() == IN[role]


def test_what_is_asked_is_bound_to_the_browser_that_asked(tmp_path: Path, provider: IdentityProvider) -> None:
    way = Round(tmp_path / "windmill.db", provider)
    way.ask()
    way.ask()
    for asked in provider.asked:
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert set(asked["scope"].split()) == {"openid", "email"}
    for name in ("state", "nonce", "code_challenge"):
        assert provider.asked[0][name] != provider.asked[1][name]
    cookie = way.client.get("/sign-in/oidc").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/sign-in/oidc"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": int(time.time()) - 3600},
        {"sub": None},
    ],
    ids=["nonce", "no nonce", "audience", "issuer", "expired", "nobody"],
)
def test_what_is_said_of_another_occasion_lets_nobody_in(
    tmp_path: Path, provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    provider.claims |= claims
    way = Round(tmp_path / "windmill.db", provider)
    assert way.come_back(way.ask()).status_code == 401
    assert way.codes() == IN["out"]


@pytest.mark.parametrize(("key", "header"), [(ANOTHER_KEY, None), (None, {"alg": "none"})], ids=["key", "none"])
def test_what_the_provider_did_not_sign_lets_nobody_in(
    tmp_path: Path, provider: IdentityProvider, key: Any, header: dict[str, str] | None
) -> None:
    provider.key, provider.header = key or provider.key, header or provider.header
    provider.says = {"id_token_signing_alg_values_supported": ["none", "HS256", "RS256"]}
    way = Round(tmp_path / "windmill.db", provider)
    assert way.come_back(way.ask()).status_code == 401
    assert way.codes() == IN["out"]


def test_an_answer_in_another_browser_lets_nobody_in(tmp_path: Path, provider: IdentityProvider) -> None:
    way = Round(tmp_path / "windmill.db", provider)
    answer = way.ask()
    way.client = way.site.app.test_client()
    assert way.come_back(answer).status_code == 401


def test_an_answer_to_another_question_lets_nobody_in(tmp_path: Path, provider: IdentityProvider) -> None:
    way = Round(tmp_path / "windmill.db", provider)
    first = way.ask()
    way.ask()
    assert way.come_back(first).status_code == 401
    assert way.codes() == IN["out"]


def test_an_answer_counts_once(tmp_path: Path, provider: IdentityProvider) -> None:
    way = Round(tmp_path / "windmill.db", provider)
    answer = way.ask()
    way.come_back(answer)
    assert way.come_back(answer).status_code == 401


def test_an_answer_that_takes_too_long_lets_nobody_in(tmp_path: Path, provider: IdentityProvider) -> None:
    way = Round(tmp_path / "windmill.db", provider)
    answer = way.ask()
    way.late = PATIENCE + timedelta(seconds=2)
    assert way.come_back(answer).status_code == 401


def test_who_is_refused_there_is_refused_here_in_words_of_ours(tmp_path: Path, provider: IdentityProvider) -> None:
    provider.refuses = True
    way = Round(tmp_path / "windmill.db", provider)
    page = way.come_back(way.ask())
    assert (page.status_code, "did not let you in" in page.get_data(as_text=True)) == (401, True)
    assert "access_denied" not in page.get_data(as_text=True)


def test_a_wrong_secret_of_ours_lets_nobody_in_and_is_not_logged(
    tmp_path: Path, provider: IdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    way = Round(tmp_path / "windmill.db", provider, client_secret=lambda: "quite wrong")
    assert way.come_back(way.ask()).status_code == 401
    assert "oidc.failed" in {getattr(record, "event", "") for record in caplog.records}
    assert "quite wrong" not in caplog.text


def test_a_provider_that_is_another_or_away_is_said_in_words(tmp_path: Path, provider: IdentityProvider) -> None:
    provider.says = {"issuer": "https://evil.example"}
    for url in (provider.url, "http://127.0.0.1:9"):
        way = Round(tmp_path / "windmill.db", provider, url=url)
        page = way.client.get("/sign-in/oidc")
        assert (page.status_code, "does not answer" in page.get_data(as_text=True)) == (502, True)


def test_a_browser_comes_back_from_another_site_with_its_session(tmp_path: Path) -> None:
    with identity_provider("localhost") as provider:
        provider.shows_a_page = True
        way = Round(tmp_path / "windmill.db", provider)
        with served(way.site.app) as url, chromium() as browser:
            browser.forgiven.append("favicon.ico")  # of the provider
            page = browser.page
            page.goto(f"{url}/executions?state=failed")
            page.click("a.go")
            page.click("text=Yes, that is me")
            page.wait_for_url(f"{url}/executions?state=failed")
            assert way.site.app.config["SESSION_COOKIE_NAME"] in {c["name"] for c in browser.context.cookies()}
