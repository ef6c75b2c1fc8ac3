"""What holds for every page that a link leads to, in a real browser on a real home."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests.journeys.gallery import HEIGHT, LANGUAGES, SCENES, THEMES, WIDTHS, exhibition, sign_in, visitor, walk
from tests.support.live import Live

FEWEST: Final = 10  # pages; with less the links are broken
STICKING_OUT: Final = """() => [...document.querySelectorAll("td, th")]
    .filter((cell) => [...cell.children].some((one) =>
        one.getBoundingClientRect().right > cell.getBoundingClientRect().right + 1))
    .map((cell) => `sticks out of its cell: ${cell.innerHTML.slice(0, 150)}`).slice(0, 3)"""
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module", params=SCENES)
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, str]]:
    with exhibition(request.param, tmp_path_factory.mktemp("scene") / "home") as found:
        yield found


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_shuts_anybody_out(shown: tuple[Live, str], language: str) -> None:
    live, start = shown
    wrong: dict[str, list[str]] = {}
    with visitor(THEMES[0], language) as browser:
        page = browser.page
        sign_in(live, page)
        for endpoint in walk(page, start):
            wrong[endpoint] = []
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                wrong[endpoint] += [f"{theme}: {found}" for found in violations(page)]
            page.set_viewport_size({"width": min(WIDTHS), "height": HEIGHT})
            if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
                wrong[endpoint].append("wider than a phone")
    assert {endpoint: found for endpoint, found in wrong.items() if found} == {}
    assert len(wrong) > FEWEST


def violations(page: Any) -> list[str]:
    """What axe finds wrong with the page: rule and element."""
    inspector = page.context.new_cdp_session(page)
    inspector.send(
        "Runtime.evaluate", {"expression": AXE_SCRIPT}
    )  # as an inspector, whom the page's policy is not for
    only = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found = page.evaluate("(options) => axe.run(document, options)", only)["violations"]
    return [f"{one['id']}: {node['html'][:150]}" for one in found for node in one["nodes"][:3]]
