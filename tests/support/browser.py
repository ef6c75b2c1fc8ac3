"""Chromium that looks at the dashboard; what it complains of fails the test: errors, exceptions, broken policies."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Page, sync_playwright
from waitress.server import create_server

PROGRAM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """A profile of its own. `complaints` are those of all its pages, but for what matches one of `forgiven`."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.forgiven: list[str] = []
        self._heard: list[str] = []
        context.set_default_timeout(20_000)
        context.on("page", self._listen)
        context.on("weberror", lambda error: self._heard.append(f"exception: {error.error}"))
        for page in context.pages:
            self._listen(page)

    @property
    def page(self) -> Page:
        """The first page."""
        return self.context.pages[0]

    @property
    def complaints(self) -> list[str]:
        return [said for said in self._heard if not any(re.search(pattern, said) for pattern in self.forgiven)]

    def _listen(self, page: Page) -> None:
        page.on(
            "console",
            lambda message: (
                self._heard.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")
                if message.type in {"error", "warning"}
                else None
            ),
        )


@contextmanager
def chromium(**options: Any) -> Iterator[Browser]:
    """Yield a browser; fail at the end when it had to complain. Options are those of Playwright's contexts.

    Skips the test where there is no Chromium.
    """
    if PROGRAM is None:
        pytest.skip("there is no chromium on this machine")
    with (
        TemporaryDirectory(prefix="windmill-chromium-", ignore_cleanup_errors=True) as profile,
        sync_playwright() as p,
    ):
        context = p.chromium.launch_persistent_context(
            profile, executable_path=PROGRAM, headless=True, args=list(OPTIONS), **options
        )
        opened = Browser(context)
        try:
            yield opened
        finally:
            context.close()
    if opened.complaints:
        raise AssertionError("the browser complains:\n" + "\n".join(opened.complaints))


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an application by a server of its own, and yield its URL."""
    with closing(create_server(app, host="127.0.0.1", port=0, threads=8, channel_request_lookahead=1)) as server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.effective_port}"
