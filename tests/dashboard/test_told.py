"""What an execution tells of itself, as pages, tables and programs are told."""

from __future__ import annotations

import csv
import re
from html import unescape
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_job, a_running_execution, an_execution
from tests.support.dashboard import Site
from windmill.core.ports import Batch

ID = "0" * 15 + "1"
HALF = {"value": 0.425, "text": "<b>reading", "at": "2026-01-01T12:00:01.000Z"}
FACTS = {"rows": 12, "file": "=a<b>.csv", "ratio": 0.5}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def page(site: Site, path: str = f"/executions/{ID}") -> str:
    return site.client.get(path).get_data(as_text=True)


def words(site: Site, path: str = f"/executions/{ID}") -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page(site, path))))


def past() -> list[dict[str, object]]:
    """Enough successes for an estimate."""
    return [an_execution(id=f"{n:016x}", queued_at=NOON.replace(hour=n), started_at=NOON) for n in range(2, 8)]


@pytest.mark.parametrize("path", [f"/executions/{ID}", "/"])
def test_a_bar_stands_where_the_execution_is_and_not_where_others_were(site: Site, path: str) -> None:
    running = a_running_execution(progress=HALF)
    site.put(Batch(jobs=[a_job()], executions=[running, *past()]))
    bars = re.findall(r"<progress[^>]*>", page(site, path))
    assert len(bars) == 1
    assert 'value="0.425"' in bars[0]
    assert "data-usual" not in bars[0]
    assert re.search(r"4[23]% · <b>reading", words(site, path))


def test_without_progress_the_bar_is_that_of_the_usual_time(site: Site) -> None:
    site.put(Batch(executions=[a_running_execution(), *past()]))
    assert "data-usual" in page(site)


def test_what_ended_says_how_far_it_came(site: Site) -> None:
    site.put(Batch(executions=[an_execution(progress=HALF)]))
    assert "<progress" not in page(site)
    assert re.search("Came as far as 4[23]% <b>reading", words(site))


def test_facts_are_told_by_their_names(site: Site) -> None:
    site.put(Batch(executions=[an_execution(facts=FACTS)]))
    shown = words(site)
    for fact in ("rows 12", "file =a<b>.csv", "ratio 0.5"):
        assert fact in shown


def test_facts_are_columns_where_that_is_wanted(site: Site) -> None:
    site.put(Batch(executions=[an_execution(facts=FACTS), an_execution(id="2" * 16)]))
    shown = words(site, "/executions?column=rows+ratio")
    assert "Revision rows ratio" in shown
    assert "12 0.5" in shown
    rows = list(csv.DictReader(page(site, "/executions.csv?column=file+rows+none").splitlines()))
    assert [(row["file"], row["rows"], row["none"]) for row in rows] == [("", "", ""), ("'=a<b>.csv", "12", "")]


def test_programs_get_what_was_told_as_it_was(site: Site) -> None:
    site.put(Batch(executions=[an_execution(progress=HALF, facts=FACTS), an_execution(id="2" * 16)]))
    found = site.client.get(f"/api/v1/executions/{ID}").get_json()
    assert (found["progress"], found["facts"]) == (HALF, FACTS)
    other = site.client.get(f"/api/v1/executions/{'2' * 16}").get_json()
    assert (other["progress"], other["facts"], other["failure"]) == (None, {}, None)
