"""Jobs among others, and executions in line, in a terminal."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import NOON, a_job, an_execution
from tests.support.command import make_home, remember, windmill
from tests.support.stand_in import done, scheduler
from windmill.cli.chains import in_line
from windmill.core.documents import Document
from windmill.core.line import Place
from windmill.core.model import Cause, State, execution_id

FILES = {
    "jobs.d/extract.yaml": "entry_point: hello.py\n",
    "jobs.d/load.yaml": "entry_point: hello.py\nafter: [{job: extract}]\n",
    "jobs.d/publish.yaml": "entry_point: hello.py\nafter: [{job: load, when: any}]\n",
    "projects/p/hello.py": "print('hello')\n",
}
E1, E2 = "1" * 16, "2" * 16
FOLLOWER = execution_id("p/load", cause=Cause.AFTER, what=E1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three jobs after each other, of which the first ran, and the second after it."""
    made = make_home(tmp_path, FILES)
    remember(
        made,
        executions=[
            an_execution(id=E1, job="p/extract"),
            an_execution(id=FOLLOWER, job="p/load", trigger=Cause.AFTER, after={"p/extract": E1}),
        ],
    )
    return made


def shown_chain(home: Path, job: str) -> list[str]:
    section = windmill(home, "show", job).out.partition("\nchain\n")[2].partition("\n\n")[0]
    return [re.sub(r"Success \d.* ago", "Success", line[2:]) for line in section.splitlines()]


def test_a_job_is_shown_among_those_before_and_after_it(home: Path) -> None:
    assert shown_chain(home, "load") == [
        "  p/extract  Success",
        "*   p/load  Success, after p/extract",
        "      p/publish  never ran, however p/load ended",
        "waits for p/extract",
    ]


def test_a_job_by_itself_has_no_chain(tmp_path: Path) -> None:
    alone = make_home(tmp_path, {"jobs.d/hello.yaml": "entry_point: hello.py\n", "projects/p/hello.py": ""})
    assert shown_chain(alone, "hello") == []


def test_a_job_that_is_not_there_is_told_as_that(home: Path) -> None:
    (home / "jobs.d" / "extract.yaml").unlink()
    assert shown_chain(home, "load")[0] == "  p/extract  is not there"


def test_an_execution_names_what_followed_it(home: Path) -> None:
    with scheduler(home, done(), jobs=[a_job(id="p/load", after=[{"job": "p/extract", "when": "success"}])]):
        out = windmill(home, "show", E1).out
    assert f"p/load  {FOLLOWER}  Success: followed p/extract ({E1})" in out


@pytest.fixture
def waiting() -> dict[str, Any]:
    """An execution that is the second to wait for its group."""
    told = [{"job": "p/x", "execution": "x", "since": None, "group": "dw"}]
    told += [{"job": "p/load", "execution": E2, "since": None, "group": "dw"}]
    status: Document = {"id": "scheduler", "running": 1, "max_running": 8, "groups": {"dw": 1}}
    later = NOON + timedelta(minutes=1)
    queued = an_execution(id=E2, job="p/load", state=State.QUEUED, queued_at=later, started_at=None, ended_at=None)
    status |= {"groups_taken": {"dw": 1}, "waiting": told, "waiting_count": 2}
    return {"executions": [queued], "status": {"scheduler": status}}


def test_an_execution_that_waits_says_for_what(home: Path, waiting: dict[str, Any]) -> None:
    with scheduler(home, done(), **waiting):
        assert "in line\tnumber 2 in line: group dw is full (1 of 1)" in windmill(home, "show", E2).out
        (found,) = windmill(home, "ps", "--json").json
    assert (found["line"]["number"], found["line"]["group"]) == (2, "dw")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place("e", "p/a", None, 1, "", 8, 8), "next in line: all places are taken (8)"),
        (Place("e", "p/a", None, 3, "dw", 2, 2), "number 3 in line: group dw is full (2 of 2)"),
        (Place("e", "p/a", None, 1, "", 7, 8), "starts any moment"),
    ],
)
def test_where_it_stands_is_told_in_words(place: Place, said: str) -> None:
    assert in_line(place) == said
