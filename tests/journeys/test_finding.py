"""What people come for, in a real browser on a real home: to stop something, to find out why, to mend a file."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys.gallery import address, sign_in
from tests.support.browser import Browser
from tests.support.live import Live
from tests.support.scripts import Gate
from tests.support.waiting import until

PATIENCE = 20_000  # milliseconds; a page asks again after five seconds
CLICKS = 3  # from home to the cause of a failure
FAILS = """
    def clean(row):
        return row["cpf"]

    print("reading")
    clean({})
"""
GOOD = "entry_point: clean.py\n"
BROKEN = "entry_point: clean.py\ntimeot: 1h\n"


class Clicks:
    """Goes on from page to page, and counts."""

    def __init__(self, page: Page) -> None:
        self.page, self.number = page, 0

    def on(self, link: Locator) -> None:
        self.number += 1
        link.click()
        self.page.wait_for_load_state("load")


@pytest.fixture
def home(live: Live, gate: Gate) -> Iterator[str]:
    """Where the dashboard of a home answers that has the jobs gated, which waits for its gate, and clean."""
    live.script("clean.py", FAILS)
    live.job("clean", GOOD)
    live.up("--port", "0")
    until(lambda: len(live.json("jobs")) == 2, what="the jobs are known")
    yield address(live)
    gate.open()


def test_who_came_by_the_link_stops_what_runs(live: Live, home: str, browser: Browser) -> None:
    live.cli("run", "--detach", "gated")
    until(lambda: [one["state"] for one in live.executions("p/gated")] == ["running"], what="it runs")
    page = browser.page
    sign_in(live, page)
    page.goto(home)
    page.locator("section[aria-labelledby=open]").get_by_role("link", name="Running").click()
    page.get_by_role("link", name="Stop…").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".reason")).to_contain_text("Stopped by", timeout=PATIENCE)
    (stopped,) = live.executions("p/gated")
    assert stopped["state"] == "stopped"


def test_who_has_not_signed_in_is_offered_nothing_that_acts(live: Live, home: str, browser: Browser) -> None:
    live.cli("run", "--detach", "gated")
    until(lambda: [one["state"] for one in live.executions("p/gated")] == ["running"], what="it runs")
    browser.page.goto(f"{home}/executions/{live.executions('p/gated')[0]['id']}")
    expect(browser.page.get_by_role("link", name=re.compile("Sign in"))).to_be_visible()
    expect(browser.page.get_by_role("link", name="Stop…")).to_have_count(0)


def test_a_failure_and_its_cause_are_three_clicks_from_home(live: Live, home: str, browser: Browser) -> None:
    live.cli("run", "clean", check=False)
    until(lambda: live.ended("p/clean"), what="it failed")
    page = browser.page
    page.goto(home)
    expect(page.locator("h1")).to_contain_text("1 job needs attention", timeout=PATIENCE)
    clicks = Clicks(page)
    clicks.on(page.locator(".jobs tr.attention").get_by_role("link", name="p/clean"))
    clicks.on(page.locator("section[aria-labelledby=last] tbody tr").first.get_by_role("link"))
    expect(page.locator(".reason")).to_contain_text("KeyError: 'cpf' at clean.py:3")
    assert clicks.number <= CLICKS


def test_a_broken_file_is_explained_and_mended_before_ones_eyes(live: Live, home: str, browser: Browser) -> None:
    page = browser.page
    page.goto(f"{home}/problems")
    page.evaluate("() => { window.stayed = true; }")
    live.job("clean", BROKEN)
    problem = page.locator("#live").get_by_text("timeot").first
    expect(problem).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#live")).to_contain_text("jobs.d/clean.yaml")
    expect(page.locator("#live")).to_contain_text("timeout")  # what was meant
    live.job("clean", GOOD)
    expect(problem).to_have_count(0, timeout=PATIENCE)
    assert page.evaluate("() => window.stayed")
