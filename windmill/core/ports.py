"""The interfaces the shell fills: store, journal, executor. Suites in tests/contracts hold every filler to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, Protocol

from windmill.core.documents import Document
from windmill.core.model import Execution, Location, State


class Kind(IntEnum):
    """What a journal frame carries."""

    RECORD = 1  # an execution document (queued, running or skipped) as JSON
    OUTPUT = 2  # raw bytes of one stream
    END = 3  # an execution document in a terminal state as JSON
    DROP = 4  # JSON {"first": n, "last": m}: output frames m..n of the execution are no longer kept
    STATE = 5  # scheduler only: the state of one job as JSON
    MARK = 6  # scheduler only: JSON {stream: position} up to which runner frames are applied
    DEFINITION = 7  # scheduler only: what an execution runs with, a definition document as JSON (see Store)


class Stream(IntEnum):
    """Which of a job's streams a block of output came from. A pseudo-terminal is all stdout."""

    STDOUT = 1
    STDERR = 2


class Position(NamedTuple):
    """A place in a journal stream: everything before `offset` of segment number `segment`."""

    segment: int
    offset: int


class Frame(NamedTuple):
    """One journal entry. `sequence` counts the output frames of an execution from 1; 0 for other kinds."""

    kind: int
    execution: str  # 16 hex digits; "0" * 16 where there is none
    sequence: int
    stream: int  # of output; 0 for other kinds
    at: int  # milliseconds since the epoch, UTC
    payload: bytes


class JournalReader(Protocol):
    """The streams of a home's journal, read by position. One writer per stream, any number of readers."""

    def streams(self) -> list[str]:
        """Return the names of all streams, oldest first. The scheduler's own stream is named "scheduler"."""

    def first(self, stream: str) -> Position:
        """Return the oldest position still present."""

    def read(self, stream: str, position: Position, *, limit: int = 4 << 20) -> tuple[list[Frame], Position]:
        """Return whole frames from `position` on, about `limit` bytes at most, and the position after them.

        A torn or unfinished tail ends the reading there. A position before `first` reads from `first`.
        """

    def release(self, stream: str, position: Position) -> None:
        """Delete segments that lie wholly before `position`; the newest segment always stays.

        A stream whose writer is gone and settled (see `settled`) and whose end is reached is removed whole.
        """

    def settled(self, stream: str) -> bool:
        """Return True when the stream's writer is gone and every execution it started has an END somewhere."""

    def size(self) -> int:
        """Return the bytes all segments take."""

    def full(self) -> bool:
        """Return True while output is refused because the journal has reached its size limit."""


class JournalWriter(Protocol):
    """Append-only writer of one stream."""

    @property
    def position(self) -> Position:
        """The position after everything appended."""

    def append(self, frames: Iterable[Frame], *, urgent: bool = False) -> None:
        """Write the frames with one system call where possible; visible to readers at once, not yet synced.

        `urgent` frames may use space kept for a full disk. Raises OSError having written none of them; the stream
        stays readable.
        """

    def commit(self) -> None:
        """Make everything appended survive power loss (fdatasync)."""

    def close(self, *, settled: bool) -> None:
        """Commit and let go of the stream; `settled` says that everything it started has an END somewhere."""


class OutputBlock(NamedTuple):
    """Output as stored: frames first..last of one stream of one execution, joined; at most 256 KiB."""

    execution: str
    first: int
    last: int
    stream: int
    at: int  # milliseconds since the epoch of the first byte
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Stored output blocks of `execution` lying wholly within frames first..last are no longer kept."""

    execution: str
    first: int
    last: int


@dataclass(slots=True, kw_only=True)
class Batch:
    """Everything one write of the recorder carries. Applied atomically where possible, else output before ends."""

    executions: list[Document] = field(default_factory=list)
    output: list[OutputBlock] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    jobs: list[Document] = field(default_factory=list)
    status: dict[str, Document] = field(default_factory=dict)
    answers: list[Document] = field(default_factory=list)
    definitions: list[Document] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFilter:
    """Which executions to list. Empty fields do not restrict."""

    job: str = ""  # project/name
    project: str = ""
    states: frozenset[State] = frozenset()
    triggers: frozenset[str] = frozenset()
    since: datetime | None = None  # queued_at >= since
    until: datetime | None = None  # queued_at < until
    jobs: frozenset[str] | None = None  # one of these project/name; None does not restrict, none of them is nothing
    text: str = ""  # a part of project/name in any case, or the first four or more digits of an id
    revision: str = ""  # as recorded, or the beginning of its commit or hash
    longer_than: timedelta | None = None  # duration_ms at least this
    failure: str = ""  # the fingerprint of a failure, see core.failures; quick with its `job`
    contains: str = ""  # in the output, in one stream; see LOOKED_INTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page, newest first; `next` is the cursor of the following page, or None.

    A page may hold less than was asked for, and even nothing, though there is more: `looked_until` is then the
    instant down to which everything was looked through, and `next` goes on from there.
    """

    items: list[Document]
    next: str | None = None
    looked_until: str | None = None


COLLECTIONS: Final = ("executions", "output", "jobs", "status", "requests", "definitions")
LOOKED_INTO: Final = 1000  # executions whose output one page looks into, 4 MiB of each and 32 MiB in all at most
FAILURES_COUNTED: Final = 10_000  # of a job, the newest: a number that is larger says no more
DEFINITIONS_KEPT: Final = 1000  # of each job; a longer past of edits is not worth its space


class Store(Protocol):
    """What WindMill remembers. Two implementations over the same documents; every write is idempotent.

    All methods raise `errors.Unavailable` when the database does not answer, and never anything of a driver's.
    A store object belongs to one thread.

    Documents: executions as in `core.documents` (plus derived `project`, `day` and `duration_ms`, added by the
    store and returned with them); jobs {"id": "project/name", ...}, of which a write changes only the fields it
    names; requests {"id", "kind", "job", "execution", "params", "by", "at", "state": pending|done|refused,
    "answer"}; status documents by name, of which the store itself keeps "jobs" {"revision"}: another text whenever
    a job has changed; definitions {"id": digest of the job, "job", "document", "file", "line", "seen_at"}, which
    are what executions with that `job_digest` ran with.
    """

    def write(self, batch: Batch) -> None:
        """Apply the batch; durable on return. Applying it again, or any part of it, changes nothing.

        An execution's state only moves forward (queued, running, terminal): a document of a lesser state than
        the stored one, or any document for a terminal execution, is ignored. An output block whose
        (execution, first) is stored already is ignored. `answers` {"id", "state", "answer"} settle pending requests.
        Of a definition the newest `seen_at` counts, and of each job the newest DEFINITIONS_KEPT are kept.
        """

    def execution(self, prefix: str) -> Document | None:
        """Return the execution whose id starts with `prefix`, or None. Raises Refused when several do."""

    def named(self, executions: Sequence[str]) -> dict[str, Document]:
        """Return those of the executions that there are, by id."""

    def executions(self, wanted: ExecutionFilter, *, limit: int = 50, cursor: str | None = None) -> Page:
        """Return a page of matching executions, newest first by (queued_at, id), from `cursor` on."""

    def recent(self, jobs: Sequence[str], *, limit: int = 20) -> dict[str, list[Document]]:
        """Return {id, state, queued_at, duration_ms} of the last executions of each job that were not skipped.

        Newest first, by job key; a job that has none is not there. An index alone answers it.
        """

    def neighbours(self, execution: Document) -> tuple[Document | None, Document | None]:
        """Return the executions of its job before and after this one that were not skipped, as `recent` does."""

    def tally(
        self, *, job: str = "", project: str = "", since: datetime | None = None, until: datetime | None = None
    ) -> list[Document]:
        """Return {day, state, count, duration_ms} of ended executions, by UTC day of `queued_at` and by state.

        `duration_ms` is the sum. Of one job, one project or everything; since <= queued_at < until.
        """

    def failures(self, job: str, *, since: datetime | None = None, until: datetime | None = None) -> list[Document]:
        """Return what the job's failures have in common: {fingerprint, count, first, first_at, last, last_at}.

        One for each fingerprint (see `core.failures`), the one that failed last first; `first` and `last` are ids of
        executions, `_at` is when these were queued: since <= queued_at < until. Of the newest FAILURES_COUNTED.
        An index alone answers it.
        """

    def open_executions(self) -> list[Document]:
        """Return all queued and running executions, oldest first."""

    def latest_executions(self) -> dict[str, Document]:
        """Return the newest execution of each job that was not skipped, by job key."""

    def output(self, execution: str, *, after: int = 0, limit: int = 4 << 20) -> list[OutputBlock]:
        """Return blocks with `last` > after in order, about `limit` bytes at most (at least one block)."""

    def output_tail(self, execution: str, *, size: int) -> list[OutputBlock]:
        """Return the last blocks, in order, that together hold at least `size` bytes (or all there are)."""

    def last_sequence(self, execution: str) -> int:
        """Return the last frame sequence stored for the execution, 0 for none."""

    def jobs(self) -> list[Document]:
        """Return all job documents, by id."""

    def job(self, key: str) -> Document | None:
        """Return the job document of that id, or None."""

    def definition(self, digest: str) -> Document | None:
        """Return what executions with that `job_digest` ran with, or None."""

    def status(self, name: str) -> Document | None:
        """Return the status document of that name ("scheduler", "catalog", "jobs"), or None."""

    def add_request(self, request: Document) -> None:
        """Store a request, pending unless it says another state; the same id twice is one request."""

    def request(self, identity: str) -> Document | None:
        """Return the request with its state and answer."""

    def pending_requests(self, *, limit: int = 100) -> list[Document]:
        """Return pending requests, oldest first. Cheap when there are none."""

    def requests(self, *, limit: int = 50, cursor: str | None = None) -> Page:
        """Return a page of requests in every state, newest first by (at, id), from `cursor` on."""

    def expired(
        self,
        job: str,
        *,
        before: datetime | None,
        beyond: int | None,
        after: Document | None = None,
        limit: int = 100,
    ) -> list[Document]:
        """Return ended executions of the job that need not be kept, oldest first by (queued_at, id), `limit` at most.

        These are the ones queued before `before`, and the ones beyond the newest `beyond` of their sort, where
        those that were skipped are one sort and all others, open ones included, are another. Never among them: the
        newest that succeeded and the newest that failed, timed out or was lost. With `after`, the last document
        of an earlier answer, only those that follow it.
        """

    def delete(self, executions: Sequence[str]) -> int:
        """Delete these executions and their output, durably; return how many. Open ones stay."""

    def dump(self, collection: str) -> Iterator[bytes]:
        """Yield every document of one of COLLECTIONS as the BSON that MongoDB keeps, by `_id`."""

    def load(self, collection: str, documents: Sequence[bytes]) -> int:
        """Store dumped documents whose `_id` is not there yet; return how many those were. Durable on return.

        Raises Refused for bytes that are no such document.
        """

    def close(self) -> None:
        """Release the connection; the object is not used afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything the runner needs to start one execution. Nothing is resolved that the runner must check itself.

    `env` holds plain values and secret values read from the scheduler's environment; `secret_names` says which
    must be masked. `env_files` (dotenv text) and `secret_files` are read by the runner at start. Paths are
    absolute; `root` is the project's directory, which the entry point and working directory must not leave.
    """

    execution: Execution
    root: str
    entry_point: str
    python: str
    args: tuple[str, ...] = ()
    working_dir: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    secret_names: tuple[str, ...] = ()
    secret_files: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None  # seconds
    kill_grace: float = 30.0  # seconds
    success_exit_codes: tuple[int, ...] = (0,)
    fail_on_stderr: bool = False
    output_max: int = 10 << 20
    memory: int | None = None
    cpu_time: int | None = None  # seconds
    terminal: bool = False


class ExecutorEventKind(StrEnum):
    """What an executor reports."""

    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorEvent:
    """A frame of a runner's journal, announced: the execution as recorded, and where the stream stands after it."""

    kind: ExecutorEventKind
    execution: Execution
    stream: str
    position: Position


class Executor(Protocol):
    """Starts and stops executions somewhere; every started one ends in exactly one ENDED event.

    No method blocks. `start` is idempotent per execution id, for ever. An execution that cannot be started
    ends as failed with reason "not_started: ...". A job that has a running execution is refused a second one.
    """

    def fileno(self) -> int:
        """Return a descriptor that is readable when `events` has something to do."""

    def start(self, plan: Plan) -> None:
        """Order a start. The order is sent by `flush` at the latest."""

    def stop(self, execution: str, *, by: str) -> None:
        """Order a stop by the ladder TERM, grace, KILL. Unknown or ended executions are ignored."""

    def flush(self) -> None:
        """Send what was ordered."""

    def events(self) -> Sequence[ExecutorEvent]:
        """Return what happened since the last call; revives a dead runner, whose executions end as lost."""

    def detach(self) -> None:
        """Let go: running executions continue without us."""


class Projects(Protocol):
    """Where the code of a project is."""

    def locate(self, project: str) -> Location:
        """Return the current revision's place. Raises NotFound in words when there is no such project."""

    def names(self) -> list[str]:
        """Return the names of all projects."""
