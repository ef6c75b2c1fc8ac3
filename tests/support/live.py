"""A home with a real `windmill up` on it, driven from outside: files, command line, signals, store."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.mongo import MongoServer
from tests.support.stores import open_store
from tests.support.waiting import until
from windmill.core.documents import Document
from windmill.core.model import TERMINAL, State
from windmill.core.ports import ExecutionFilter, Store

WINDMILL = [sys.executable, "-m", "windmill"]


class Live:
    """Use as a context manager: everything it started has ended when it is left.

    Everything is kept in the home's own file, or in a database of the home's own on `server`.
    """

    server: MongoServer | None = None

    def __init__(self, root: Path, settings: str | None = "", *, server: MongoServer | None = None) -> None:
        """Make a home with the project p; without settings the home is there already."""
        self.root = root
        self.server = server or self.server
        if settings is not None:
            (root / "jobs.d").mkdir(parents=True)
            (root / "projects" / "p").mkdir(parents=True)
            store = f'[store]\nuri = "{self.store_uri}"\n' if self.store_uri and "[store]" not in settings else ""
            (root / "windmill.toml").write_text(settings + store)
        self.scheduler: subprocess.Popen[bytes] | None = None
        self._errors = 0

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        if self.scheduler is not None and self.scheduler.poll() is None:
            self.scheduler.kill()
            self.scheduler.wait()
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    # Files

    def script(self, name: str, code: str) -> None:
        """Put a script into the project p."""
        (self.root / "projects" / "p" / name).write_text(textwrap.dedent(code))

    def job(self, name: str, text: str) -> Path:
        """Write jobs.d/NAME.yaml as most editors do: a new file, renamed over the old one."""
        path = self.root / "jobs.d" / f"{name}.yaml"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(textwrap.dedent(text))
        temporary.rename(path)
        return path

    # Processes

    def up(self, *options: str, version: Path | None = None) -> subprocess.Popen[bytes]:
        """Start the scheduler and wait until it holds the home; `version` holds the package of another version.

        There is a dashboard only where the options name its port.
        """
        self._errors += 1
        with (self.root / f"up-{self._errors}.err").open("wb") as errors:
            self.scheduler = subprocess.Popen(
                [
                    *WINDMILL,
                    "--home",
                    str(self.root),
                    "up",
                    *([] if "--port" in options else ["--no-dashboard"]),
                    *options,
                ],
                stdout=errors,
                stderr=errors,
                env=self._environ(),
                cwd=version,
            )
        until(lambda: self.exited() or self._holds_home(), timeout=30)
        return self.scheduler

    def exited(self) -> bool:
        return self.scheduler is not None and self.scheduler.poll() is not None

    def kill(self) -> None:
        """kill -9 the scheduler."""
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def kill_runner(self) -> None:
        """kill -9 every runner of this home."""
        for pid in self.runners():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def terminate(self, *, timeout: float = 30) -> int:
        """SIGTERM the scheduler and return its exit status."""
        assert self.scheduler is not None
        self.scheduler.terminate()
        return self.scheduler.wait(timeout)

    def messages(self) -> str:
        """Everything the scheduler said so far."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.root.glob("up-*.err")))

    def runners(self) -> list[int]:
        """The pids of the runners that live: each holds a file lock in its stream of the journal."""
        inodes = {path.stat().st_ino for path in (self.root / ".windmill" / "journal").glob("runner-*/lock")}
        held = (line.split() for line in Path("/proc/locks").read_text().splitlines())
        return [int(line[4]) for line in held if line[1] == "FLOCK" and int(line[5].split(":")[2]) in inodes]

    def processes(self) -> list[int]:
        """The pids of everything that belongs to this home: schedulers, runners, executions."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    belongs = str(self.root).encode() in (entry / "environ").read_bytes()
                    if (belongs or str(self.root) in _cmdline(int(entry.name))) and _alive(entry):
                        found.append(int(entry.name))
        return found

    # Command line and store

    def terminal(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a verb in another process, whose output is read while it works."""
        return subprocess.Popen(
            [*WINDMILL, "--home", str(self.root), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environ(),
        )

    def cli(self, *arguments: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a verb in another process, as a person in another terminal does."""
        return subprocess.run(
            [*WINDMILL, "--home", str(self.root), *arguments],
            capture_output=True,
            text=True,
            check=check,
            timeout=timeout,
            env=self._environ(),
        )

    def json(self, *arguments: str) -> Any:
        """Run a verb with --json and return what it prints."""
        return json.loads(self.cli("--json", *arguments).stdout)

    def executions(self, job: str = "") -> list[Document]:
        """Every execution in the store, skipped ones included, oldest first."""
        with suppress(Exception):  # no store yet
            return list(self._executions(job))[::-1]
        return []

    def ended(self, job: str = "") -> list[Document]:
        """The executions that had a process and have ended, oldest first."""
        return [one for one in self.executions(job) if State(one["state"]) in TERMINAL and one["started_at"]]

    def output(self, identity: str) -> bytes:
        """All output of an execution as stored."""
        store = self._store()
        try:
            parts, after = [], 0
            while blocks := store.output(identity, after=after):
                parts += [block.data for block in blocks]
                after = blocks[-1].last
            return b"".join(parts)
        finally:
            store.close()

    def _executions(self, job: str) -> Iterator[Document]:
        store = self._store()
        try:
            cursor: str | None = None
            while True:
                page = store.executions(ExecutionFilter(job=job), limit=200, cursor=cursor)
                yield from page.items
                cursor = page.next
                if cursor is None:
                    return
        finally:
            store.close()

    @property
    def store_uri(self) -> str | None:
        """The URI of the home's database, if it has one on a server."""
        return (
            self.server.uri("live-" + hashlib.sha256(str(self.root).encode()).hexdigest()[:16])
            if self.server
            else None
        )

    def _store(self) -> Store:
        return open_store(self.store_uri or str(self.root / ".windmill" / "windmill.db"), readonly=True)

    def _holds_home(self) -> bool:
        with suppress(OSError, ValueError):
            holder = json.loads((self.root / ".windmill" / "lock").read_text())
            return self.scheduler is not None and holder["pid"] == self.scheduler.pid
        return False

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WINDMILL_")}
        store = {"WINDMILL_STORE_URI": self.store_uri} if self.store_uri else {}
        return kept | {"LIVE_HOME": str(self.root)} | store


def _cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _alive(process: Path) -> bool:
    return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
