from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Response

from tests.support.dashboard import Site
from windmill.dashboard.assets import KEPT


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def style(site: Site) -> str:
    """The address by which pages name the style."""
    found = re.search(r'href="(/static/style\.css[^"]*)"', site.client.get("/").get_data(as_text=True))
    assert found
    return found[1]


def test_a_file_under_its_version_is_kept_for_good(site: Site) -> None:
    assert re.fullmatch(r"/static/style\.css\?v=[0-9a-f]{10}", style(site))
    answer = site.client.get(style(site), buffered=True)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, KEPT)


@pytest.mark.parametrize("query", ["", "?v=0123456789", "?v="])
def test_a_file_under_another_version_is_asked_for_again(site: Site, query: str) -> None:
    answer = site.client.get(f"/static/style.css{query}", buffered=True)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", ["nothing.css", "../factory.py", "%2e%2e/factory.py", "vendor"])
def test_a_file_that_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert site.client.get(f"/static/{path}?v=x").status_code == 404


def test_pages_go_packed(site: Site) -> None:
    packed = site.client.get("/", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_what_is_fed_live_does_not_go_packed(site: Site) -> None:
    @site.app.get("/health/stream")
    def stream() -> Response:
        return Response(iter(["data: x\n\n"] * 1000), mimetype="text/event-stream")

    fed = site.client.get("/health/stream", headers={"Accept-Encoding": "gzip, br, zstd"}, buffered=True)
    assert (fed.status_code, "Content-Encoding" in fed.headers) == (200, False)
