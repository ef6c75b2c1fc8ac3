"""What is worth a message: facts in, causes out. Pure.

One cause is one message to each of its channels. What goes on being bad is told once, when it begins; it can be
told again after it was good in between. `Memory` is all that has to be remembered of a job for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from windmill.core.documents import Document, from_document, from_text, to_text
from windmill.core.executions import retry_instant
from windmill.core.model import FAILURES, SCHEDULED, Execution, Retry, State

MISSED: Final = "missed"  # how the reason of slots begins at which no scheduler was there
NOTABLE: Final = timedelta(seconds=1)  # what takes only so much longer is not slow


class Rule(StrEnum):
    """Why somebody is told."""

    FAILED = "failed"
    RECOVERED = "recovered"
    LATE = "late"  # a slot was not started in time
    OLD = "old"  # the last success is too long ago
    SLOW = "slow"
    LOST = "lost"
    SYNC = "sync"  # a project cannot be brought up to date
    SILENT = "silent"  # the scheduler shows no signs of life


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One cause. `about` is the job or project, `first` the execution, slot or instant that it began with.

    `execution` is the one to look at, "" for none; `count` how many failures in a row; `detail` a few words.
    """

    rule: Rule
    about: str
    first: str
    since: datetime
    execution: str = ""
    count: int = 1
    detail: str = ""

    @property
    def key(self) -> str:
        """Equal for what is the same cause."""
        return f"{self.rule} {self.about} {self.first}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a job is expected to do, and who hears of it. Durations that are None are not watched."""

    on_failure: tuple[str, ...] = ()
    after_failures: int = 1
    on_recovery: tuple[str, ...] = ()
    on_late: tuple[str, ...] = ()
    late_after: timedelta | None = None
    max_age: timedelta | None = None
    slower_than: float | None = None  # beyond what is usual, as a part of it
    retry: Retry = field(default_factory=Retry)

    @property
    def channels(self) -> frozenset[str]:
        """Everybody who may hear of the job."""
        return frozenset((*self.on_failure, *self.on_recovery, *self.on_late))

    @property
    def expects(self) -> bool:
        """True when there is something to look at while nothing happens."""
        return any(value is not None for value in (self.late_after, self.max_age, self.slower_than))

    def told(self, rule: Rule) -> tuple[str, ...]:
        """Return the channels that hear of what this rule found about the job."""
        if rule in {Rule.LATE, Rule.OLD, Rule.SLOW}:
            return self.on_late
        return {Rule.FAILED: self.on_failure, Rule.RECOVERED: self.on_recovery}.get(rule, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Failures in a row: how many, the first of them, and whether somebody was told."""

    count: int
    first: str
    since: datetime
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known of a job between two looks: its failures in a row, and what stands, by rule, since when."""

    streak: Streak | None = None
    standing: Mapping[Rule, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.streak or self.standing)


Verdict = tuple[Memory, tuple[Alert, ...]]


def wanted_of(job: Document) -> Wanted:
    """Return what the document of a job says; see `core.definition`."""
    expect, notify, retry = (job.get(name) or {} for name in ("expect", "notify", "retry"))
    return Wanted(
        on_failure=tuple(notify.get("on_failure", ())),
        on_recovery=tuple(notify.get("on_recovery", ())),
        on_late=tuple(notify.get("on_late", ())),
        late_after=_seconds(expect.get("late_after")),
        max_age=_seconds(expect.get("max_age")),
        after_failures=notify.get("after_failures", 1),
        slower_than=expect.get("slower_than"),
        retry=Retry(limit=retry.get("limit", 0), exit_codes=tuple(retry.get("exit_codes", ()))),
    )


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def at_end(wanted: Wanted, memory: Memory, ended: Execution, *, usual: timedelta | None) -> Verdict:
    """Return what follows from an execution that has ended or slots that were skipped.

    `usual` is how long the job takes, None where that is not known. The executions of a job come in the order in
    which they ended, each once.
    """
    alerts: list[Alert] = []
    for judge in (_lateness, _outcome):
        memory, found = judge(wanted, memory, ended)
        alerts += found
    taken = ended.ended_at - ended.started_at if ended.ended_at and ended.started_at else None
    if wanted.slower_than is not None and usual is not None and taken is not None:
        slow = is_slow(taken, usual, wanted.slower_than)
        if slow or ended.state is State.SUCCEEDED:
            memory, found = _stand(memory, _slow(ended, usual), stands=slow)
            alerts += found
    return memory, tuple(alerts)


def _outcome(wanted: Wanted, memory: Memory, ended: Execution) -> Verdict:
    at = ended.ended_at or ended.queued_at
    streak = memory.streak
    if ended.state is State.SUCCEEDED and streak is not None:
        good = replace(memory, streak=None)
        if not streak.told:
            return good, ()
        facts: dict[str, Any] = {"first": streak.first, "since": streak.since, "count": streak.count}
        return good, (Alert(rule=Rule.RECOVERED, about=ended.job, execution=ended.id, **facts),)
    if ended.state not in FAILURES or retry_instant(wanted.retry, ended) is not None:
        return memory, ()
    count = streak.count + 1 if streak else 1
    streak = replace(streak or Streak(count=1, first=ended.id, since=at), count=count)
    if streak.told or count < wanted.after_failures:
        return replace(memory, streak=streak), ()
    alert = Alert(
        rule=Rule.FAILED, about=ended.job, first=streak.first, since=streak.since, execution=ended.id, count=count
    )
    return replace(memory, streak=replace(streak, told=True)), (alert,)


def _lateness(wanted: Wanted, memory: Memory, ended: Execution) -> Verdict:
    slot = ended.coalesced_from or ended.slot
    if wanted.late_after is None or slot is None or ended.trigger not in SCHEDULED:
        return memory, ()
    if ended.state is State.SKIPPED:
        if not ended.reason.startswith(MISSED):
            return memory, ()
        return _stand(memory, _late(ended.job, slot, ended.id, MISSED), stands=True)
    if ended.started_at is None:
        return memory, ()
    late = ended.started_at - slot >= wanted.late_after
    return _stand(memory, _late(ended.job, slot, ended.id, "started meanwhile"), stands=late)


def at_instant(
    wanted: Wanted,
    memory: Memory,
    job: str,
    now: datetime,
    *,
    due: datetime | None,
    succeeded_at: datetime | None,
    running: Execution | None,
    usual: timedelta | None,
) -> Verdict:
    """Return what follows from how a job stands now.

    `due` is the oldest slot that was not started, `succeeded_at` the last success or since when there might have
    been one, `running` what runs of the job; None where there is none, or nobody asks.
    """
    alerts: list[Alert] = []
    if wanted.late_after is not None and due is not None and now - due >= wanted.late_after:
        memory, found = _stand(memory, _late(job, due, running.id if running else "", ""), stands=True)
        alerts += found
    if wanted.max_age is not None and succeeded_at is not None:
        old = Alert(rule=Rule.OLD, about=job, first=to_text(succeeded_at) or "", since=succeeded_at)
        memory, found = _stand(memory, old, stands=now - succeeded_at >= wanted.max_age)
        alerts += found
    began = running.started_at if running else None
    if wanted.slower_than is not None and running and began and usual is not None:
        slow = is_slow(now - began, usual, wanted.slower_than)
        memory, found = _stand(memory, _slow(running, usual), stands=slow) if slow else (memory, ())
        alerts += found
    return memory, tuple(alerts)


def of_home(memory: Memory, rule: Rule, about: str, *, since: datetime | None, now: datetime, detail: str) -> Verdict:
    """Return what follows from something not about one job: bad since `since`, good where that is None."""
    alert = Alert(rule=rule, about=about, first=to_text(since or now) or "", since=since or now, detail=detail)
    return _stand(memory, alert, stands=since is not None)


def lost(ended: Execution) -> Alert:
    """Return the cause that a lost execution is."""
    return Alert(rule=Rule.LOST, about=ended.job, first=ended.id, since=ended.queued_at, execution=ended.id)


def is_slow(taken: timedelta, usual: timedelta, beyond: float) -> bool:
    """Return True for what takes notably longer than is usual and allowed beyond it."""
    return taken > usual * (1 + beyond) and taken - usual >= NOTABLE


def _stand(memory: Memory, alert: Alert, *, stands: bool) -> Verdict:
    """Return the memory in which this is bad or not, and the alert where that is new."""
    if alert.rule in memory.standing:
        if stands:
            return memory, ()
        kept = {rule: first for rule, first in memory.standing.items() if rule is not alert.rule}
        return replace(memory, standing=kept), ()
    if not stands:
        return memory, ()
    return replace(memory, standing={**memory.standing, alert.rule: alert.first}), (alert,)


def _late(job: str, slot: datetime, execution: str, detail: str) -> Alert:
    first = to_text(slot) or ""
    return Alert(rule=Rule.LATE, about=job, first=first, since=slot, execution=execution, detail=detail)


def _slow(execution: Execution, usual: timedelta) -> Alert:
    since = execution.started_at or execution.queued_at
    detail = f"usually {usual.total_seconds():.1f} s"
    return Alert(
        rule=Rule.SLOW, about=execution.job, first=execution.id, since=since, execution=execution.id, detail=detail
    )


def memory_to_document(memory: Memory) -> Document:
    """Return the memory as a JSON-ready document."""
    document: Document = {"standing": {str(rule): first for rule, first in memory.standing.items()}}
    if streak := memory.streak:
        facts = {"count": streak.count, "first": streak.first, "since": to_text(streak.since), "told": streak.told}
        document["streak"] = facts
    return document


def memory_from_document(document: Mapping[str, Any]) -> Memory:
    """Return the memory written by `memory_to_document`."""
    streak = document.get("streak")
    return Memory(
        streak=Streak(**{**streak, "since": from_text(streak["since"])}) if streak else None,
        standing={Rule(rule): first for rule, first in document.get("standing", {}).items()},
    )


def settled_by(document: Mapping[str, Any]) -> datetime | None:
    """Return the newest slot that an execution settles, None for one that settles none."""
    execution = from_document(document)
    return (execution.coalesced_to or execution.slot) if execution.trigger in SCHEDULED else None
