from __future__ import annotations

from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_job
from windmill.app.home import Home
from windmill.app.schedules import schedules_of
from windmill.app.web import starts_of
from windmill.core.documents import Document
from windmill.dashboard.facts import Starts


@pytest.fixture
def starts(tmp_path: Path) -> Starts:
    (tmp_path / "windmill.toml").write_text('timezone = "America/Sao_Paulo"\n')
    return starts_of(schedules_of(Home(tmp_path, {})))


def due(schedule: object, **changes: object) -> Document:
    """The document of a job with that schedule."""
    return a_job(document={"name": "hello", "entry_point": "hello.py", "schedule": schedule}, **changes)


def test_starts_are_told_in_the_zone_of_the_schedule(starts: Starts) -> None:
    found = list(islice(starts(due("0 3 * * *"), NOON), 2))
    assert [f"{at:%d %H:%M} {at.tzinfo}" for at in found] == [
        "02 03:00 America/Sao_Paulo",
        "03 03:00 America/Sao_Paulo",
    ]


def test_starts_may_be_without_end(starts: Starts) -> None:
    found = islice(starts(due({"interval": "1h"}), NOON), 1000)
    assert list(found)[-1] == NOON + timedelta(hours=1000)


@pytest.mark.parametrize(
    "job",
    [due(None), due("0 3 * * *", enabled=False), due("0 3 * * *", paused={"until": None}), due({"moon": "full"})],
    ids=["manual", "disabled", "paused", "of a newer version"],
)
def test_some_jobs_are_never_due(starts: Starts, job: Document) -> None:
    assert list(starts(job, NOON)) == []


def test_a_changed_definition_is_read_anew(starts: Starts) -> None:
    first = next(iter(starts(due({"interval": "1h"}, digest="a"), NOON)))
    second = next(iter(starts(due({"interval": "2h"}, digest="b"), NOON)))
    assert second - first == timedelta(hours=1)
