"""What is found in a store: every end once, whatever happens to who looks."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import a_job, an_execution
from windmill.alerts.home import SILENT, SILENT_LOOKS, UNREACHABLE
from windmill.alerts.reading import OVERLAP, STRIDE
from windmill.alerts.rules import Alert, Rule
from windmill.alerts.watch import Watch, held
from windmill.core.documents import Document, from_text, to_text
from windmill.core.model import Cause, State
from windmill.core.ports import Batch
from windmill.store.sqlite import SqliteStore

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class Bench:
    """A store, whoever looks at it, and a clock. `found` is all that was found so far."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path)
        self.now = NOON
        self.known: Document | None = None
        self.found: list[tuple[Alert, tuple[str, ...]]] = []
        self.beat: Document = {"left": False, "backlog": {"bytes": 0, "away_since": None}}
        self.restart()

    def restart(self) -> None:
        """Another process goes on from what was remembered."""
        self.watch = Watch(self.known, self.now, due=every_hour)

    def look(self, after: timedelta = SECOND, *, beats: bool = True) -> list[Rule]:
        """Look after so much time; return what is new."""
        self.now += after
        if beats:
            self.store.write(Batch(status={"scheduler": self.beat | {"at": to_text(self.now)}}))
        new = self.watch.look(self.store, self.now, home_channels=["home"])
        self.known = json.loads(json.dumps(self.watch.to_document()))
        self.found += new
        return [alert.rule for alert, _ in new]

    def job(self, name: str = "a", **changes: Any) -> None:
        notify = {"on_failure": ["team"], "on_recovery": ["team"], "on_late": ["late"]}
        self.store.write(
            Batch(jobs=[a_job(**({"id": f"p/{name}", "covered": to_text(NOON), "notify": notify} | changes))]),
        )

    def ends(self, number: int, state: State = State.FAILED, *, job: str = "p/a", **changes: Any) -> None:
        """An execution ends now that was queued a second ago, unless said otherwise."""
        queued = self.now - SECOND
        facts: dict[str, Any] = {
            "id": f"{number:016x}",
            "job": job,
            "state": state,
            "trigger": Cause.MANUAL,
            "slot": None,
            "queued_at": queued,
            "started_at": queued,
            "ended_at": None if state in {State.RUNNING, State.QUEUED} else self.now,
        }
        self.store.write(Batch(executions=[an_execution(**(facts | changes))]))


def every_hour(job: Document, after: datetime) -> datetime | None:
    return after.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "windmill.db")
    bench.job()
    yield bench
    bench.store.close()


def test_a_failure_is_found_once(bench: Bench) -> None:
    bench.look()
    bench.ends(1)
    assert bench.look() == [Rule.FAILED]
    assert [bench.look() for _ in range(3)] == [[], [], []]
    assert bench.found[0][1] == ("team",)


def test_what_ended_before_anybody_looked_is_not_told(bench: Bench) -> None:
    bench.ends(1, queued_at=NOON - MINUTE, ended_at=NOON - SECOND)
    assert bench.look() == []


def test_an_execution_of_long_ago_that_ends_now_is_found(bench: Bench) -> None:
    bench.look()
    queued = bench.now
    bench.ends(1, State.RUNNING, queued_at=queued)
    for _ in range(5):
        bench.look(MINUTE)
    bench.ends(1, queued_at=queued)
    assert bench.look() == [Rule.FAILED]


def test_a_record_that_comes_somewhat_late_is_found(bench: Bench) -> None:
    bench.look()
    bench.look(OVERLAP)
    bench.ends(1, queued_at=bench.now - OVERLAP + SECOND, ended_at=bench.now)
    assert bench.look(timedelta(0)) == [Rule.FAILED]


def test_what_came_while_the_store_was_away_is_found_however_late(bench: Bench) -> None:
    bench.look()
    away_since = bench.now
    bench.beat["backlog"] = {"bytes": 10, "away_since": to_text(away_since)}
    bench.look(MINUTE)
    bench.beat["backlog"] = {"bytes": 10, "away_since": None}
    bench.look(30 * MINUTE)
    bench.ends(1, queued_at=away_since + SECOND, ended_at=away_since + 2 * SECOND)
    bench.beat["backlog"] = {"bytes": 0, "away_since": None}
    assert bench.look() == [Rule.FAILED]


def test_what_came_while_nobody_looked_is_found_in_strides(bench: Bench) -> None:
    bench.look()
    bench.restart()
    for hour in range(5):
        at = NOON + hour * STRIDE + MINUTE
        state = State.SUCCEEDED if hour % 2 else State.FAILED
        bench.ends(hour, state, queued_at=at, started_at=at, ended_at=at + SECOND)
    bench.look(5 * STRIDE)
    for _ in range(6):
        bench.look()
    assert [alert.rule for alert, _ in bench.found] == [Rule.FAILED, Rule.RECOVERED] * 2 + [Rule.FAILED]


@pytest.mark.parametrize("seed", range(5))
def test_kills_at_any_time_lose_and_double_nothing(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    running: dict[str, tuple[int, datetime]] = {}
    for name in "abc":
        bench.job(name)
    expected, failing = [], set()
    for number in range(120):
        name = chance.choice("abc")
        if name in running:
            begun, queued = running.pop(name)
            state = chance.choice([State.FAILED, State.SUCCEEDED])
            bench.ends(begun, state, job=f"p/{name}", queued_at=queued, started_at=queued)
            if state is State.FAILED and name not in failing:
                expected.append((f"p/{name}", Rule.FAILED))
                failing.add(name)
            elif state is State.SUCCEEDED and name in failing:
                expected.append((f"p/{name}", Rule.RECOVERED))
                failing.remove(name)
        else:
            running[name] = (number, bench.now)
            bench.ends(number, State.RUNNING, job=f"p/{name}", queued_at=bench.now)
        if chance.random() < 0.3:
            bench.watch.look(bench.store, bench.now, home_channels=[])  # killed before it was remembered
            bench.restart()
        elif chance.random() < 0.3:
            bench.restart()
        bench.now += SECOND * chance.choice([0, 1, 20])
        bench.look()
    assert [(alert.about, alert.rule) for alert, _ in bench.found] == expected


def test_a_job_nobody_wants_to_hear_of_is_not_told(bench: Bench) -> None:
    bench.store.write(Batch(jobs=[a_job(id="p/quiet", covered=to_text(NOON))]))
    bench.look()
    bench.ends(1, job="p/quiet")
    assert bench.look() == []


def test_a_change_of_who_wants_to_hear_counts_at_once(bench: Bench) -> None:
    bench.look()
    bench.job("new")
    bench.ends(1, job="p/new")
    assert bench.look() == [Rule.FAILED]


def test_a_lost_execution_of_any_job_is_told_to_who_hears_of_the_home(bench: Bench) -> None:
    bench.look()
    bench.ends(1, State.LOST, job="p/quiet")
    bench.ends(2, State.LOST)
    assert bench.look() == [Rule.LOST, Rule.LOST, Rule.FAILED]
    assert [names for _, names in bench.found] == [("home",), ("home",), ("team",)]


# By the clock


def test_a_slot_that_was_not_started_is_late_once(bench: Bench) -> None:
    bench.job(expect={"late_after": 600})
    bench.look(timedelta(hours=1))
    assert bench.look(9 * MINUTE) == []
    assert bench.look(2 * MINUTE) == [Rule.LATE]
    assert bench.look(MINUTE) == []
    assert bench.found[0][0].since == NOON + timedelta(hours=1)
    assert bench.found[0][1] == ("late",)


def test_a_slot_that_was_started_is_not_late(bench: Bench) -> None:
    bench.job(expect={"late_after": 600})
    slot = NOON + timedelta(hours=1)
    bench.look(timedelta(hours=1))
    bench.ends(1, State.RUNNING, trigger=Cause.SCHEDULE, slot=slot, queued_at=slot, started_at=slot)
    assert bench.look(11 * MINUTE) == []


def test_a_slot_that_waits_for_a_place_is_late(bench: Bench) -> None:
    bench.job(expect={"late_after": 600})
    slot = NOON + timedelta(hours=1)
    bench.look(timedelta(hours=1))
    bench.ends(1, State.QUEUED, trigger=Cause.SCHEDULE, slot=slot, queued_at=slot, started_at=None)
    assert bench.look(11 * MINUTE) == [Rule.LATE]


@pytest.mark.parametrize(
    "change", [{"enabled": False}, {"paused": {"until": None, "by": "", "note": ""}}, {"deleted": True}]
)
def test_a_job_that_is_not_to_run_is_neither_late_nor_old(bench: Bench, change: Document) -> None:
    bench.job(expect={"late_after": 600, "max_age": 60}, **change)
    assert bench.look(timedelta(hours=3)) == []
    assert bench.look(MINUTE) == []


def test_nothing_is_late_while_records_wait_for_the_store(bench: Bench) -> None:
    bench.job(expect={"late_after": 600})
    bench.beat["backlog"] = {"bytes": 10, "away_since": to_text(NOON)}
    assert bench.look(timedelta(hours=3)) == []
    bench.beat["backlog"] = {"bytes": 0, "away_since": None}
    for _ in range(4):
        bench.look()
    assert [alert.rule for alert, _ in bench.found] == [Rule.LATE]


def test_nothing_is_late_in_the_first_seconds_of_an_outage(bench: Bench) -> None:
    bench.job(expect={"late_after": 5})
    bench.look(timedelta(hours=1) - SECOND)
    bench.beat["backlog"] = {"bytes": 10, "away_since": to_text(bench.now)}
    assert bench.look(30 * SECOND) == []


def test_a_changed_schedule_owes_nothing_from_before(bench: Bench) -> None:
    bench.job(expect={"late_after": 600})
    bench.look(timedelta(hours=1))
    bench.job(expect={"late_after": 600}, covered=to_text(bench.now))
    assert bench.look(11 * MINUTE) == []
    assert bench.look(timedelta(hours=1)) == [Rule.LATE]


def test_a_success_grows_old(bench: Bench) -> None:
    bench.job(expect={"max_age": 3600}, first_seen=to_text(NOON))
    bench.look()
    bench.ends(1, State.SUCCEEDED, ended_at=NOON + SECOND)
    bench.look()
    assert bench.look(59 * MINUTE) == []
    assert bench.look(MINUTE) == [Rule.OLD]
    bench.ends(2, State.SUCCEEDED)
    bench.look()
    assert bench.look(MINUTE) == []
    assert bench.look(timedelta(hours=1)) == [Rule.OLD]


def test_what_runs_longer_than_usual_is_slow(bench: Bench) -> None:
    bench.job(expect={"slower_than": 0.5})
    for number in range(3):
        begun = NOON + number * MINUTE
        bench.ends(number, State.SUCCEEDED, queued_at=begun, started_at=begun, ended_at=begun + timedelta(seconds=10))
    bench.look(10 * MINUTE)
    begun = bench.now
    bench.ends(9, State.RUNNING, queued_at=begun, started_at=begun)
    assert bench.look(timedelta(seconds=15)) == []
    assert bench.look(SECOND) == [Rule.SLOW]
    assert bench.found[0][0].detail == "usually 10.0 s"


# The home


def test_a_scheduler_without_a_heartbeat_is_silent_once_until_it_is_heard(bench: Bench) -> None:
    bench.look()
    for _ in range(2):
        for _ in range(SILENT_LOOKS + 3):
            bench.look(SILENT, beats=False)
        bench.look()
    assert [alert.rule for alert, _ in bench.found] == [Rule.SILENT] * 2


def test_a_machine_that_wakes_up_has_no_silent_scheduler(bench: Bench) -> None:
    bench.look()
    assert bench.look(timedelta(hours=8), beats=False) == []
    assert bench.look() == []


def test_a_scheduler_that_left_is_not_silent(bench: Bench) -> None:
    bench.beat["left"] = True
    bench.look()
    assert [bench.look(SILENT, beats=False) for _ in range(SILENT_LOOKS + 3)] == [[]] * (SILENT_LOOKS + 3)


def told_projects(bench: Bench, sync: str, *, unreachable: str = "", error: str = "") -> None:
    project = {"id": "reports", "sync": sync, "unreachable": unreachable, "error": error or unreachable}
    bench.store.write(Batch(status={"projects": {"projects": [project]}}))


@pytest.mark.parametrize("sync", ["error", "held"])
def test_a_revision_that_is_not_taken_is_told_once(bench: Bench, sync: str) -> None:
    told_projects(bench, sync, error="job files with mistakes")
    assert [bench.look(), bench.look()] == [[Rule.SYNC], []]
    assert (bench.found[0][0].about, bench.found[0][0].detail) == ("reports", "job files with mistakes")
    told_projects(bench, "synced")
    bench.look()
    told_projects(bench, sync, error="again")
    assert bench.look() == [Rule.SYNC]


def test_a_source_may_be_away_for_a_while(bench: Bench) -> None:
    told_projects(bench, "error", unreachable="no route")
    bench.look()
    assert bench.look(UNREACHABLE - SECOND) == []
    assert bench.look(2 * SECOND) == [Rule.SYNC]
    told_projects(bench, "synced")
    bench.look()
    told_projects(bench, "error", unreachable="no route")
    assert bench.look() == []


def test_records_are_held_to_be_missing_from_when_the_store_went_away_until_nothing_waits() -> None:
    def beat(waiting: int, away_since: datetime | None) -> Document:
        return {"backlog": {"bytes": waiting, "away_since": to_text(away_since)}}

    hold = held(None, beat(5, NOON))
    assert hold == NOON
    assert held(hold, beat(5, NOON + MINUTE)) == NOON
    assert held(hold, beat(5, None)) == NOON
    assert held(hold, beat(0, None)) is None
    assert held(None, beat(5, None)) is None
    assert held(None, None) is None


def test_what_is_remembered_stays_small(bench: Bench) -> None:
    for number in range(50):
        bench.ends(number, State.SUCCEEDED)
        bench.look(MINUTE)
    assert bench.known is not None
    assert len(bench.known["cursor"]["judged"]) <= 2
    assert bench.known["jobs"] == []
    assert (from_text(bench.known["cursor"]["until"]) or NOON) >= bench.now - OVERLAP
