"""Writing a job by a form: shown while one types, without scripts too, and running once it is placed."""

from __future__ import annotations

import http.client
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.journeys.gallery import address, sign_in
from tests.support.browser import Browser, chromium, served
from tests.support.dashboard import Site
from tests.support.live import Live
from tests.support.waiting import until
from windmill.dashboard.access import Role


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A home with one project, where everybody may act."""
    (tmp_path / "projects" / "etl" / "jobs").mkdir(parents=True)
    (tmp_path / "projects" / "etl" / "jobs" / "sales.py").touch()
    (tmp_path / "windmill.toml").write_text('timezone = "Europe/Lisbon"\n')
    return Site(tmp_path / "windmill.db", anonymous=Role.ACT)


def test_a_script_is_uploaded_its_job_composed_and_placed_and_it_runs(
    live: Live, browser: Browser, tmp_path: Path
) -> None:
    live.up("--port", "0")
    page, start = browser.page, address(live)
    sign_in(live, page)
    (tmp_path / "greet.py").write_text("import sys\nprint('hello', sys.argv[1])\n")
    page.goto(f"{start}/compose")
    page.get_by_label("File", exact=True).set_input_files(tmp_path / "greet.py")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("The project greet is there.")).to_be_visible()
    page.get_by_text("Browse greet").click()
    page.get_by_role("button", name="greet.py", exact=True).click()
    page.get_by_label("Seconds").fill("1")
    page.get_by_text("More: time limit").click()
    page.get_by_label("Arguments").fill("ana")
    expect(page.locator("#yaml")).to_contain_text("- ana")
    page.get_by_role("button", name="Place as jobs.d/greet.yaml").click()
    expect(page.get_by_text("Placed as jobs.d/greet.yaml")).to_be_visible()
    until(lambda: live.ended("greet/greet"), timeout=30, what="the job ran")
    assert live.output(live.ended("greet/greet")[0]["id"]) == b"hello ana\n"
    page.reload()
    page.get_by_role("link", name="Open greet/greet").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("greet/greet")


@pytest.mark.parametrize(
    ("path", "size", "by_server"),
    [("/compose/upload", 3 << 20, False), ("/compose/upload", 60 << 20, True), ("/compose/place", 2 << 20, True)],
)
def test_what_is_too_large_is_refused_before_it_is_sent(live: Live, path: str, size: int, by_server: bool) -> None:
    live.up("--port", "0")
    with closing(http.client.HTTPConnection(urlsplit(address(live)).netloc, timeout=60)) as connection:
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", str(size))
        connection.endheaders(None if by_server else bytes(size))
        answer = connection.getresponse()
        assert (b"exceeds max_body" in answer.read()) == by_server
        assert (answer.getheader("X-Request-Id") is None) == by_server


def test_the_file_is_shown_while_one_types_and_mistakes_where_one_was(site: Site, browser: Browser) -> None:
    with served(site.app) as start:
        page = browser.page
        page.goto(f"{start}/compose")
        page.get_by_label("Name", exact=True).first.fill("nightly")
        expect(page.locator("#yaml")).to_contain_text("name: nightly")
        assert page.locator(".wrong").count() == 0
        page.get_by_label("By cron").check()
        page.get_by_label("Cron expression").fill("0 25 * * *")
        expect(page.locator("#e-cron")).to_contain_text("not a cron expression")
        assert page.get_by_label("Cron expression").get_attribute("aria-invalid") == "true"
        page.get_by_label("Cron expression").fill("0 6 * * *")
        page.get_by_label("Entry point").fill("jobs/sales.py")
        expect(page.locator(".verdict")).to_have_text("✓ a valid job")
        assert page.locator(".starts li").count() == 10
        assert page.locator("#e-cron").inner_text() == ""
        assert page.evaluate("() => document.activeElement.id") == "f-entry_point"
        page.reload()
        assert page.get_by_label("Cron expression").input_value() == "0 6 * * *"


def test_only_the_fields_of_the_chosen_schedule_are_shown(site: Site, browser: Browser) -> None:
    with served(site.app) as start:
        page = browser.page
        page.goto(f"{start}/compose")
        assert page.get_by_label("Hours").is_visible()
        page.get_by_label("Once").check()
        assert not page.get_by_label("Hours").is_visible()
        assert page.get_by_label("Date and time").is_visible()
        page.get_by_label("By hand").check()
        assert not page.get_by_label("Time zone").is_visible()


def test_everything_works_without_scripts(site: Site, tmp_path: Path) -> None:
    with served(site.app) as start, chromium(java_script_enabled=False) as browser:
        page = browser.page
        page.goto(f"{start}/compose")
        page.get_by_label("Name", exact=True).first.fill("nightly")
        page.get_by_label("Minutes").fill("5")
        page.get_by_label("Minutes").press("Enter")
        expect(page.get_by_role("heading", name="One thing to mend")).to_be_visible()
        page.get_by_text("Browse etl").click()
        page.get_by_text("jobs/", exact=True).click()
        page.get_by_role("button", name="sales.py").click()
        expect(page.get_by_text("a valid job")).to_be_visible()
        page.get_by_role("button", name="Place as jobs.d/nightly.yaml").click()
        expect(page.get_by_text("in place", exact=False).first).to_be_visible()
    assert "entry_point: jobs/sales.py" in (tmp_path / "jobs.d" / "nightly.yaml").read_text()
