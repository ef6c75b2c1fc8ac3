"""The values everything speaks in. All frozen; instants are aware UTC datetimes in whole milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from windmill.core.errors import Problem


class State(StrEnum):
    """Where an execution stands. Terminal states never change."""

    QUEUED = "queued"  # wants to start, held by a cap
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # exit code, signal, or not started: see reason
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"  # by a person
    LOST = "lost"  # processes proven gone, outcome unknown
    SKIPPED = "skipped"  # slots settled without a process: see reason


TERMINAL: Final = frozenset(State) - {State.QUEUED, State.RUNNING}
FAILURES: Final = frozenset({State.FAILED, State.TIMED_OUT, State.LOST})  # what a retry may follow


class Cause(StrEnum):
    """Why an execution exists (`Execution.trigger`)."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch_up"  # a slot missed while the scheduler was away
    RETRY = "retry"
    MANUAL = "manual"
    AFTER = "after"  # the jobs that it comes after have ended


SYNC: Final = "@sync"  # name of the system job that brings a project up to date; no job file can name one so

SCHEDULED: Final = frozenset({Cause.SCHEDULE, Cause.CATCH_UP})  # these settle slots


class Overrun(StrEnum):
    """What a slot does that comes due while its job still runs."""

    RUN_NOW = "run_now"  # one start as soon as the previous execution ends
    SKIP = "skip"  # recorded as skipped; wait for the next slot


class CatchUp(StrEnum):
    """What happens to slots missed while the scheduler was away."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a job is due. Exactly one of `interval`, `cron`, `at` is set; `core.triggers` turns it into slots."""

    interval: timedelta | None = None
    cron: str | None = None
    at: datetime | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    timezone: str = "UTC"  # IANA name; meaning of cron and skip_dates
    max_runs: int | None = None
    overrun: Overrun = Overrun.RUN_NOW
    catch_up: CatchUp = CatchUp.NONE
    catch_up_window: timedelta = timedelta(days=1)
    spread: timedelta = timedelta(0)
    skip_dates: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and when a failed execution is tried again: delay * backoff**(attempt-1), at most max_delay."""

    limit: int = 0
    delay: timedelta = timedelta(seconds=10)
    backoff: float = 2.0
    max_delay: timedelta = timedelta(minutes=5)
    exit_codes: tuple[int, ...] = ()  # empty: any failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A typed input of a manual run. `type` is string, integer, number or boolean."""

    name: str
    type: str = "string"
    default: str | int | float | bool | None = None
    required: bool = False
    enum: tuple[str | int | float | bool, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """An environment variable whose value is never shown; exactly one source is set."""

    name: str
    from_env: str | None = None
    from_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits of an execution; None means none."""

    memory: int | None = None  # bytes
    cpu_time: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long ended executions stay; None means no limit. What stays in any case: see `ports.Store.expired`."""

    days: int | None = 90
    runs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Where the URL is found that is told of starts and ends; exactly one source is set."""

    from_env: str | None = None
    from_file: str | None = None  # absolute


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What is normal for a job; None is not watched."""

    late_after: timedelta | None = None  # a slot is late when it was not started by then
    max_age: timedelta | None = None  # of the last success
    slower_than: float | None = None  # beyond what is usual, as a part of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """The channels that are told of what a job does."""

    on_failure: tuple[str, ...] = ()
    after_failures: int = 1  # in a row, before they are told
    on_recovery: tuple[str, ...] = ()
    on_late: tuple[str, ...] = ()  # late, too old, or slow

    @property
    def channels(self) -> frozenset[str]:
        """All of them."""
        return frozenset((*self.on_failure, *self.on_recovery, *self.on_late))


class When(StrEnum):
    """How a job must have ended for the one after it to start."""

    SUCCESS = "success"
    FAILURE = "failure"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class After:
    """A job that must have ended first: project/name, and how."""

    job: str
    when: When = When.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How many executions may run at once: of all jobs, and of the jobs of a group, by its name."""

    max_running: int
    groups: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One YAML document, checked and complete: what to run and when."""

    project: str
    name: str
    entry_point: str
    file: str  # path of the document as shown to people, relative to the home where it lies inside
    line: int = 1
    digest: str  # of the document's meaning: equal digests mean nothing changed
    args: tuple[str, ...] = ()
    working_dir: str | None = None  # relative to the project; None: folder of the entry point
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    params: tuple[Param, ...] = ()
    schedule: Schedule | None = None  # None: manual only
    timeout: timedelta | None = None
    kill_grace: timedelta = timedelta(seconds=30)
    retry: Retry = Retry()
    success_exit_codes: tuple[int, ...] = (0,)
    fail_on_stderr: bool = False  # a success that wrote to stderr is a failure
    limits: Limits = Limits()
    output_max: int = 10 * 1024 * 1024  # bytes kept per execution, half head and half tail
    keep: Keep = Keep()
    after: tuple[After, ...] = ()
    group: str = ""
    priority: int = 0  # among those that wait
    heartbeat: Heartbeat | None = None
    expect: Expect = Expect()
    notify: Notify = Notify()
    terminal: bool = False
    enabled: bool = True
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)  # the document as read, JSON-ready
    complete: Mapping[str, Any] = field(default_factory=dict)  # the same with all that came from elsewhere filled in

    @property
    def key(self) -> str:
        """The job's identity, project/name."""
        return f"{self.project}/{self.name}"


def is_system(key: str) -> bool:
    """Return True for the key of a job that WindMill runs for itself."""
    return key.endswith("/" + SYNC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A project's code: absolute directory, revision (None for a plain directory), interpreter.

    `author` and `subject` are those of the revision's commit; `env` are variables that every execution there gets.
    """

    root: str
    revision: str | None
    python: str
    author: str = ""
    subject: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All wanted jobs by key, and the problems found while reading them.

    `locations` says where they start: by project, and by job where it is held at another revision than its project.
    `removed` says of jobs that are gone who took their file away: commit, author, subject, at.

    `stale` holds the keys served from their last good version because the file is broken now.
    `caps` are those of the settings, None where they are not to change.
    `unreadable` says that the jobs directory could not be read: nothing may be concluded from an absence.
    """

    jobs: Mapping[str, Job]
    problems: tuple[Problem, ...] = ()
    stale: frozenset[str] = frozenset()
    unreadable: bool = False
    files: int = 0
    locations: Mapping[str, Location] = field(default_factory=dict)
    removed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    caps: Caps | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One run of a job, or slots settled without one. `id` is a pure function of what it is for."""

    id: str
    job: str  # project/name
    state: State
    reason: str = ""  # one word or "word: sentence"; empty when the state says it all
    trigger: Cause
    slot: datetime | None = None  # the instant it was due; None for manual
    coalesced: int = 0  # further slots this record settles
    coalesced_from: datetime | None = None  # the first slot settled, where there are further ones
    coalesced_to: datetime | None = None  # the last slot settled, where there are further ones
    queued_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    signal: str | None = None  # "SIGKILL"
    attempt: int = 1
    retry_of: str | None = None
    after: Mapping[str, str] = field(default_factory=dict)  # by upstream, the execution whose end it follows
    revision: str | None = None
    author: str = ""  # of the revision's commit
    subject: str = ""  # likewise
    job_digest: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    requested_by: str = ""
    output_bytes: int = 0  # written by the job, before any cut
    cut_bytes: int = 0  # of these, not kept
    pid: int | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)  # what it told: value (0 to 1), text, at (as text)
    facts: Mapping[str, str | int | float] = field(default_factory=dict)  # likewise, by name


def execution_id(job: str, *, cause: Cause, what: str, attempt: int = 1) -> str:
    """Return 16 hex digits naming an execution: equal for equal arguments, on every machine, for ever.

    `what` is the slot as RFC 3339 text, the request's id for a manual start, or the id of the execution that is
    tried again. Catch-up names the same slot as schedule, so that a slot is started once whichever way it is
    found to be due.
    """
    from hashlib import blake2b  # noqa: PLC0415 - 4 MiB that the runner does without

    kind = Cause.SCHEDULE if cause is Cause.CATCH_UP else cause
    text = f"{job}\0{kind}\0{what}\0{attempt}"
    return blake2b(text.encode(), digest_size=8).hexdigest()
