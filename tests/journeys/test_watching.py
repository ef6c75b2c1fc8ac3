"""Somebody watches an execution in a real browser, with a real `windmill up` behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Browser, chromium
from tests.support.live import Live
from tests.support.scripts import Gate
from tests.support.waiting import until

# Prints a bar that writes over itself and lines in colour, then waits to be let on, as often as there are steps.
STEPS = r"""
    import os, pathlib, sys, time

    def wait(name):
        while not pathlib.Path(os.environ["GATE"] + name).exists():
            time.sleep(0.02)

    for number in range(300):
        print(f"line {number}")
    wait(".bar")
    for share in range(0, 101, 5):
        sys.stderr.write(f"\r{share:3}%|{'#' * (share // 5):20}|")
    sys.stderr.write("\x1b[32mgreen\x1b[0m\n")
    wait(".more")
    for number in range(40):
        print(f"more {number}", flush=True)
    wait(".end")
    print("the end", flush=True)
    rows = {}
    rows["cpf"]
"""


@pytest.fixture
def url(live: Live, gate: Gate) -> Iterator[str]:
    """Where the execution of steps.py is seen, which has written its first lines."""
    live.script("steps.py", STEPS)
    live.job("steps", f'entry_point: steps.py\nenv: {{GATE: "{gate.path}"}}\n')
    live.up("--port", "0")

    def dashboard() -> str:
        return str((re.findall(r"Dashboard: (http://127\.0\.0\.1:\d+)", live.messages()) or [""])[-1])

    until(dashboard, timeout=30, what="the dashboard answers")
    live.cli("run", "--detach", "steps")
    until(lambda: live.executions("p/steps"))
    (execution,) = live.executions("p/steps")
    until(lambda: b"line 299" in live.output(execution["id"]))
    _let(gate, "bar")  # what is written to two pipes at once may come in any order
    until(lambda: b"green" in live.output(execution["id"]))
    yield f"{dashboard()}/executions/{execution['id']}"
    for step in ("more", "end"):
        _let(gate, step)


def _let(gate: Gate, step: str) -> None:
    gate.path.with_name(f"{gate.path.name}.{step}").touch()


def _screen(page: Page) -> str:
    """The text that the terminal draws."""
    return page.locator(".xterm-rows").inner_text().replace("\xa0", " ")


def test_a_terminal_shows_what_comes_as_it_comes_and_how_it_ended(url: str, browser: Browser, gate: Gate) -> None:
    page = browser.page
    page.goto(url)
    expect(page.locator("#feed")).to_have_text("● live")
    expect(page.locator(".xterm-rows")).to_contain_text("100%|####################|green")
    assert "95%" not in _screen(page)
    assert page.title().startswith("▶")
    _let(gate, "more")
    expect(page.locator(".xterm-rows")).to_contain_text("more 39")
    _let(gate, "end")
    expect(page.locator("#feed")).to_have_text("Ended: Failed")
    expect(page.locator(".reason")).to_contain_text("KeyError: 'cpf' at steps.py:20")
    assert page.title().startswith("✕")


def test_who_scrolls_up_stays_there_until_they_jump_to_the_latest(url: str, browser: Browser, gate: Gate) -> None:
    page = browser.page
    page.goto(url)
    expect(page.locator(".xterm-rows")).to_contain_text("green")
    page.locator("#terminal").hover()
    page.mouse.wheel(0, -2000)
    expect(page.locator("#latest")).to_be_visible()
    expect(page.locator("[data-do=follow]")).to_have_attribute("aria-pressed", "false")
    stayed = _screen(page)
    _let(gate, "more")
    expect(page.locator("#latest")).to_have_text("Jump to latest ↓ 40 new lines")
    assert _screen(page) == stayed
    page.locator("#latest").click()
    expect(page.locator(".xterm-rows")).to_contain_text("more 39")
    expect(page.locator("#latest")).to_be_hidden()


def test_keys_follow_and_find(url: str, browser: Browser) -> None:
    page = browser.page
    page.goto(url)
    expect(page.locator(".xterm-rows")).to_contain_text("green")
    page.keyboard.press("f")
    expect(page.locator("[data-do=follow]")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("/")
    page.keyboard.type("line 12")
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_have_text(re.compile(r"\d+ of 11"))  # line 12 and line 120 to 129
    page.keyboard.press("Enter")
    assert "line 12" in _screen(page)
    page.keyboard.press("Escape")
    expect(page.locator("#find")).to_be_hidden()


def test_text_is_chosen_once_and_grows_as_the_terminal_does(url: str, browser: Browser, gate: Gate) -> None:
    page = browser.page
    page.goto(url)
    page.locator("[data-do=text]").click()
    expect(page.locator("#L300")).to_have_text(re.compile("300line 299"))
    page.reload()
    expect(page.locator("#L301")).to_contain_text("100%|####################|green")
    _let(gate, "more")
    expect(page.locator("#L341")).to_contain_text("more 39")
    page.locator("[data-do=stream]").click()
    expect(page.locator(".line")).to_have_count(1)
    expect(page.locator("#L1")).to_contain_text("100%")


def test_a_line_can_be_pointed_at(url: str, browser: Browser) -> None:
    page = browser.page
    page.goto(f"{url}#L120")
    expect(page.locator(".line.marked")).to_have_text(re.compile("120line 119"))
    expect(page.locator(".line.marked")).to_be_in_viewport()


def test_without_a_place_for_a_stream_the_page_asks_again_and_again(url: str, browser: Browser, gate: Gate) -> None:
    browser.forgiven.append("503")
    page = browser.page
    page.route("**/output/stream*", lambda route: route.fulfill(status=503))
    page.goto(url)
    expect(page.locator("#feed")).to_have_text("◌ live, every 2 seconds")
    _let(gate, "more")
    expect(page.locator(".xterm-rows")).to_contain_text("more 39")
    _let(gate, "end")
    expect(page.locator("#feed")).to_have_text("Ended: Failed")


def test_the_page_says_that_the_dashboard_is_gone(live: Live, url: str, browser: Browser) -> None:
    browser.forgiven.append("ERR_|Failed to fetch")
    browser.page.goto(url)
    expect(browser.page.locator("#feed")).to_have_text("● live")
    live.terminate()
    expect(browser.page.locator("#feed")).to_have_text("○ disconnected, retrying")


def test_without_javascript_everything_can_be_read(url: str) -> None:
    with chromium(java_script_enabled=False) as browser:
        page = browser.page
        page.goto(url)
        expect(page.locator("#L300")).to_contain_text("line 299")
        page.get_by_role("link", name="stderr only").click()
        expect(page.locator("#L1")).to_contain_text("100%|####################|")
        expect(page.locator(".line")).to_have_count(1)
