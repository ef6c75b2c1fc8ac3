"""One execution under the runner: recorded, started, read, brought to its end, recorded again."""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from windmill.core.documents import Document, to_document
from windmill.core.model import State
from windmill.core.ports import Kind, Plan, Stream
from windmill.execution import tree
from windmill.execution.capture import Capture
from windmill.execution.host import Host
from windmill.execution.ladder import Act, Ladder
from windmill.execution.launch import Launch, NotStarted, in_words, prepare
from windmill.execution.ledger import instant, record
from windmill.execution.outcome import NOT_STARTED, outcome
from windmill.execution.process import Limits, Process, spawn

TRANSIENT: Final = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
TRY_FOR: Final = 30.0  # seconds a start is tried again while the machine is short of something
TRY_AGAIN: Final = 0.25  # seconds between the tries
TELL_EVERY: Final = 1.0  # seconds between records of what the job tells of itself


class Supervised:
    """An accepted execution, from before its record until its end is written.

    `begin` records it; the record written starts it; `due` and `look` bring it to its end. An execution that never
    gets as far as a process ends as failed with reason "not_started: ...", or as stopped.
    """

    def __init__(self, plan: Plan, host: Host) -> None:
        self.id = plan.execution.id
        self.job = plan.execution.job
        self.document: Document = to_document(plan.execution)
        self._cookie = f"{self.id}@{host.home}"
        self.mark = tree.marker(self._cookie)
        self._plan = plan
        self._host = host
        self._ladder = Ladder(plan.kill_grace)
        self._capture = Capture(self.id, limit=plan.output_max)
        self._launch: Launch | None = None
        self._process: Process | None = None
        self._give_up = time.monotonic() + TRY_FOR
        self._try_at: float | None = None
        self._record: Document | None = None  # as written
        self._ended = False
        self._facts: list[str] = []
        self._complained = False  # on stderr, where that is a failure
        self._told_at = -TELL_EVERY

    @property
    def due(self) -> float | None:
        """When `look` is wanted next (monotonic seconds)."""
        return self._ladder.due if self._process else self._try_at

    @property
    def subject(self) -> tree.Subject:
        """Whose processes a census is to look for."""
        return tree.Subject(self.id, self._cookie, self._process.pid if self._process else None)

    def begin(self) -> None:
        """Hand in the record that is to be written before the process exists."""
        if self._ended:
            return
        try:
            self._launch = prepare(self._plan, cookie=self._cookie, environ=self._host.environ)
        except NotStarted as error:
            self.refuse("; ".join(filter(None, (error.message, error.hint))))
            return
        if self._launch.masks:
            self._capture = Capture(self.id, limit=self._plan.output_max, masks=self._launch.masks)
        self.document |= {"state": str(State.RUNNING), "started_at": instant(self._host.now_ms())}
        self._host.ledger.enter(Kind.RECORD, self)
        self._try_at = self._give_up
        self._host.loop.wait_for(self)

    def refuse(self, words: str) -> None:
        """End it without a process."""
        self._end_unstarted(State.FAILED, f"{NOT_STARTED}: {words}")

    def stop(self, by: str) -> None:
        """Begin the ladder, or end it at once where there is no process yet. Later wishes are ignored."""
        if self._ended:
            return
        if self._process is None:
            self._end_unstarted(State.STOPPED, f"stopped by {by}")
            return
        self._ladder.stop(time.monotonic(), by=by)
        self._host.loop.wait_for(self)

    def written(self) -> None:
        """Start the process after the record; be over after the end."""
        if self._ended:
            self._record = None
            del self._host.open[self.id]
        else:
            self._record = dict(self.document)
            self._start()

    def lost(self, size: int) -> None:
        """Count output that could not be written."""
        self._capture.lost(size)
        self._count()

    def flush(self) -> None:
        """Hand on output that waits for company, and what the job tells of itself."""
        if not self._ended:
            self._host.ledger.output(self, self._capture.flush(self._host.now_ms()))
            if self._capture.told.news:
                self._tell()

    def checkpoint(self) -> Document | None:
        """Return its record with what is known by now, None while there is none or when the end is written."""
        self._count()
        known = {name: self.document[name] for name in ("pid", "output_bytes", "cut_bytes")}
        return None if self._record is None else self._record | known | self._capture.told.document

    def asks(self, adopted: Collection[str] | None) -> bool:
        """Return True unless it ended by itself and left nothing to the runner: looking at every process is dear."""
        if self._process is None:
            return False
        if self._ladder.gone and self._ladder.at_rest:
            return adopted is None or self.id in adopted
        return True

    def look(self, left: Sequence[tree.Found]) -> None:
        """Do what is due, given the living processes (when `asks` was true)."""
        if self._process is None:
            self._look_at_start()
            return
        process = self._process
        alive = bool(left) or not self._ladder.gone
        rested = self._ladder.at_rest
        act = self._ladder.look(time.monotonic(), alive=alive, held=bool(process.outputs))
        if act is Act.TERM:
            process.signal_group(signal.SIGTERM)
            process.signal_group(signal.SIGCONT)
            tree.send([one for one in left if one.group != process.pid], signal.SIGTERM, signal.SIGCONT)
        elif act is Act.KILL:
            if rested:
                self._facts += ["output_held"] * bool(process.outputs) + [f"left_behind: {len(left)} killed"]
            tree.kill(self.subject, left)
        elif act is Act.OVER:
            self._end(process, left)
        self._host.loop.wait_for(self)

    def _look_at_start(self) -> None:
        if self._ended:
            return
        if time.monotonic() >= self._give_up:
            self._end_unstarted(State.FAILED, f"{NOT_STARTED}: the journal takes no records (disk full?)")
        else:
            self._start()

    def _start(self) -> None:
        launch = self._launch
        if launch is None:
            return
        limits = Limits(self._host.files, self._plan.memory, self._plan.cpu_time)
        try:
            self._process = spawn(
                launch.argv,
                env=launch.env,
                cwd=launch.cwd,
                terminal=self._plan.terminal,
                limits=limits,
                marker=self.mark,
            )
        except OSError as error:
            if error.errno in TRANSIENT and time.monotonic() < self._give_up - TRY_AGAIN:
                self._try_at = time.monotonic() + TRY_AGAIN
                self._host.loop.wait_for(self)
            else:
                self.refuse(in_words(error, launch.argv, launch.cwd))
        except ValueError as error:
            self.refuse(str(error))
        else:
            self._started(self._process)

    def _started(self, process: Process) -> None:
        self.document["pid"] = process.pid
        self._host.leaders.add(process.pid)
        if self._plan.timeout is not None:
            self._ladder.limit(time.monotonic() + self._plan.timeout)
        for fd, stream in process.outputs.items():
            self._host.loop.watch(fd, partial(self._read, process, fd, stream))
        self._host.loop.watch(process.pidfd, partial(self._exited, process))
        self._host.loop.wait_for(self)

    def _read(self, process: Process, fd: int, stream: Stream) -> None:
        data = process.read(fd)
        if data:
            self._host.ledger.output(self, self._capture.feed(stream, data, self._host.now_ms()))
            self._host.fed.add(self)
            self._complained |= self._plan.fail_on_stderr and stream is Stream.STDERR
        elif data == b"":
            self._host.loop.forget(fd)
            process.close_output(fd)
            if self._ladder.gone and not process.outputs:
                self._ladder.exited(time.monotonic())
                self._host.loop.wait_for(self)

    def _tell(self) -> None:
        """Record the execution as it is known by now, or come back for it: its end may be far away."""
        moment, document = time.monotonic(), self.checkpoint()
        if document is None or moment < self._told_at + TELL_EVERY:
            self._host.fed.add(self)
            return
        self._told_at, self._capture.told.news = moment, False
        self._host.ledger.output(self, [record(Kind.RECORD, self, self._host.now_ms(), document)])

    def _exited(self, process: Process) -> None:
        self._host.loop.unwatch(process.pidfd)
        self._ladder.exited(time.monotonic())
        self._host.loop.wait_for(self)

    def _end(self, process: Process, left: Sequence[tree.Found]) -> None:
        if process.outputs and "output_held" not in self._facts:
            self._facts.append("output_held")
        if left:
            self._facts.append(f"survivors: {', '.join(str(one.pid) for one in left)} cannot be killed")
        for fd in (*process.outputs, process.pidfd):
            self._host.loop.forget(fd)
        status = process.reap()
        self._host.leaders.discard(process.pid)
        process.close()
        self._host.ledger.output(self, self._capture.finish(self._host.now_ms()))
        ended = outcome(
            status,
            cause=self._ladder.cause,
            success_exit_codes=self._plan.success_exit_codes,
            complained=self._complained,
            facts=self._facts,
        )
        self._enter_end(ended)
        self._process = None

    def _end_unstarted(self, state: State, reason: str) -> None:
        self._host.ledger.withdraw(self)
        self._enter_end({"state": str(state), "reason": reason, "started_at": None})

    def _enter_end(self, ended: Document) -> None:
        self._ended, self._try_at = True, None
        self._count()
        self.document |= self._capture.told.document | ended | {"ended_at": instant(self._host.now_ms())}
        self._host.ledger.enter(Kind.END, self)

    def _count(self) -> None:
        self.document |= {"output_bytes": self._capture.output_bytes, "cut_bytes": self._capture.cut_bytes}
