from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_running_execution, an_execution
from tests.support.command import remember, windmill
from windmill.core.model import State
from windmill.scheduler.clock import now

FIELDS = {
    "id", "project", "job", "state", "reason", "trigger", "slot", "queued_at", "started_at", "ended_at", "exit_code",
    "signal", "attempt", "retry_of", "revision", "coalesced", "output_bytes",
}  # fmt: skip


def ids(found: list[dict[str, str]]) -> list[str]:
    return [execution["id"].lstrip("0") for execution in found]


@pytest.fixture
def busy(home: Path) -> Path:
    """Return the home with three ended executions, oldest first 1 to 3, and 4 that runs."""
    ended = [
        an_execution(id=f"{number:016x}", queued_at=NOON + timedelta(hours=number), job=job, state=state)
        for number, job, state in (
            (1, "p/hello", State.FAILED),
            (2, "p/hello", State.SUCCEEDED),
            (3, "q/x", State.LOST),
        )
    ]
    remember(home, executions=[*ended, a_running_execution(id=f"{4:016x}", queued_at=NOON + timedelta(hours=4))])
    return home


def test_ps_shows_what_is_open(busy: Path) -> None:
    assert ids(windmill(busy, "ps", "--json").json) == ["4"]


def test_an_execution_has_all_facts_in_json(busy: Path) -> None:
    (execution,) = windmill(busy, "ps", "--json").json
    assert execution.keys() >= FIELDS


def test_all_come_newest_first(busy: Path) -> None:
    assert ids(windmill(busy, "ps", "-a", "--json").json) == ["4", "3", "2", "1"]


def test_a_limit_keeps_the_newest(busy: Path) -> None:
    assert ids(windmill(busy, "ps", "--limit", "2", "--json").json) == ["4", "3"]


def test_more_than_a_page_comes_whole(home: Path) -> None:
    many = [an_execution(id=f"{number:016x}", queued_at=NOON + timedelta(seconds=number)) for number in range(450)]
    remember(home, executions=many)
    assert len(windmill(home, "ps", "-a").out.splitlines()) == 450


def test_a_state_implies_ended_ones(busy: Path) -> None:
    assert ids(windmill(busy, "ps", "--state", "failed", "--state", "lost", "--json").json) == ["3", "1"]


def test_a_job_that_is_in_no_file_any_more_can_still_be_asked_for(busy: Path) -> None:
    assert ids(windmill(busy, "ps", "--job", "x", "--json").json) == ["3"]


def test_the_last_hours_count_from_now(busy: Path) -> None:
    recent = an_execution(id=f"{9:016x}", queued_at=now() - timedelta(minutes=5))
    remember(busy, executions=[recent])
    assert ids(windmill(busy, "ps", "--last", "1h", "--json").json) == ["9"]


def test_an_unreadable_duration_says_how_one_is_written(busy: Path) -> None:
    outcome = windmill(busy, "ps", "--last", "soon")
    assert (outcome.status, "1h30m" in outcome.err) == (1, True)


def test_piped_columns_are_tabs_without_a_heading(busy: Path) -> None:
    (line,) = windmill(busy, "ps").out.splitlines()
    assert line.split("\t")[:3] == [f"{4:016x}", "p/hello", "running"]


def test_a_name_cannot_steer_the_terminal(home: Path) -> None:
    remember(home, executions=[a_running_execution(job="p/\x1b]0;x\x07evil", reason="a\nb\tc")])
    (line,) = windmill(home, "ps").out.splitlines()
    assert "\x1b" not in line
    assert len(line.split("\t")) == 10


def test_an_empty_list_is_empty_and_no_error(home: Path) -> None:
    assert windmill(home, "ps").out == ""
    assert windmill(home, "ps", "--json").json == []
