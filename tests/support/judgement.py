"""Whether a day went as the documentation says, judged by what was written down and nothing else."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from tests.support.calendars import due
from tests.support.day import Day, final
from windmill.core.model import FAILURES, SCHEDULED, TERMINAL, Cause, Execution, Job, Overrun, State, When

MINUTE = timedelta(minutes=1)
Span = tuple[datetime, datetime]


def timing(job: Job | None) -> tuple[object, ...] | None:
    """Return what makes two schedules the same, None without one."""
    if job is None or not job.enabled or job.schedule is None:
        return None
    one = job.schedule
    return (one.interval, one.cron, one.at, one.start_at, one.end_at, one.timezone)


class Judgement:
    """`faults()` yields in words whatever should not have happened. `pauses` are those asked for, by job."""

    def __init__(self, day: Day, pauses: dict[str, list[Span]]) -> None:
        self.day, self.pauses = day, pauses
        self.records = final(day.story)
        self.of: dict[str, list[Execution]] = defaultdict(list)
        for one in self.records.values():
            self.of[one.job].append(one)
        self.files: dict[str, list[tuple[datetime, Job | None]]] = defaultdict(list)
        for at, key, job in day.files:
            self.files[key].append((at, job))
        self.dead = [(one.end, two.begin) for one, two in pairwise(day.lives) if one.end is not None]
        self.retried = {one.retry_of: one for one in self.records.values() if one.trigger is Cause.RETRY}
        self.slots = {key: list(self._slots(key)) for key in self.files}
        self.verdicts: dict[str, dict[datetime, list[Execution]]] = {key: self._verdicts(key) for key in self.files}
        self.settled = self._settled()

    def faults(self) -> Iterator[str]:
        """Yield everything that is wrong."""
        for key in self.files:
            yield from self._unaccounted(key)
            yield from self._overlaps(key)
            yield from self._late(key)
            yield from self._waits_for_nothing(key)
            yield from self._answers(key)
            yield from self._too_early(key)
        for one in self.records.values():
            if one.state is State.SKIPPED and not self._true(one):
                yield f"{one.job}: skipped for {one.reason} at {one.queued_at:%d %H:%M:%S}, slot {one.slot}: not so"
        yield from self._crowds()
        yield from self._idle_places()

    # What is due

    def _slots(self, key: str) -> Iterator[datetime]:
        files = self.files[key]
        seen = files[0][0]
        begin, known = seen, timing(files[0][1])
        job = files[0][1]
        for at, changed in [*files[1:], (self.day.now, None)]:
            if timing(changed) == known and changed is not None:
                continue
            # What came due while nobody looked at a file that changed meanwhile, nobody can say.
            unseen = [gone for gone, back in self.dead if back == at]
            if known is not None and job is not None and job.schedule is not None:
                yield from due(job.schedule, seen=seen, begin=begin, end=unseen[0] if unseen else at)
            begin, known, job = at, timing(changed), changed

    def _verdicts(self, key: str) -> dict[datetime, list[Execution]]:
        found: dict[datetime, list[Execution]] = {slot: [] for slot in self.slots[key]}
        for one in self.of[key]:
            if one.trigger in SCHEDULED and one.attempt == 1:
                for slot in self._covered(one):
                    found[slot].append(one)
        return found

    def _covered(self, one: Execution) -> list[datetime]:
        assert one.slot is not None
        low, high = one.coalesced_from or one.slot, one.coalesced_to or one.slot
        every = self.slots[one.job]
        return [slot for slot in every[bisect_right(every, low - timedelta(microseconds=1)) :] if slot <= high]

    def _settled(self) -> dict[tuple[str, datetime], datetime]:
        """Return when each slot got its verdict, by job and slot."""
        found: dict[tuple[str, datetime], datetime] = {}
        for at, one in self.day.story:
            if one.trigger in SCHEDULED and one.attempt == 1:
                for slot in self._covered(one):
                    found.setdefault((one.job, slot), at)
        return found

    def _unaccounted(self, key: str) -> Iterator[str]:
        job = self._job(key, self.day.now)
        excused = self._open_at_the_end(key) or bool(job and job.after)
        changed_unseen = any(back == at for at, _ in self.files[key] for _, back in self.dead)
        for slot, found in self.verdicts[key].items():
            if len(found) > 1 or (not found and not excused and not changed_unseen):
                yield f"{key}: slot {slot:%d %H:%M} has {len(found)} verdicts: {[one.id for one in found]}"
        for one in self.of[key]:
            if (
                one.trigger in SCHEDULED
                and one.attempt == 1
                and (count := len(self._covered(one))) != one.coalesced + 1
            ):
                yield f"{key}: {one.id} settles {one.coalesced + 1} slots up to {one.slot}, due were {count}"

    def _open_at_the_end(self, key: str) -> bool:
        return any(one.state not in TERMINAL for one in self.of[key])

    # Executions of one job

    def _overlaps(self, key: str) -> Iterator[str]:
        spans = sorted((one.started_at, one.ended_at or self.day.now) for one in self.of[key] if one.started_at)
        for (_, end), (begin, _) in pairwise(spans):
            if begin < end:
                yield f"{key}: starts at {begin} while it runs until {end}"

    def _late(self, key: str) -> Iterator[str]:
        """A slot waits only while nobody is there, while its own job is open, or for the jobs before it."""
        if any(job and job.after for _, job in self.files[key]):
            return
        busy = [*self.dead, *((one.queued_at, one.ended_at or self.day.now) for one in self.of[key])]
        for slot in self.slots[key]:
            at = self.settled.get((key, slot), slot)
            if (since := _not_in(slot, at, busy)) is not None:
                yield f"{key}: slot {slot:%d %H:%M} got its verdict at {at:%d %H:%M:%S}, was free at {since:%H:%M:%S}"

    def _steady(self, key: str) -> Job | None:
        """Return the job where nothing but its words changed all day, nobody paused it, and it is enabled."""
        jobs = [job for _, job in self.files[key]]
        first = jobs[0] if jobs else None
        same = all(
            job and first and (timing(job), job.after, job.enabled) == (timing(first), first.after, True)
            for job in jobs
        )
        return first if same and key not in self.pauses else None

    def _waits_for_nothing(self, key: str) -> Iterator[str]:
        """A job after one other begins as soon as that has come to its end."""
        job = self._steady(key)
        if job is None or len(job.after) != 1 or (above := job.after[0]).job not in self.files:
            return
        if self._steady(above.job) is None or above.when is When.FAILURE:
            return
        busy = [*self.dead, *((one.queued_at, one.ended_at or self.day.now) for one in self.of[key])]
        if job.schedule is None:
            for end in self.of[above.job]:
                if end.state is State.SUCCEEDED and end.ended_at is not None:
                    answers = [one.queued_at for one in self.of[key] if one.after and one.queued_at >= end.ended_at]
                    if (since := _not_in(end.ended_at, min(answers, default=self.day.now), busy)) is not None:
                        yield f"{key}: does not follow {end.id} of {above.job} at {since:%d %H:%M:%S}"
        elif (upper := self._steady(above.job)) and upper.schedule and not upper.after:
            for slot in self.slots[key]:
                at = self.settled.get((key, slot), self.day.now)
                if (since := _not_in(slot, at, [*busy, *self._pending(above.job, slot)])) is not None:
                    yield f"{key}: slot {slot:%d %H:%M} waits at {since:%d %H:%M:%S} for nothing of {above.job}"

    def _pending(self, key: str, slot: datetime) -> Iterator[Span]:
        """Yield when something of the job was open or owed for its slots up to this one."""
        ends = [
            one.ended_at for one in self.of[key] if one.ended_at and one.started_at and one.id not in self.retried
        ]
        yield self.files[key][0][0], min(ends, default=self.day.now)
        for one in self.slots[key]:
            if one <= slot:
                yield one, self.settled.get((key, one), self.day.now)
        begins = sorted(one.queued_at for one in self.of[key])
        for record in self.of[key]:
            if record.slot is not None and (record.coalesced_from or record.slot) <= slot:
                over = record.ended_at or self.day.now
                if record.state in FAILURES:  # until it is tried again, or something else takes that place
                    again = self.retried.get(record.id)
                    over = again.queued_at if again else next((at for at in begins if at >= over), self.day.now)
                yield record.queued_at, over

    def _answers(self, key: str) -> Iterator[str]:
        """Each set of ends is answered once, and it is the newest ends."""
        answers = sorted((one for one in self.of[key] if one.after), key=lambda one: one.queued_at)
        for before, one in pairwise(answers):
            for above in before.after.keys() & one.after.keys():
                if before.after[above] == one.after[above]:
                    yield f"{key}: {one.id} answers again to {one.after[above]} of {above}"
        for one in answers:
            job = self._job(key, one.queued_at)
            for over in job.after if job else ():
                end = self.records.get(one.after.get(over.job, ""))
                if end is None or end.state not in TERMINAL or (end.ended_at or self.day.now) > one.queued_at:
                    yield f"{key}: {one.id} follows {one.after} which is no end of {over.job}"
                elif one.started_at and not _meets(end.state, over.when):
                    yield f"{key}: {one.id} starts {over.when} after {end.state} of {over.job}"
                elif newer := self._newer_end(end, one.queued_at):
                    yield f"{key}: {one.id} follows {end.id}, though {newer.id} of {over.job} ended after it"

    def _newer_end(self, end: Execution, at: datetime) -> Execution | None:
        for one in self.of[end.job]:
            surely = one.state in {State.SUCCEEDED, State.STOPPED} or one.reason.startswith("blocked")
            if not surely or one.ended_at is None or end.ended_at is None or end.id in self.retried:
                continue
            seen = not any(gone <= one.ended_at <= back for gone, back in self.dead)
            if seen and end.ended_at < one.ended_at < at:
                return one
        return None

    def _too_early(self, key: str) -> Iterator[str]:
        """An execution for a slot begins when all slots before it upstream have come to their ends."""
        for one in self.of[key]:
            job = self._job(key, one.queued_at)
            if one.trigger not in SCHEDULED or one.state is State.SKIPPED or job is None or one.slot is None:
                continue
            for above in job.after:
                for slot in self.slots.get(above.job, ()):
                    if slot <= one.slot and self._not_over(above.job, slot, one.queued_at):
                        when = f"{one.slot:%d %H:%M} starts at {one.queued_at:%d %H:%M:%S}"
                        yield f"{key}: slot {when} before {above.job}'s of {slot:%d %H:%M}"

    def _not_over(self, key: str, slot: datetime, at: datetime) -> bool:
        files = [job for when, job in self.files[key] if when <= at]
        if len(files) != len([job for job in files if timing(job) == timing(files[0])]):
            return False  # its file changed: its slots got their verdicts then
        return any(
            (one.ended_at or self.day.now) > at and one.queued_at <= at for one in self.verdicts[key][slot]
        ) or (not any(one.queued_at <= at for one in self.verdicts[key][slot]))

    # Reasons

    def _true(self, one: Execution) -> bool:
        at, word = one.ended_at or one.queued_at, one.reason.partition(":")[0]
        key, slot = one.job, one.slot or one.queued_at
        job = self._job(key, at)
        schedule = job.schedule if job else None
        first = one.coalesced_from or slot
        match word:
            case "paused":
                return any(begin <= at and first <= end for begin, end in self.pauses.get(key, ()))
            case "missed":
                return any(back <= at and first <= back - MINUTE for _, back in self.dead)
            case "overrun":
                ran = (span for span in self._spans(key) if span[0] <= first and slot <= span[1])
                return schedule is not None and schedule.overrun is Overrun.SKIP and any(ran)
            case "window":
                return schedule is not None and schedule.end_at is not None and at > schedule.end_at
            case "rescheduled":
                return any(when == at for when, _ in self.files[key])
            case "disabled" | "removed":
                return any(when == at and (job is None or not job.enabled) for when, job in self.files[key])
            case "blocked":
                return all(self._blocks(one, why) for why in one.reason.removeprefix("blocked: ").split("; "))
            case _:
                return False

    def _blocks(self, one: Execution, why: str) -> bool:
        above, _, rest = why.partition(" ")
        job = self._job(one.job, one.queued_at)
        wanted = [after.when for after in job.after if after.job == above] if job else []
        if rest.startswith("was skipped ("):
            reason = rest.removeprefix("was skipped (").removesuffix(")")
            before = (end for end in self.of[above] if end.state is State.SKIPPED and end.queued_at <= one.queued_at)
            return any(end.reason == reason for end in before)
        end = self.records.get(rest.rpartition("(")[2].removesuffix(")"))
        if end is None or end.job != above or not wanted:
            return False
        return end.state in TERMINAL and not _meets(end.state, wanted[0]) and not self._newer_end(end, one.queued_at)

    def _spans(self, key: str) -> Iterator[Span]:
        kept = (one for one in self.of[key] if one.state is not State.SKIPPED)
        return ((one.queued_at, one.ended_at or self.day.now) for one in kept)

    def _job(self, key: str, at: datetime) -> Job | None:
        """Return the job as its file said at that time, changes of that instant included."""
        return next((job for when, job in reversed(self.files[key]) if when <= at), None)

    # How many at once

    def _crowds(self) -> Iterator[str]:
        """No start goes over a cap."""
        moves = [(one.started_at, 1, one) for one in self.records.values() if one.started_at]
        moves += [(one.ended_at, 0, one) for one in self.records.values() if one.started_at and one.ended_at]
        running: dict[str, Execution] = {}
        for at, begins, one in sorted(moves, key=lambda move: (move[0], move[1], move[2].id)):
            if not begins:
                running.pop(one.id, None)
                continue
            if one.ended_at is None or one.ended_at > at:
                running[one.id] = one
            caps = [caps for when, caps in self.day.capped if when <= at][-1]
            if len(running) > caps.max_running:
                yield f"{one.job} starts at {at} as number {len(running)}"
            group = job.group if (job := self._job(one.job, at)) else ""
            there = [key for key in running.values() if (other := self._job(key.job, at)) and other.group == group]
            if group in caps.groups and len(there) > caps.groups[group]:
                yield f"{one.job} starts at {at} as number {len(there)} of {group}"

    def _idle_places(self) -> Iterator[str]:
        """After every turn whoever waits has no place, and no later one was put before it."""
        began = [
            (one.started_at, one.ended_at or self.day.now + MINUTE, one)
            for one in self.records.values()
            if one.started_at
        ]
        ends = sorted(began, key=lambda span: span[0])
        index, running = 0, dict[str, tuple[datetime, Execution]]()
        for at, waiting in self.day.waiting:
            while index < len(ends) and ends[index][0] <= at:
                running[ends[index][2].id] = (ends[index][1], ends[index][2])
                index += 1
            running = {key: (end, one) for key, (end, one) in running.items() if end > at}
            caps = [caps for when, caps in self.day.capped if when <= at][-1]
            room = dict(caps.groups)
            for _, one in running.values():
                group = job.group if (job := self._job(one.job, at)) else ""
                if group in room:
                    room[group] -= 1
            if len(running) >= caps.max_running:
                room |= {"": 0}
            queued = [self.records[identity] for identity in waiting if identity in self.records]
            jobs = [(one, self._job(one.job, at)) for one in queued]
            free = [one for one, job in jobs if job and room.get(job.group, 1) > 0]
            if free and "" not in room:
                yield f"{free[0].job} waits at {at} though there is room: {room}"
            fresh = [one for _, one in running.values() if one.started_at == at]
            for one, job in jobs:
                for first in fresh:
                    other = self._job(first.job, at)
                    if job and other and room.get(job.group, 1) > 0 and _rank(one, job) < _rank(first, other):
                        yield f"{first.job} goes before {one.job} at {at}"


def _rank(one: Execution, job: Job) -> tuple[datetime, str]:
    return (one.slot or one.queued_at) - job.priority * MINUTE, one.job


def _meets(state: State, when: When) -> bool:
    return {When.ANY: True, When.SUCCESS: state is State.SUCCEEDED, When.FAILURE: state in FAILURES}[when]


def _not_in(begin: datetime, end: datetime, spans: list[Span]) -> datetime | None:
    """Return the first instant in [begin, end) that is in none of the spans, ends included; None without one."""
    at = begin
    while at < end:
        further = max((high for low, high in spans if low <= at <= high), default=at)
        if further == at:
            return at
        at = further
    return None
