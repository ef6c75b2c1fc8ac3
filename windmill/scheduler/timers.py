"""Every timer of the daemon is a job of the `schedule` package, taught aware UTC instants, a heap and our clock.

Three things of `schedule` 1.2 are replaced, and a contract test holds them: `Job._schedule_next_run` (it reads the
machine's clock, drifts by the job's own duration and knows no zones), `Scheduler.run_pending` (it walks all jobs) and
`Scheduler._run_job` (an exception would leave the job due for ever and starve those behind it).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, SupportsIndex

import schedule

from windmill.scheduler.lateness import Lateness

log = logging.getLogger("windmill.scheduler")


class Timer(schedule.Job):
    """A job of `schedule` that is due when `when(now)` says, or, built by `every(n).seconds`, each n seconds."""

    def __init__(
        self, interval: int, timers: Timers, when: Callable[[datetime], datetime | None] | None = None
    ) -> None:
        super().__init__(interval, timers)
        self._timers = timers
        self._when = when or self._period_later
        self._armed = timers.now

    def arm(self) -> None:
        """Ask again when the timer is due, because what it depends on has changed."""
        self._schedule_next_run()

    @property
    def should_run(self) -> bool:
        """True when the timer is due by the scheduler's clock."""
        return self.next_run is not None and self.next_run <= self._timers.now

    def run(self) -> Any:
        """Call the timer's function and arm it again, without a look at the machine's clock."""
        result = self.job_func() if self.job_func else None
        self.last_run = self._timers.now
        self._schedule_next_run()
        return result

    @property
    def delay(self) -> timedelta:
        """How long the timer has been due, and armed: what lay in the past when it was armed is not late for it."""
        return self._timers.now - max(self.next_run or self._timers.now, self._armed)

    def _schedule_next_run(self) -> None:
        self._armed = self._timers.now
        self.next_run = self._when(self._timers.now)
        self._timers.push(self)

    def _period_later(self, now: datetime) -> datetime:
        period = timedelta(**{self.unit or "seconds": self.interval})
        on_grid = self.next_run + period if self.next_run is not None else now + period
        return on_grid if now < on_grid <= now + period else now + period


class Timers(schedule.Scheduler):
    """A `schedule.Scheduler` whose turn costs what is due, not what exists. `now` is set by whoever turns it."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now = now
        self.lateness = Lateness()
        self.jobs: _Armed = _Armed()  # type: ignore[assignment]  # what the library does with a list, in O(1)
        self._heap: list[tuple[datetime, int, Timer]] = []
        self._order = count()

    def every(self, interval: int = 1) -> Timer:
        """Return a housekeeping timer under construction: `every(30).seconds.do(look)`."""
        return Timer(interval, self)

    def when(self, ask: Callable[[datetime], datetime | None]) -> Timer:
        """Return a timer under construction that is due when `ask(now)` says; None means not for now."""
        return Timer(1, self, ask)

    def push(self, timer: Timer) -> None:
        """Note a timer's new instant; its earlier notes become void."""
        if timer.next_run is not None:
            heappush(self._heap, (timer.next_run, next(self._order), timer))

    def run_pending(self) -> None:
        """Run every timer that is due at `now`, in order of instants, each once."""
        due: dict[Timer, None] = {}  # a timer may be noted twice at one instant
        while self._heap and self._heap[0][0] <= self.now:
            instant, _, timer = heappop(self._heap)
            if self._valid(instant, timer):
                due[timer] = None
        for timer in due:
            self.lateness.note(timer.delay)
            self._run_job(timer)

    def _run_job(self, job: schedule.Job) -> None:
        try:
            super()._run_job(job)
        except Exception:
            log.exception("a timer failed", extra={"event": "timer.failed"})
            if isinstance(job, Timer):
                job.arm()

    def cancel_job(self, job: schedule.Job) -> None:
        """Forget a timer; unknown ones are ignored."""
        self.jobs.discard(job)

    def get_next_run(self, tag: Any = None) -> datetime | None:
        """Return the earliest instant any timer (of that tag) is due, or None."""
        if tag is not None:
            return min((job.next_run for job in self.get_jobs(tag) if job.next_run is not None), default=None)
        while self._heap and not self._valid(self._heap[0][0], self._heap[0][2]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @property
    def idle_seconds(self) -> float | None:
        """Seconds from `now` until the next timer is due, never negative, or None."""
        instant = self.get_next_run()
        return None if instant is None else max(0.0, (instant - self.now).total_seconds())

    def clock_moved(self) -> None:
        """Arm every timer anew after the wall clock was set: periods count from the new time."""
        for timer in list(self.jobs):
            timer.next_run = None
            timer.arm()

    def _valid(self, instant: datetime, timer: Timer) -> bool:
        return timer.next_run == instant and timer in self.jobs


class _Armed:
    """The scheduler's `jobs` as the library uses them, with constant-time membership and removal."""

    def __init__(self) -> None:
        self._timers: dict[Timer, None] = {}

    def append(self, timer: Timer) -> None:
        self._timers[timer] = None

    def discard(self, timer: Any) -> None:
        self._timers.pop(timer, None)

    def __contains__(self, timer: object) -> bool:
        return timer in self._timers

    def __iter__(self) -> Iterator[Timer]:
        return iter(self._timers)

    def __len__(self) -> int:
        return len(self._timers)

    def __getitem__(self, index: slice | SupportsIndex) -> Any:
        return list(self._timers)[index]

    def __delitem__(self, index: slice) -> None:
        for timer in list(self._timers)[index]:
            del self._timers[timer]

    def __setitem__(self, index: slice, timers: Any) -> None:
        kept = dict.fromkeys(timers)
        self._timers = kept
