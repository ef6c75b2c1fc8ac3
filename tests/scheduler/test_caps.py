"""Caps over all jobs and over groups, as the settings say them now."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.scheduler.test_scheduler import Bench
from tests.support.world import MINUTE, T0, a_job
from windmill.core.documents import Document
from windmill.core.model import Caps
from windmill.scheduler.report import Report


def started(bench: Bench) -> list[str]:
    return [plan.execution.job for plan in bench.hand.plans]


def a_full_group(tmp_path: Path) -> Bench:
    """One of group warehouse runs, two of it wait."""
    bench = Bench(tmp_path, groups={"warehouse": 1})
    bench.define(*(a_job(name=name, group="warehouse") for name in ("a", "b", "c")), a_job(name="free"))
    bench.at(T0)
    assert started(bench) == ["dw/a", "dw/free"]
    return bench


def test_jobs_of_a_group_share_its_cap(tmp_path: Path) -> None:
    bench = a_full_group(tmp_path)
    bench.end(bench.hand.plans[0])
    bench.at(T0 + MINUTE / 2)
    assert started(bench) == ["dw/a", "dw/free", "dw/b"]


def test_the_place_of_a_start_that_failed_is_given_to_the_next_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_running=1)
    bench.define(a_job(name="a", project="a-ghost"), a_job(name="b"))
    bench.at(T0)
    assert started(bench) == ["dw/b"]


def test_a_cap_that_is_raised_counts_at_once(tmp_path: Path) -> None:
    bench = a_full_group(tmp_path)
    bench.performer.caps = Caps(max_running=8, groups={"warehouse": 3})
    bench.at(T0 + MINUTE / 2)
    assert started(bench) == ["dw/a", "dw/free", "dw/b", "dw/c"]


def test_a_cap_that_is_lowered_stops_nothing_and_lets_nothing_start(tmp_path: Path) -> None:
    bench = a_full_group(tmp_path)
    bench.performer.caps = Caps(max_running=1, groups={"warehouse": 0})
    bench.at(T0 + MINUTE / 2)
    assert (started(bench), bench.hand.stopped) == (["dw/a", "dw/free"], [])


def test_a_job_that_changes_its_group_waits_in_the_new_one(tmp_path: Path) -> None:
    bench = a_full_group(tmp_path)
    bench.define(a_job(name="c", group="mail", digest="other"))
    bench.at(T0 + MINUTE / 2)
    assert started(bench) == ["dw/a", "dw/free", "dw/c"]


def test_who_waits_is_told_in_order_with_the_group(tmp_path: Path) -> None:
    bench = a_full_group(tmp_path)
    assert [(one.job, one.group) for one in bench.performer.waiting] == [("dw/b", "warehouse"), ("dw/c", "warehouse")]


class Notes:
    """An outbox that is read at once."""

    def __init__(self) -> None:
        self.status: dict[str, Document] = {}

    def put(
        self,
        *,
        jobs: Iterable[Document] = (),
        status: dict[str, Document] | None = None,
        answers: Iterable[Document] = (),
    ) -> None:
        self.status |= status or {}

    def wake(self) -> None:
        """Nobody sleeps."""

    def backlog(self) -> Document:
        return {}


def test_how_full_a_group_is_is_told(tmp_path: Path) -> None:
    bench, notes = a_full_group(tmp_path), Notes()
    Report(notes, bench.table, bench.performer, clock=lambda: T0, facts={}).heartbeat()
    told = notes.status["scheduler"]
    assert (told["groups"], told["groups_taken"], told["waiting_count"]) == ({"warehouse": 1}, {"warehouse": 1}, 2)
    assert told["groups_waiting"] == {"warehouse": 2}
