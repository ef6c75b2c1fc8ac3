"""Facts that come in about one job, and orders that go out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from windmill.core.model import Execution, Job, When
from windmill.core.state import End, ManualRequest, Pause
from windmill.core.triggers import Trigger


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a job may know of one that it comes after.

    Before `until` nothing of it is open or owed; None is no bound. `last` is the end of its newest execution, and
    `passed` its newest slot that nothing was executed for.
    """

    key: str
    when: When
    until: datetime | None
    last: End | None = None
    passed: End | None = None
    known: bool = True  # False for a job that is not there, or not known yet


@dataclass(frozen=True, slots=True)
class Definition:
    """A job as wanted now, the trigger its schedule makes, and what is known of the jobs it comes after.

    `job` is None when its file is gone.
    """

    job: Job | None
    trigger: Trigger | None = None  # None: manual only, disabled, or gone
    upstreams: tuple[Upstream, ...] = ()


# Facts


@dataclass(frozen=True, slots=True)
class Due:
    """The instant the job waited for has come: a slot, a retry."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The job's execution reached a terminal state."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Defined:
    """The job is wanted as the definition says; also at start-up, after `away` without a scheduler."""

    before: Definition
    returned: bool = False  # True: the scheduler was away and this is its first look


@dataclass(frozen=True, slots=True)
class RunRequested:
    """A person wants an execution now; with `wait`, after the one that is open."""

    request: ManualRequest
    wait: bool = False


@dataclass(frozen=True, slots=True)
class StopRequested:
    """A person wants the open execution `execution` to end."""

    request: str
    execution: str
    by: str


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """A person wants no slots of the job to start."""

    request: str
    pause: Pause


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """A person ends a pause."""

    request: str


Event = Due | Ended | Defined | RunRequested | StopRequested | PauseRequested | ResumeRequested


# Orders


@dataclass(frozen=True, slots=True)
class Record:
    """Write this execution down; there is no process for it (queued, skipped, or ended before its start)."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Admit:
    """Start this queued execution as soon as the caps allow."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Stop:
    """End the running execution by the ladder."""

    execution: str
    by: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell whoever asked what came of it: the execution concerned, or why not."""

    request: str
    execution: str = ""
    refused: str = ""


Order = Record | Admit | Stop | Answer
