"""What the API answers with. Instants are RFC 3339 text in UTC with milliseconds, null where there is none."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from windmill.core.model import State, When

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Key = Annotated[str, Field(description="project/name", examples=["reports/nightly-sales"])]
Cursor = Annotated[str | None, Field(description="The cursor of the next page; null on the last one.")]


class Error(BaseModel):
    """Why a request was not answered as it was asked."""

    code: int = Field(description="The status of the answer.")
    message: str = Field(description="What is wrong, for people.")
    detail: dict[str, Any] = Field(
        description="The same for programs: mistakes by place and name, or what is in the way."
    )
    request: str = Field(description="The number of this request in the dashboard's log.")


class Progress(BaseModel):
    """How far an execution is, as it told with ::progress."""

    value: float = Field(description="0 to 1.")
    text: str = ""
    at: Instant = Field(description="When it told.")


class Failure(BaseModel):
    """What an execution failed of."""

    fingerprint: str = Field(description="Equal for the same mistake of the same job.")
    exception: str = Field(description="The last line of a Python traceback, or how it ended.")
    where: str = Field(default="", description="file:line in function, of the last frame of the project.")


class Execution(BaseModel):
    """One run of a job, or slots settled without one. Nothing of it changes once it has ended."""

    id: str = Field(description="16 hex digits.")
    project: str
    job: Key
    state: State
    reason: str = Field(default="", description='One word, or "word: sentence"; empty where the state says it all.')
    trigger: str = Field(description="schedule, catch_up, retry, manual or after.")
    after: dict[str, str] = Field(
        default_factory=dict, description="The executions whose ends it answers to, by the key of their job."
    )
    slot: Instant | None = Field(default=None, description="When it was due; null for manual starts.")
    queued_at: Instant
    started_at: Instant | None = None
    ended_at: Instant | None = None
    duration_ms: int | None = Field(default=None, description="From start to end.")
    exit_code: int | None = None
    signal: str | None = Field(default=None, description="The signal that ended it, as SIGKILL.")
    attempt: int = Field(default=1, description="Counts from 1.")
    retry_of: str | None = Field(default=None, description="The execution that is tried or run again.")
    requested_by: str = Field(default="", description="Who asked for a manual start.")
    params: dict[str, Any] = Field(default_factory=dict, description="The values it was started with.")
    revision: str | None = Field(default=None, description="The code it ran; null for files used in place.")
    author: str = Field(default="", description="Of the revision's commit.")
    subject: str = Field(default="", description="Of the revision's commit.")
    job_digest: str = Field(default="", description="Names the definition it ran with.")
    coalesced: int = Field(default=0, description="Further slots that this execution settles.")
    coalesced_from: Instant | None = Field(default=None, description="The first slot settled, where there are more.")
    coalesced_to: Instant | None = Field(default=None, description="The last slot settled, where there are more.")
    output_bytes: int = Field(default=0, description="Written by the job.")
    cut_bytes: int = Field(default=0, description="Of these, not kept.")
    pid: int | None = Field(default=None, description="The process, on the machine that ran it.")
    day: str | None = Field(default=None, description="The day of queued_at in UTC.")
    progress: Progress | None = Field(default=None, description="How far it is, or came, as it told itself.")
    facts: dict[str, int | float | str] = Field(default_factory=dict, description="What it told of itself, by name.")
    failure: Failure | None = Field(default=None, description="Of one that failed; null where that is not known.")


class Executions(BaseModel):
    """A page of executions, newest first. It may hold less than was asked for though there is more."""

    items: list[Execution]
    next: Cursor
    looked_until: Instant | None = Field(
        description="Where a search stopped looking; `next` goes on from there. Null where it looked at everything."
    )


class Pause(BaseModel):
    """A schedule that is held."""

    until: Instant | None = Field(description="Null: until it is resumed.")
    by: str
    note: str


class Above(BaseModel):
    """A job that another one comes after."""

    job: Key
    when: When = Field(description="How it has to end.")


class Job(BaseModel):
    """A job as it stands."""

    id: Key
    project: str
    name: str
    description: str = ""
    owner: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    enabled: bool
    entry_point: str
    schedule_words: str = Field(description="When it is due, in words.")
    after: list[Above] = Field(default_factory=list, description="The jobs whose ends it waits for.")
    group: str = Field(default="", description="The group whose cap it shares; empty for none.")
    priority: int = Field(default=0, description="Who has more starts earlier when places are scarce.")
    file: str
    line: int
    digest: str = Field(description="Of the definition's meaning: equal digests mean the same job.")
    stale: bool = Field(default=False, description="Its file is broken, and the last good version is in effect.")
    deleted: bool = Field(default=False, description="Its file is gone.")
    paused: Pause | None = None
    first_seen: Instant | None = None
    covered: Instant | None = Field(default=None, description="Every slot up to here is settled.")
    runs: int = Field(default=0, description="How often its schedule has started it.")
    attention: bool = Field(description="Its last execution went wrong, or its file is broken.")
    next: Instant | None = Field(description="When it is due next.")
    last: Execution | None = Field(description="Its newest execution that was not skipped.")


class WholeJob(Job):
    """A job with its definition."""

    document: dict[str, Any] = Field(description="The definition as its file has it.")
    params: list[dict[str, Any]] = Field(default_factory=list, description="What a start of it may be given.")
    keep: dict[str, Any] = Field(default_factory=dict, description="How long its executions are kept.")


class Jobs(BaseModel):
    """A page of jobs, by key."""

    items: list[Job]
    next: Cursor


class Start(BaseModel):
    """An instant at which a job is due."""

    at: Instant
    local: str = Field(description="The same in the zone of the schedule.")


class Schedule(BaseModel):
    """When a job is due next; empty for one that is not."""

    items: list[Start]


class Tally(BaseModel):
    """How many executions ended so on one day, in UTC."""

    day: str
    state: State
    count: int
    duration_ms: int = Field(description="Of all of them together.")


class Stats(BaseModel):
    """What is counted of a job's last days, today included, in UTC."""

    days: int
    since: Instant
    executions: int = Field(description="Without those that were skipped.")
    succeeded: int
    failed: int = Field(description="Failed, timed out or lost.")
    success_rate: float | None = Field(description="Of those that succeeded or failed; null where there are none.")
    mean_ms: int | None = Field(description="How long those that succeeded took.")
    items: list[Tally]


class JobRevision(BaseModel):
    """Executions in a row that ran the same code by the same definition."""

    revision: str | None = Field(description="Null for files used in place.")
    author: str
    subject: str
    job_digest: str
    first_at: Instant
    last_at: Instant
    executions: int


class JobRevisions(BaseModel):
    """What a job's executions ran, newest first. A page looks at `limit` executions, and may end within an item."""

    items: list[JobRevision]
    next: Cursor


class Revision(BaseModel):
    """One state of a project's source. Texts are empty where nothing is known."""

    revision: str = Field(description="main@sha1:COMMIT, sha256:HASH, or only the commit or hash of an older one.")
    live: bool
    author: str = ""
    subject: str = ""
    committed_at: str = ""
    published_at: str = ""
    environment: str = Field(default="", description="The environment it runs in.")
    outcome: str = Field(default="", description="Of the last attempt to publish it: published, refused or held.")
    error: str = Field(default="", description="Why it was not published.")


class Revisions(BaseModel):
    """The revisions of a project, newest first."""

    items: list[Revision]


class Project(BaseModel):
    """A project: where its code comes from, what of it is live, and how its jobs do."""

    id: str
    kind: str = Field(default="", description="git or archive; empty for a directory that is used in place.")
    ref: str = ""
    path: str = ""
    sync: str = Field(description="synced, behind, held, error, unknown, or in place.")
    error: str = ""
    seen_at: Instant | None = Field(default=None, description="When the source was looked at last.")
    next_poll: Instant | None = None
    applied: Revision | None = Field(default=None, description="What is live.")
    attempted: Revision | None = Field(default=None, description="What was tried last.")
    jobs: int
    health: str = Field(description="Of the jobs' last executions: ok, failing or unknown.")


class Projects(BaseModel):
    """Every project."""

    items: list[Project]


class Due(BaseModel):
    """A start that is expected."""

    at: Instant
    job: Key
    expected_ms: int | None = Field(description="How long it usually takes; null where that is not known.")


class Upcoming(BaseModel):
    """What is going to start, the first to start first."""

    items: list[Due]
    until: Instant = Field(description="Nothing is missing before it.")


class Problem(BaseModel):
    """A mistake in a file. Texts are empty where there is nothing to say."""

    file: str
    line: int = Field(description="Counts from 1; 0 is the file as a whole.")
    column: int
    message: str
    expected: str = ""
    found: str = ""
    hint: str = ""
    severity: str = Field(description="error: the document is not used. warning: it is.")
    code: str = ""
    job: str = ""
    excerpt: list[str] = Field(default_factory=list, description="The lines around it.")


class Problems(BaseModel):
    """What is wrong in the files that were read last."""

    items: list[Problem]
    files: int
    at: Instant | None = Field(description="When they were read.")


class Answer(BaseModel):
    """What the scheduler said to a request; empty while it has not said anything."""

    execution: str | None = Field(default=None, description="The execution that was started, or that is in the way.")
    message: str = Field(default="", description="Why it was refused.")


class Wish(BaseModel):
    """What somebody asked of the scheduler, and what became of it."""

    id: str = Field(description="32 hex digits.")
    kind: str = Field(description="run, stop, pause, resume or poll.")
    state: str = Field(description="pending, done or refused.")
    job: str | None = None
    project: str | None = None
    execution: str | None = Field(default=None, description="The execution that it is about.")
    rerun_of: str | None = Field(default=None, description="The execution that is to be run again.")
    params: dict[str, Any] | None = None
    until: str | None = None
    note: str | None = None
    by: str = Field(default="", description="Who asked; empty for somebody who had not signed in.")
    via: str = Field(default="", description="cli, dashboard, api or webhook.")
    address: str = Field(default="", description="From where.")
    at: Instant
    answer: Answer = Field(default_factory=Answer)


class Audit(BaseModel):
    """A page of requests, newest first."""

    items: list[Wish]
    next: Cursor


class Group(BaseModel):
    """A group with a cap."""

    name: str
    taken: int = Field(description="How many of it run.")
    cap: int


class Waits(BaseModel):
    """An execution that waits for a place."""

    execution: str
    job: Key
    since: Instant | None = Field(description="When it was due.")
    number: int = Field(description="Its place among those that wait for the same; counts from 1.")
    group: str = Field(description="The group that is full; empty where all places are taken.")
    taken: int
    cap: int


class Scheduler(BaseModel):
    """What the scheduler last said of itself."""

    alive: bool
    left: bool = Field(description="It ended as it was told to.")
    at: Instant | None
    age_seconds: float | None
    version: str | None
    host: str | None
    pid: int | None
    started_at: Instant | None
    running: int
    max_running: int | None = Field(description="How many may run at once.")
    groups: list[Group]
    waiting: int = Field(description="How many wait for a place.")
    line: list[Waits] = Field(description="The first 100 of them, in order.")


class Backlog(BaseModel):
    """What waits on the scheduler's machine to be stored."""

    bytes: int
    away_since: Instant | None = Field(description="Since when the store does not answer there.")
    error: str | None
    full: bool = Field(description="Output is being cut because the journal has reached its size limit.")
    rejected: int = Field(description="Documents that no store can keep, set aside.")


class Status(BaseModel):
    """How this home is."""

    version: str = Field(description="Of the dashboard.")
    home: str
    actions: bool = Field(description="Whether anything can be asked of the scheduler here.")
    scheduler: Scheduler
    backlog: Backlog | None
    jobs: int
    attention: int = Field(description="Jobs whose last execution went wrong, or whose file is broken.")
    open: int = Field(description="Executions that run or wait for their turn.")
    problems: int = Field(description="Errors in files.")
    streams: int = Field(description="Viewers who watch output live.")
    streams_max: int
