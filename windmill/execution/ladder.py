"""How an execution comes to its end: TERM, grace, KILL, and what is waited for in between. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

DRAIN: Final = 1.0  # seconds a process left behind may hold the output after the entry point's end
GIVE_UP: Final = 10.0  # seconds of killing after which survivors are reported (uninterruptible sleep)
LOOK_FIRST: Final = 0.01
LOOK_LATER: Final = 0.25


class Act(Enum):
    """What is to be done now."""

    WAIT = auto()
    TERM = auto()  # ask all processes to end
    KILL = auto()  # kill all that are left
    OVER = auto()  # write the end


class _Phase(Enum):
    RUNNING = auto()
    TERMINATING = auto()  # asked to end, grace is running
    DRAINING = auto()  # ended by itself, others may remain for DRAIN seconds
    KILLING = auto()


@dataclass(slots=True)
class Ladder:
    """The way of one execution to its end. All instants are monotonic seconds.

    Call `look` at `due`, and at once after `stop`, `exited`, or when all outputs have been closed.
    Once OVER it stays so.
    """

    kill_grace: float
    timeout_at: float | None = None
    due: float | None = None
    cause: str = ""  # "timeout", or "stopped by ..."; empty while it ends by itself
    phase: _Phase = _Phase.RUNNING
    gone: bool = False  # the entry point has ended
    _until: float = 0.0  # end of the phase
    _drain_until: float | None = None
    _pause: float = LOOK_FIRST

    @property
    def at_rest(self) -> bool:
        """True while the execution was not asked to end."""
        return self.phase in {_Phase.RUNNING, _Phase.DRAINING}

    def limit(self, timeout_at: float) -> None:
        """Let it run until then."""
        self.timeout_at = self.due = timeout_at

    def stop(self, now: float, *, by: str) -> None:
        """Take the first wish to stop; one after the end of the entry point, or after another, is ignored."""
        if not self.cause and not self.gone:
            self.cause = f"stopped by {by}"
            self.due = now

    def exited(self, now: float) -> None:
        """Take note that the entry point has ended."""
        self.gone = True
        self.due = now

    def look(self, now: float, *, alive: bool, held: bool) -> Act:
        """Return what to do, given whether any process of the execution lives and whether an output is still open."""
        if self.phase is _Phase.RUNNING:
            act = self._running(now)
        elif self.phase is _Phase.KILLING:
            act = Act.OVER if now >= self._until else Act.KILL
        else:
            act = Act.KILL if alive and now >= self._until else Act.WAIT
        if act is not Act.TERM and self.gone and not alive:
            act = self._drained(now, held=held)
        self._arm(now, act)
        return act

    def _running(self, now: float) -> Act:
        if self.gone:
            self._enter(_Phase.DRAINING, now + DRAIN)
            self._drain_until = self._until
            return Act.WAIT
        if self.timeout_at is not None and now >= self.timeout_at and not self.cause:
            self.cause = "timeout"
        if not self.cause:
            return Act.WAIT
        self._enter(_Phase.TERMINATING, now + self.kill_grace)
        return Act.TERM

    def _drained(self, now: float, *, held: bool) -> Act:
        if self._drain_until is None:
            self._drain_until = now + DRAIN
        return Act.WAIT if held and now < self._drain_until else Act.OVER

    def _enter(self, phase: _Phase, until: float) -> None:
        self.phase, self._until, self._pause = phase, until, LOOK_FIRST

    def _arm(self, now: float, act: Act) -> None:
        """Set `due`: looks come seldom at first sight of nothing, never later than the phase's end."""
        if act is Act.OVER:
            self.due = None
            return
        if act is Act.KILL and self.phase is not _Phase.KILLING:
            self._enter(_Phase.KILLING, now + GIVE_UP)
        if self.phase is _Phase.RUNNING:
            self.due = self.timeout_at
        elif self.phase is _Phase.TERMINATING and not self.gone:
            self.due = self._until
        else:
            self.due = min(now + self._pause, max(self._until, now + LOOK_FIRST))
            self._pause = min(self._pause * 2, LOOK_LATER)
