from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import a_job, an_execution
from tests.support.command import remember, windmill
from windmill.core.documents import Document, to_text
from windmill.core.model import State
from windmill.core.ports import OutputBlock
from windmill.scheduler.clock import now


def aged(number: int, days: int, **facts: object) -> Document:
    """Return execution `number`, which wrote 1,000 bytes so many days ago."""
    then = now() - timedelta(days=days)
    times = {"queued_at": then, "started_at": then, "ended_at": then, "slot": then}
    return an_execution(id=f"{number:016x}", **(times | {"output_bytes": 1000} | facts))


@pytest.fixture
def old(home: Path) -> Path:
    """Return the home with executions of p/hello of 100, 95, 10 and 1 days ago, ids 1 to 4, and output of each."""
    ones = [aged(number, days) for number, days in ((1, 100), (2, 95), (3, 10), (4, 1))]
    remember(home, executions=ones, output=[OutputBlock(one["id"], 1, 1, 1, 0, b"x" * 1000) for one in ones])
    return home


def left(home: Path) -> list[str]:
    return sorted(execution["id"].lstrip("0") for execution in windmill(home, "ps", "-a", "--json").json)


def set_keep(home: Path, keep: str) -> None:
    (home / "jobs.d" / "hello.yaml").write_text(f"project: p\nentry_point: hello.py\nkeep: {keep}\n")


def test_what_is_older_than_ninety_days_goes(old: Path) -> None:
    assert windmill(old, "purge").status == 0
    assert left(old) == ["3", "4"]


def test_output_goes_with_its_execution(old: Path) -> None:
    windmill(old, "purge", "--days", "50")
    remember(old, executions=[aged(1, 100)])
    assert windmill(old, "logs", f"{1:016x}").out == ""


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_it_says_what_went_of_each_job(old: Path, dry: list[str]) -> None:
    remember(old, jobs=[a_job(id="q/x")], executions=[aged(9, 1, job="q/x")])
    (row,) = windmill(old, "purge", "--json", *dry).json
    assert (row["job"], row["executions"], row["output_bytes"]) == ("p/hello", 2, 2000)
    assert [row["oldest"], row["newest"]] == sorted([row["oldest"], row["newest"]])


def test_a_dry_run_deletes_nothing(old: Path) -> None:
    outcome = windmill(old, "purge", "--dry-run")
    assert (outcome.status, "would delete 2 executions with 2.0 KiB" in outcome.err) == (0, True)
    assert left(old) == ["1", "2", "3", "4"]


def test_a_dry_run_counts_more_than_a_page(home: Path) -> None:
    remember(home, executions=[aged(number, 200) for number in range(2501)])
    (row,) = windmill(home, "purge", "--dry-run", "--json").json
    assert row["executions"] == 2500


@pytest.mark.parametrize(
    ("keep", "stays"),
    [("{days: forever}", "1234"), ("{days: 5}", "4"), ("{days: forever, runs: 3}", "234"), ("{days: 30}", "34")],
)
def test_the_file_of_a_job_says_what_stays(old: Path, keep: str, stays: str) -> None:
    set_keep(old, keep)
    windmill(old, "purge")
    assert left(old) == list(stays)


@pytest.mark.parametrize(("option", "stays"), [(["--runs", "1"], "4"), (["--days", "97"], "234")])
def test_an_option_wins_over_what_the_job_says(old: Path, option: list[str], stays: str) -> None:
    set_keep(old, "{days: forever, runs: 1000}")
    windmill(old, "purge", *option)
    assert left(old) == list(stays)


def test_the_newest_success_and_the_newest_failure_stay_however_old(home: Path) -> None:
    states = (State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.LOST, State.SKIPPED)
    remember(home, executions=[aged(n, 900 - n, state=state) for n, state in enumerate(states, start=1)])
    windmill(home, "purge")
    assert left(home) == ["2", "4"]


def test_only_the_jobs_that_are_named_are_touched(old: Path) -> None:
    remember(old, jobs=[a_job(id="q/x")], executions=[aged(n, 200, job="q/x") for n in (7, 8, 9)])
    windmill(old, "purge", "x")
    assert left(old) == ["1", "2", "3", "4", "9"]


def test_a_deleted_job_is_cleaned_by_what_it_last_said(home: Path) -> None:
    gone = a_job(id="p/gone", deleted=True, keep={"days": 20, "runs": None})
    remember(home, jobs=[gone], executions=[aged(n, days, job="p/gone") for n, days in ((1, 30), (2, 10), (3, 1))])
    windmill(home, "purge")
    assert left(home) == ["2", "3"]
    assert windmill(home, "ps", "--job", "gone").status == 0


def test_a_job_that_no_file_ever_named_is_kept_by_the_defaults(home: Path) -> None:
    remember(home, executions=[aged(n, days, job="who/knows") for n, days in ((1, 91), (2, 89), (3, 1))])
    windmill(home, "purge", "who/knows")
    assert left(home) == ["2", "3"]


def test_an_unknown_job_is_not_found_and_nothing_is_deleted(old: Path) -> None:
    outcome = windmill(old, "purge", "hello", "nobody")
    assert (outcome.status, 'no job is called "nobody"' in outcome.err) == (4, True)
    assert left(old) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("option", ["--days", "--runs"])
def test_to_keep_nothing_is_no_wish(old: Path, option: str) -> None:
    assert windmill(old, "purge", option, "0").status == 2


def test_a_home_with_nothing_old_says_so(home: Path) -> None:
    outcome = windmill(home, "purge", "--json")
    assert (outcome.status, outcome.json, outcome.err) == (0, [], "deleted 0 executions with 0 B of output\n")


def test_the_age_counts_from_when_it_was_queued(home: Path) -> None:
    queued = now() - timedelta(days=91)
    late = aged(1, 1, queued_at=queued)
    assert late["queued_at"] == to_text(queued)
    remember(home, executions=[late, aged(2, 0)])
    windmill(home, "purge")
    assert left(home) == ["2"]
