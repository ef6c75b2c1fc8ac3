from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.dashboard import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A dashboard whose store a newer WindMill has taken over while it ran."""
    site = Site(tmp_path / "windmill.db")
    with closing(sqlite3.connect(site.database)) as connection:
        connection.execute("PRAGMA user_version = 999")
    return site


@pytest.mark.parametrize("path", ["/", "/executions", "/jobs/p/hello", "/upcoming", "/projects", "/problems"])
def test_people_are_told_that_another_version_wrote_the_store_and_what_to_do(site: Site, path: str) -> None:
    answer = site.client.get(path)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 503
    assert "newer WindMill: schema 999" in text
    assert "upgrade WindMill" in text


def test_programs_are_told_so_too(site: Site) -> None:
    answer = site.client.get("/api/v1/executions")
    told = json.loads(answer.get_data())
    assert (answer.status_code, told["code"]) == (503, 503)
    assert "upgrade WindMill" in told["message"]


def test_a_store_of_another_version_is_away_for_who_asks_whether_all_is_ready(site: Site) -> None:
    answer = site.client.get("/ready")
    assert (answer.status_code, json.loads(answer.get_data())["store"]) == (503, "away")
