"""A process of our own beside the scheduler: started, started again when it dies, ended with us."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

# All in seconds.
BACK_OFF: Final = 1.0  # before the first start after a death; doubles
BACK_OFF_MAX: Final = 60.0
STEADY: Final = 30.0  # of life after which a death counts as the first again
PATIENCE: Final = 2.0  # for it to end before it is killed

REMEMBERED: Final = 100  # lines


class LeashedProcess:
    """`windmill VERB --leashed`. Use as a context manager.

    What the process says is passed on, unless the one before it said the same; `trouble` is said when it ends by
    itself. It holds the other end of a pipe of ours as its stdin and ends when that closes, so also when we are
    killed.
    """

    def __init__(self, root: Path, verb: Sequence[str], say: Callable[[str], None], *, trouble: str) -> None:
        self._command = [sys.executable, "-m", "windmill", "--home", str(root), *verb]
        self._say, self._trouble = say, trouble
        self._said: deque[str] = deque(maxlen=REMEMBERED)  # by the process before
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=verb[0], daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stopping.set()
            process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _run(self) -> None:
        pause = BACK_OFF
        while not self._stopping.is_set():
            began = time.monotonic()
            self._live()
            if time.monotonic() - began > STEADY:
                pause = BACK_OFF
            self._stopping.wait(pause)
            pause = min(pause * 2, BACK_OFF_MAX)

    def _live(self) -> None:
        """Start the process, pass on what it says, and return when it has ended."""
        with self._lock:
            if self._stopping.is_set():
                return
            pipe = subprocess.PIPE
            process = self._process = subprocess.Popen(
                self._command,
                stdin=pipe,
                stdout=subprocess.DEVNULL,
                stderr=pipe,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        said: deque[str] = deque(maxlen=REMEMBERED)
        with process:
            for line in process.stderr or ():
                self._tell(line.rstrip("\n"), said)
        if not self._stopping.is_set():
            self._tell(self._trouble, said)
        self._said = said

    def _tell(self, line: str, said: deque[str]) -> None:
        said.append(line)
        if line not in self._said:
            self._say(line)
