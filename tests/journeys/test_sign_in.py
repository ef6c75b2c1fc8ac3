"""Signing in to a real dashboard: by the link that was printed, and from the network."""

from __future__ import annotations

import http.cookiejar
import re
import urllib.error
import urllib.request
from contextlib import suppress

import pytest

from tests.support.live import Live
from tests.support.waiting import until

TOKEN = "a token of at least twenty characters"


class Browser:
    """What keeps cookies and follows redirects; `code` and `text` of the last answer."""

    def __init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)
        self.text = ""

    def open(self, url: str, **headers: str) -> int:
        try:
            with self._opener.open(urllib.request.Request(url, headers=headers), timeout=20) as answer:
                self.text = answer.read().decode()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                self.text = error.read().decode()
            return error.code


def found(live: Live, pattern: str) -> str:
    """The last that was said so, as soon as it is."""
    until(lambda: re.search(pattern, live.messages()), timeout=30, what=pattern)
    return str(re.findall(pattern, live.messages())[-1])


def test_the_link_that_is_printed_at_the_start_signs_in_once(live: Live) -> None:
    live.up("--port", "0")
    link = found(live, r"(http://127\.0\.0\.1:\d+/sign-in\?token=\S+)")
    browser = Browser()
    assert browser.open(link) == 200
    assert "Sign out" in browser.text
    assert Browser().open(link) == 401


def test_a_link_may_be_printed_at_any_time_and_a_session_outlives_the_dashboard(live: Live) -> None:
    live.up("--port", "0")
    found(live, r"(http://127\.0\.0\.1:\d+/sign-in)")
    browser, link = Browser(), live.cli("sign-in").stdout.strip()
    assert browser.open(link) == 200
    assert "Sign out" in browser.text
    live.terminate()
    port = re.search(r":(\d+)/", link)
    assert port
    live.up("--port", port[1])

    def back() -> bool:
        with suppress(OSError):
            return browser.open(link.partition("/sign-in")[0]) == 200
        return False

    until(back, timeout=30, what="the dashboard answers again")
    assert "Sign out" in browser.text


def test_where_the_system_keeps_what_is_said_no_link_is(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    live.up("--port", "0")
    found(live, "(windmill sign-in prints a link)")
    assert "token=" not in live.messages()


@pytest.fixture
def network(live: Live) -> Live:
    """A home whose dashboard others reach, where ana has a token."""
    (live.root / "token").write_text(TOKEN)
    (live.root / "windmill.toml").write_text(
        '[dashboard]\nauth = "token"\ntrusted_hosts = ["windmill.example.com"]\n'
        '[dashboard.users.ana]\nrole = "act"\ntoken = {from_file = "token"}\n'
    )
    live.up("--host", "0.0.0.0", "--port", "0")
    return live


def test_from_the_network_everybody_signs_in(network: Live) -> None:
    port = found(network, r"Dashboard: http://\S+:(\d+)")
    start, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {TOKEN}"}
    stranger = Browser()
    assert stranger.open(f"{start}/executions") == 200
    assert "Sign in to WindMill" in stranger.text
    assert stranger.open(f"{start}/api/v1/executions") == 401
    assert stranger.open(f"{start}/api/v1/executions", **headers) == 200
    assert stranger.open(f"{start}/api/v1/executions", Host="evil.example", **headers) == 400
    assert stranger.open(f"{start}/api/v1/executions", Host="windmill.example.com", **headers) == 200
    assert "read along" in network.messages()
    assert TOKEN not in network.messages()


def test_who_is_taken_out_of_the_file_is_out(network: Live) -> None:
    port = found(network, r"Dashboard: http://\S+:(\d+)")
    url, headers = f"http://127.0.0.1:{port}/api/v1/executions", {"Authorization": f"Bearer {TOKEN}"}
    assert Browser().open(url, **headers) == 200
    (network.root / "token").write_text("another token of at least twenty characters")
    assert Browser().open(url, **headers) == 401


def test_a_secret_that_is_missing_is_said_at_the_start(live: Live) -> None:
    (live.root / "windmill.toml").write_text(
        '[dashboard]\nauth = "token"\n[dashboard.users.ana]\nrole = "act"\ntoken = {from_env = "NOT_THERE"}\n'
    )
    refused = live.cli("dashboard", check=False)
    assert refused.returncode == 1
    assert "the token of ana is not set: there is no variable NOT_THERE" in refused.stderr
