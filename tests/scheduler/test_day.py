"""Whole days of many jobs, judged by what was written down."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.calendars import due, utc
from tests.support.day import Day
from tests.support.judgement import Judgement, Span
from windmill.core.events import PauseRequested, ResumeRequested, RunRequested, StopRequested
from windmill.core.model import After, Caps, CatchUp, Execution, Job, Overrun, Retry, Schedule, State, When
from windmill.core.state import ManualRequest, Pause
from windmill.core.triggers import slots, trigger_for

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
SPRING = utc(2026, 3, 28, 20)  # the evening before the clocks of Europe are put forward
AUTUMN = utc(2026, 10, 24, 20)
ZONES = ("UTC", "Europe/Lisbon", "Europe/Berlin", "America/Sao_Paulo", "America/New_York", "Australia/Lord_Howe")
CRONS = (
    "0 * * * *",
    "*/20 * * * *",
    "30 2 * * *",
    "15 1 * * *",
    "0 1,2,3 * * *",
    "*/15 9-17 * * 1-5",
    "5 0-6 29 * 6",
)
GROUPS = ("", "", "", "warehouse", "mail")
ENDS = (*[State.SUCCEEDED] * 6, State.FAILED, State.FAILED, State.TIMED_OUT, State.LOST)


class Story:
    """A day that chance makes of a number, the same for the same number."""

    def __init__(self, seed: int, *, jobs: int, hours: int, acts: int, begin: datetime) -> None:
        self.random, self.begin, self.hours = Random(seed), begin, hours
        self.seed, self.pauses = seed, dict[str, list[Span]]()
        self.number = 0
        caps = Caps(max_running=max(2, jobs // 8), groups={"warehouse": 2, "mail": 1})
        self.day = Day(begin, self.takes, caps, lambda: self.random.random() < 0.5)
        for number in range(jobs):
            job = self.job(number)
            self.day.jobs[job.key] = job
        self.acts = sorted(self.random.uniform(0, hours * 3600) for _ in range(acts))

    def takes(self, execution: Execution) -> tuple[timedelta, State]:
        """How long and how an execution ends: by its name alone."""
        chance = Random(f"{self.seed}{execution.id}")
        longest = 150 if chance.random() < 0.1 else 20
        return timedelta(seconds=chance.randint(1, longest * 60)), chance.choice(ENDS)

    def schedule(self) -> Schedule:
        chance = self.random
        kind = chance.choice(["interval", "interval", "cron", "cron", "at"])
        common = Schedule(
            overrun=chance.choice(list(Overrun)),
            catch_up=chance.choice(list(CatchUp)),
            catch_up_window=chance.choice([HOUR, 24 * HOUR]),
            timezone=chance.choice(ZONES),
            end_at=self.begin + self.hours * HOUR / 2 if chance.random() < 0.1 else None,
        )
        if kind == "interval":
            start = self.begin + chance.randint(-60, 60) * MINUTE if chance.random() < 0.7 else None
            return replace(common, interval=chance.choice([5, 15, 45, 60, 90, 240]) * MINUTE, start_at=start)
        if kind == "cron":
            return replace(common, cron=chance.choice(CRONS))
        return replace(common, at=self.begin + chance.randint(1, self.hours * 60) * MINUTE)

    def job(self, number: int) -> Job:
        chance = self.random
        after: tuple[After, ...] = ()
        if number > 2 and chance.random() < 0.4:
            above = chance.sample(range(max(0, number - 12), number), chance.choice([1, 1, 1, 2, 3]))
            after = tuple(
                After(_key(one), chance.choice([When.SUCCESS, When.SUCCESS, When.ANY, When.FAILURE])) for one in above
            )
        timed = chance.random() < (0.3 if after else 0.9)
        key = _key(number)
        return Job(
            project=key.partition("/")[0] if chance.random() > 0.02 else "ghost",
            name=key.partition("/")[2],
            entry_point="a.py",
            file=f"{number}.yaml",
            digest=f"d{number}",
            schedule=self.schedule() if timed else None,
            after=after,
            group=chance.choice(GROUPS),
            priority=chance.choice([0, 0, 0, 10, -10, 100, -100]),
            retry=Retry(limit=chance.choice([0, 0, 1, 3]), delay=chance.choice([10 * SECOND, 7 * MINUTE])),
        )

    # What happens

    def play(self) -> Day:
        day = self.day
        day.begin()
        for act in self.acts:
            day.until(self.begin + timedelta(milliseconds=round(act * 1000)))
            self.happen()
        if not day.alive:
            day.begin()
        day.until(self.begin + self.hours * HOUR)
        return day

    def happen(self) -> None:
        chance, day = self.random, self.day
        if not day.alive:
            if chance.random() < 0.5:
                self.edit()
            day.begin()
            return
        act = chance.choice([self.pause, self.resume, self.run, self.stop, self.edit, self.cap, self.die, self.die])
        act()

    def key(self) -> str:
        return self.random.choice(sorted(self.day.jobs))

    def pause(self) -> None:
        key, now = self.key(), self.day.now
        until = now + self.random.randint(1, 180) * MINUTE if self.random.random() < 0.5 else None
        self.ended_pause(key)
        self.pauses.setdefault(key, []).append((now, until or self.begin + 1000 * HOUR))
        self.day.ask(key, PauseRequested("p", Pause(until=until)))

    def resume(self) -> None:
        key = self.random.choice(sorted(self.pauses) or [self.key()])
        self.ended_pause(key)
        self.day.ask(key, ResumeRequested("r"))

    def ended_pause(self, key: str) -> None:
        known = self.pauses.get(key, [])
        self.pauses[key] = [(begin, min(end, self.day.now)) for begin, end in known]

    def run(self) -> None:
        self.number += 1
        self.day.ask(self.key(), RunRequested(ManualRequest(id=f"m{self.number}"), self.random.random() < 0.5))

    def stop(self) -> None:
        entries = [entry for entry in self.day.table if entry.state.open is not None]
        if entries and (execution := self.random.choice(entries).state.open):
            self.day.ask(execution.job, StopRequested("s", execution.id, "ana"))

    def edit(self) -> None:
        job = self.day.jobs[self.key()]
        number = int(job.name[1:])
        fresh = self.job(number)
        match self.random.randrange(6):
            case 0:
                self.day.save(replace(job, schedule=fresh.schedule))
            case 1:
                self.day.save(replace(job, after=fresh.after))
            case 2:
                self.day.save(replace(job, group=fresh.group, priority=fresh.priority))
            case 3:
                self.day.save(replace(job, enabled=not job.enabled))
            case 4 if len(self.day.jobs) > 3:
                self.day.save(remove=[job.key])
            case _:
                self.day.save(fresh, replace(job, description="touched"))

    def cap(self) -> None:
        caps = self.day.caps
        places = max(1, caps.max_running + self.random.choice([-1, 1]))
        self.day.cap(Caps(max_running=places, groups={"warehouse": self.random.randint(0, 3), "mail": 1}))

    def die(self) -> None:
        match self.random.randrange(3):
            case 0:
                self.day.die()
            case 1:
                self.day.turn(dies="write")
            case _:
                self.day.turn(dies="orders")


def _key(number: int) -> str:
    return f"p{number % 7}/j{number}"


def judge(story: Story) -> list[str]:
    """Play the story and return whatever should not have happened."""
    day = story.play()
    return [*Judgement(day, story.pauses).faults(), *(f"broken: {one.state.key}" for one in day.table if one.broken)]


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Hundreds of failures are part of a story and no news."""
    log = logging.getLogger("windmill.scheduler")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


def test_two_hundred_jobs_have_a_day_as_the_manual_says() -> None:
    assert judge(Story(7, jobs=200, hours=24, acts=400, begin=SPRING)) == []


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 1_000_000),
    jobs=st.integers(4, 20),
    hours=st.integers(1, 10),
    acts=st.integers(0, 40),
    begin=st.sampled_from([SPRING, AUTUMN]),
)
def test_whatever_happens_days_go_as_the_manual_says(
    seed: int, jobs: int, hours: int, acts: int, begin: datetime
) -> None:
    assert judge(Story(seed, jobs=jobs, hours=hours, acts=acts, begin=begin)) == []


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", CRONS)
def test_cron_is_due_when_the_clock_on_the_wall_says(cron: str, zone: str) -> None:
    schedule = Schedule(cron=cron, timezone=zone)
    trigger = trigger_for(schedule, key="p/j", first_seen=SPRING)
    for begin in (SPRING, AUTUMN, SPRING + 7 * 24 * HOUR):
        end = begin + 30 * HOUR
        assert due(schedule, seen=begin, begin=begin, end=end) == slots(trigger, after=begin, until=end, limit=10_000)
