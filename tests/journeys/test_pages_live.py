"""Pages that stay open, in a real browser: they are brought up to date, and nobody is disturbed by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.browser import Browser, chromium, served
from tests.support.builders import NOON, a_job, a_running_execution, an_execution
from tests.support.dashboard import NOW, Site
from windmill.core.documents import to_text
from windmill.core.model import State
from windmill.core.ports import Batch

PATIENCE = 20_000  # milliseconds; a page asks again after five seconds
GONE = r"ERR_CONNECTION_REFUSED|htmx:error"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path / "windmill.db")
    beat = {"id": "scheduler", "at": to_text(NOW), "left": False}
    found.put(Batch(jobs=[a_job()], executions=[an_execution()], status={"scheduler": beat}))
    return found


@pytest.fixture
def opened(site: Site) -> Iterator[tuple[Browser, str]]:
    """A browser in São Paulo, and the address of the site."""
    with served(site.app) as address, chromium(timezone_id="America/Sao_Paulo", locale="en-GB") as browser:
        yield browser, address


def fail(site: Site) -> None:
    """Let the job fail once more."""
    later = NOON + timedelta(minutes=1)
    site.put(
        Batch(
            executions=[
                an_execution(
                    id="f" * 16,
                    state=State.FAILED,
                    exit_code=7,
                    reason="exit_code",
                    queued_at=later,
                    started_at=later,
                )
            ]
        )
    )


def test_what_happens_appears_on_a_page_that_stays_open(site: Site, opened: tuple[Browser, str]) -> None:
    browser, address = opened
    browser.page.goto(address)
    expect(browser.page.locator("h1")).to_contain_text("The one job is well")
    fail(site)
    expect(browser.page.locator("h1")).to_contain_text("1 job needs attention", timeout=PATIENCE)


@pytest.mark.parametrize("path", ["/", f"/executions/{'e' * 16}"])
def test_the_bar_of_what_runs_moves_where_it_says(site: Site, opened: tuple[Browser, str], path: str) -> None:
    browser, address = opened

    def tell(value: float) -> None:
        told = {"value": value, "text": f"at {value}", "at": "2026-01-01T12:00:00.000Z"}
        site.put(Batch(executions=[a_running_execution(id="e" * 16, progress=told)]))

    tell(0.25)
    browser.page.goto(f"{address}{path}")
    bar = browser.page.locator("#live progress")
    expect(bar).to_have_attribute("value", "0.25")
    tell(0.75)
    expect(bar).to_have_attribute("value", "0.75", timeout=PATIENCE)
    expect(browser.page.get_by_text("at 0.75")).to_be_visible()


def test_a_refresh_takes_neither_focus_nor_text_nor_place(site: Site, opened: tuple[Browser, str]) -> None:
    browser, address = opened
    page = browser.page
    page.set_viewport_size({"width": 800, "height": 400})
    page.goto(address)
    field = page.locator("#q")
    field.fill("nightly")
    field.evaluate("field => field.setSelectionRange(2, 5)")
    page.evaluate("() => { window.row = document.querySelector('.jobs tbody tr'); scrollTo(0, 300); }")
    top = page.evaluate("() => scrollY")
    fail(site)
    expect(page.locator(".jobs")).to_contain_text("Failed", timeout=PATIENCE)
    expect(field).to_be_focused()
    expect(field).to_have_value("nightly")
    assert field.evaluate("field => [field.selectionStart, field.selectionEnd]") == [2, 5]
    assert page.evaluate("() => window.row === document.querySelector('.jobs tbody tr')")
    assert top > 0
    assert page.evaluate("() => scrollY") == pytest.approx(top, abs=120)


def test_what_somebody_opened_stays_open(site: Site, opened: tuple[Browser, str]) -> None:
    browser, address = opened
    old = {
        "id": "d1",
        "job": "p/hello",
        "document": {"timeout": "1h"},
        "file": "f",
        "line": 1,
        "seen_at": to_text(NOON),
    }
    new = old | {"id": "d2", "document": {"timeout": "2h"}}
    later = NOON + timedelta(seconds=30)
    ran = [
        an_execution(job_digest="d1"),
        an_execution(id="2" * 16, job_digest="d2", queued_at=later, started_at=later),
    ]
    site.put(Batch(definitions=[old, new]))
    site.put(
        Batch(
            jobs=[a_job(id="p/other")],
            executions=[one | {"id": f"{one['id'][:15]}a", "job": "p/other"} for one in ran],
        )
    )
    browser.page.goto(f"{address}/jobs/p/other")
    browser.page.locator("summary", has_text="What changed").click()
    expect(browser.page.get_by_text("+timeout: 2h")).to_be_visible()
    site.put(Batch(jobs=[a_job(id="p/other", owner="Ana")]))
    expect(browser.page.get_by_text("Ana", exact=True)).to_be_visible(timeout=PATIENCE)
    expect(browser.page.get_by_text("+timeout: 2h")).to_be_visible()


def test_a_server_that_is_gone_is_said_and_its_return_too(site: Site, tmp_path: Path) -> None:
    with chromium() as browser, ExitStack() as first:
        browser.forgiven.append(GONE)
        page, address = browser.page, first.enter_context(served(site.app))
        page.goto(address)
        page.route("**/*", lambda route: route.abort("connectionrefused"))
        expect(page.locator("#gone")).to_contain_text("Disconnected, retrying; last update", timeout=PATIENCE)
        expect(page.locator(".jobs")).to_contain_text("hello")
        page.unroute("**/*")
        expect(page.locator("#gone")).to_be_empty(timeout=PATIENCE)


def test_the_heartbeat_goes_on_where_nothing_else_does(site: Site, opened: tuple[Browser, str]) -> None:
    browser, address = opened
    browser.page.goto(f"{address}/executions/{'0' * 15}1")
    site.put(Batch(status={"scheduler": {"id": "scheduler", "at": to_text(NOW), "left": True}}))
    expect(browser.page.locator("#alarm")).to_contain_text("scheduler stopped", timeout=PATIENCE)


@pytest.mark.parametrize(("key", "path"), [("j", "/"), ("e", "/executions"), ("p", "/problems"), ("u", "/upcoming")])
def test_two_keys_go_to_a_page(opened: tuple[Browser, str], key: str, path: str) -> None:
    browser, address = opened
    browser.page.goto(f"{address}/projects")
    browser.page.keyboard.press("g")
    browser.page.keyboard.press(key)
    browser.page.wait_for_url(f"{address}{path}")


def test_keys_mean_nothing_while_somebody_types(opened: tuple[Browser, str]) -> None:
    browser, address = opened
    browser.page.goto(address)
    browser.page.keyboard.press("/")
    expect(browser.page.locator("#q")).to_be_focused()
    browser.page.keyboard.type("gj?/")
    expect(browser.page.locator("#q")).to_have_value("gj?/")
    expect(browser.page.locator("#keys")).to_be_hidden()


def test_the_keys_are_told_on_request(opened: tuple[Browser, str]) -> None:
    browser, address = opened
    browser.page.goto(address)
    browser.page.keyboard.press("?")
    expect(browser.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    browser.page.keyboard.press("Escape")
    expect(browser.page.locator("#keys")).to_be_hidden()


def test_a_page_without_a_search_leads_to_one(opened: tuple[Browser, str]) -> None:
    browser, address = opened
    browser.page.goto(f"{address}/problems")
    browser.page.keyboard.press("/")
    browser.page.wait_for_url(f"{address}/#search")
    expect(browser.page.locator("#q")).to_be_focused()


def test_language_and_light_are_chosen_in_the_menu(opened: tuple[Browser, str]) -> None:
    browser, address = opened
    page = browser.page
    page.goto(f"{address}/upcoming?hours=1")
    page.locator(".menu summary").click()
    page.locator("select[name=language]").select_option("pt_BR")
    page.locator("select[name=theme]").select_option("dark")
    page.get_by_role("button", name="Set").click()
    page.wait_for_url(f"{address}/upcoming?hours=1")
    expect(page.locator("html")).to_have_attribute("lang", "pt-BR")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("h1")).to_have_text("Próximas")


def test_times_are_those_of_the_viewer_with_every_other_one_at_hand(site: Site, opened: tuple[Browser, str]) -> None:
    browser, address = opened
    browser.page.goto(f"{address}/upcoming?hours=1")
    first = browser.page.locator("#starts ~ .scroll time").first
    expect(first).to_have_text("Thu 01 Jan, 09:15:00")
    expect(first).to_have_attribute("title", "01/01/2026, 09:15:00 America/Sao_Paulo\n01/01/2026, 12:15:00 UTC")


def test_without_scripts_times_are_in_utc_and_say_so(site: Site) -> None:
    with served(site.app) as address, chromium(java_script_enabled=False, timezone_id="America/Sao_Paulo") as browser:
        browser.page.goto(f"{address}/upcoming?hours=1")
        expect(browser.page.locator("#starts ~ .scroll time").first).to_have_text("Thu 01 Jan, 12:15:00 UTC")


def test_what_runs_is_measured_by_what_is_usual(site: Site, opened: tuple[Browser, str]) -> None:
    browser, address = opened
    site.put(Batch(executions=[a_running_execution(id="3" * 16, started_at=NOW - timedelta(seconds=1))]))
    browser.page.goto(address)
    expect(browser.page.get_by_role("progressbar", name="of its usual duration")).to_have_attribute("value", "1000")
