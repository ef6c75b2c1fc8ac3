"""Whatever a job writes, the page that shows it does nothing but show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Browser, served
from tests.support.builders import an_execution
from tests.support.dashboard import Site
from windmill.core.ports import Batch, OutputBlock

ID = "0" * 15 + "1"
MIB = 1 << 20
CANARIES = [
    "rev\u202eersed \u2066order".encode(),
    b"nul\x00 invalid \xff\xfe\xc3(\xf0\x9f",
    b"<script>window.hit = 1</script><img src=x onerror='window.hit = 1'><svg/onload=window.hit=1>",
    b"</span></div><style>body { display: none }</style>{{ 7 * 7 }}&lt;b&gt;",
    b"\x1b]8;;javascript:window.hit=1\x07click\x1b]8;;\x07",
    b"\x1b]0;renamed\x07\x1b]2;renamed\x1b\\",
    b"\x1b]52;c;cm0gLXJmIC8=\x07",
    b"\x1b[6n\x1b[c\x1b[>c\x1b[?6n\x1b]10;?\x07\x05",
    b"\x1b[?1049h\x1b[?47h\x1b[?1000h\x1b[?1006h\x1b[?2004h",
    b"\x1b[2J\x1b[3J\x1b[H\x1bc",
    b"\x1bPq#0;2;0;0;0~\x1b\\\x1b_apc\x1b\\",
    b"\x1b[999999999;999999999H\x1b[999999999X\x1b[999999999@",
    b"\x1b]never ends",
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Site, str]]:
    site = Site(tmp_path / "windmill.db")
    with served(site.app) as url:
        yield site, f"{url}/executions/{ID}"


def _wrote(site: Site, data: bytes) -> None:
    pieces = [data[at : at + (256 << 10)] for at in range(0, len(data), 256 << 10)]
    blocks = [OutputBlock(ID, number, number, 1, 0, piece) for number, piece in enumerate(pieces, 1)]
    site.put(Batch(executions=[an_execution(output_bytes=len(data))], output=blocks))


def _nothing_happened(page: Page, requests: list[str]) -> None:
    assert page.evaluate("() => window.hit") is None
    assert page.title() == "✓ p/hello · WindMill"
    expect(page.locator("h1")).to_be_visible()
    host = "/".join(page.url.split("/")[:3])
    assert [url for url in requests if not url.startswith(host)] == []


@pytest.mark.parametrize("view", ["terminal", "text"])
def test_nothing_of_what_was_written_acts(site: tuple[Site, str], browser: Browser, view: str) -> None:
    filled, url = site
    _wrote(filled, b"the first line\n" + b"".join(canary + b"\n" for canary in CANARIES) + b"\nthe last line\n")
    page, requests = browser.page, []
    page.on("request", lambda request: requests.append(request.url))
    page.add_init_script(f"localStorage.setItem('windmill.output', '{view}')")
    page.goto(url)
    shown = page.locator(".xterm-rows" if view == "terminal" else "#text")
    expect(shown).to_contain_text("the last line")
    page.locator("#terminal" if view == "terminal" else "#text").press("Home")
    expect(shown).to_contain_text("the first line")  # cleared by nobody
    expect(shown).to_contain_text("<script>window.hit = 1</script>")
    expect(shown).to_contain_text("rev\ufffdersed \ufffdorder")
    place = shown.get_by_text("click").first.bounding_box()
    assert place is not None
    page.mouse.click(place["x"] + 5, place["y"] + 5)
    page.keyboard.press("a")
    page.wait_for_timeout(200)
    _nothing_happened(page, requests)


@pytest.mark.parametrize("view", ["terminal", "text"])
@pytest.mark.parametrize(
    "data",
    [b"x" * 9 * MIB, b"\r" * 9 * MIB, b"\x1b[31ma line\x1b[0m\n" * (MIB // 8)],
    ids=["one line", "returns", "short lines"],
)
def test_much_output_is_shown_without_end_to_what_the_page_holds(
    site: tuple[Site, str], browser: Browser, view: str, data: bytes
) -> None:
    filled, url = site
    _wrote(filled, data + b"\nthe last line\n")
    page = browser.page
    page.add_init_script(f"localStorage.setItem('windmill.output', '{view}')")
    page.goto(url)
    shown = page.locator(".xterm-rows" if view == "terminal" else "#text")
    expect(shown).to_contain_text("the last line", timeout=30_000)
    page.locator("[data-do=all]").click()
    expect(shown).to_contain_text("the last line", timeout=60_000)
    assert page.evaluate("() => document.querySelectorAll('*').length") < 200_000
    assert (
        page.evaluate(
            "() => Math.max(...[...document.querySelectorAll('.line')].map((one) => one.textContent.length), 0)"
        )
        < 11_000
    )
