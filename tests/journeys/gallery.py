"""Every page as people see it: `python -m tests.journeys.gallery DIRECTORY` takes a picture of each.

A page is found by following links from the first one; of pages that one route answers, one is enough. So a new page
is in the gallery, and held to what the tests say of all pages, as soon as something leads to it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Page
from werkzeug.exceptions import HTTPException

from tests.support import scenes
from tests.support.browser import Browser, chromium
from tests.support.dashboard import Site
from tests.support.live import Live
from tests.support.waiting import until

Theme = Literal["light", "dark"]
WIDTHS: Final = (375, 800, 1280)
HEIGHT: Final = 900
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
LANGUAGES: Final = ("en", "pt-BR")
LINKS: Final = "links => links.map(link => new URL(link.getAttribute('href'), location).href.split('#')[0])"
SCENES: Final = {"full": scenes.full, "empty": scenes.empty, "failing": scenes.failing}


def address(live: Live) -> str:
    """Return where the home's dashboard answers, as soon as it does."""
    pattern = re.compile(r"Dashboard: (http://[^\s/]+:\d+)")
    until(lambda: pattern.search(live.messages()), timeout=60, what="the dashboard answers")
    return str(pattern.findall(live.messages())[-1])


def sign_in(live: Live, page: Page) -> None:
    """Let the browser be somebody who may act."""
    page.goto(re.findall(r"http\S+", live.cli("sign-in").stdout)[0])


def walk(page: Page, start: str) -> Iterator[str]:
    """Show one page of every route that links lead to, and yield its endpoint while it is shown."""
    with TemporaryDirectory() as directory:
        routes = Site(Path(directory) / "windmill.db").app.url_map.bind("localhost")
    waiting, known, seen = [start + "/", start + "/sign-in"], set[str](), set[str]()
    while waiting:
        url = waiting.pop(0)
        try:
            endpoint = str(routes.match(urlsplit(url).path)[0])
        except HTTPException:
            endpoint = f"nothing answers {urlsplit(url).path}"  # a page of its own, for the tests to complain of
        if endpoint in {*known, "static"} or urlsplit(url).path.startswith("/api/"):
            continue
        if "text/html" not in page.request.head(url, headers={"Accept": "text/html"}).headers.get("content-type", ""):
            continue
        known.add(endpoint)
        page.set_viewport_size({"width": max(WIDTHS), "height": HEIGHT})
        page.goto(url, wait_until="load")
        links = page.eval_on_selector_all("a[href]", LINKS)
        waiting += [link for link in links if link.startswith(start + "/") and link not in seen]
        seen |= set(links)
        yield endpoint


@contextmanager
def exhibition(scene: str, root: Path) -> Iterator[tuple[Live, str]]:
    """Yield a home that is served, and where."""
    with Live(root) as live:
        SCENES[scene](live)
        yield live, address(live)


@contextmanager
def visitor(theme: Theme, language: str) -> Iterator[Browser]:
    """Yield a browser of somebody who likes it so."""
    with chromium(color_scheme=theme, locale=language) as browser:
        yield browser


def main(directory: Path) -> None:
    """Take every picture: DIRECTORY/SCENE/PAGE-WIDTH-THEME-LANGUAGE.png."""
    for scene in SCENES:
        (directory / scene).mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as root, exhibition(scene, Path(root) / "home") as (live, start):
            for theme in THEMES:
                for language in LANGUAGES:
                    with visitor(theme, language) as browser:
                        browser.forgiven.append(".*")  # this only looks
                        sign_in(live, browser.page)
                        for endpoint in walk(browser.page, start):
                            _picture(browser.page, directory / scene, f"{endpoint}-{{}}-{theme}-{language}.png")


def _picture(page: Page, directory: Path, name: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.wait_for_timeout(300)  # for what a script draws
        page.screenshot(path=directory / name.format(width), full_page=True)
        print(directory / name.format(width))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
