from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import chromium, served
from tests.support.dashboard import Site


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with served(Site(tmp_path / "windmill.db").app) as url:
        yield url


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("() => document.body.setAttribute('style', 'color: red')", "Content Security Policy"),
        ("() => { setTimeout(() => { throw new Error('boom') }) }", "boom"),
        ("() => console.error('oh')", "oh"),
        ("() => fetch('/nowhere')", "404"),
    ],
)
def test_what_a_page_does_wrong_fails_the_test(url: str, script: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        _look(url, script)


def _look(url: str, script: str) -> None:
    with chromium() as browser:
        browser.page.goto(url)
        browser.page.evaluate(script)
        browser.page.wait_for_timeout(100)


def test_what_a_test_wants_to_go_wrong_does_not_fail_it(url: str) -> None:
    with chromium() as browser:
        browser.forgiven.append("404")
        browser.page.goto(url)
        browser.page.evaluate("() => fetch('/nowhere')")
        browser.page.wait_for_timeout(100)
