"""The command line as a person meets it: arguments in, status and both streams out."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windmill.app.home import Home
from windmill.cli import main
from windmill.core.ports import Batch

PROGRAM = [sys.executable, "-m", "windmill"]


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What was written to stdout, as JSON."""
        return json.loads(self.out)


def windmill(home: Path, *arguments: str) -> Outcome:
    """Run a command in this process, its streams being pipes."""
    return anywhere("--home", str(home), *arguments)


def anywhere(*arguments: str) -> Outcome:
    """Run a command that finds out by itself where it is, in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(arguments))
    return Outcome(status, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def program(home: Path, *arguments: str, env: dict[str, str] | None = None) -> Outcome:
    """Run a command as a process of its own, its streams being pipes."""
    done = subprocess.run(
        [*PROGRAM, "--home", str(home), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", **(env or {})},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def make_home(root: Path, files: dict[str, str]) -> Path:
    """Return a home with an empty windmill.toml and these files."""
    for name, text in {"windmill.toml": "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def remember(home: Path, **batch: Any) -> None:
    """Write the batch into the home's store."""
    store = Home(home, {}).store(readonly=False)
    try:
        store.write(Batch(**batch))
    finally:
        store.close()
