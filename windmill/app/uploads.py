"""Code that is handed in as one file: looked at where nobody runs it, and only then put under projects/."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from windmill.app.placing import put
from windmill.core.errors import Refused, Unavailable
from windmill.jobs.fields import NAME_PATTERN
from windmill.projects import archive
from windmill.projects.known import Kind, Project

UPLOAD_MAX: Final = 50 << 20  # bytes
SCRIPT_MAX: Final = 4 << 20  # bytes
KINDS: Final = {".py": Kind.FILE, ".zip": Kind.ARCHIVE}
_NAME: Final = re.compile(NAME_PATTERN)


def project_of(file: str) -> tuple[str, Kind]:
    """Return the project that a file of that name is, and its kind. Raises Refused."""
    stem, dot, suffix = file.rpartition(".")
    kind = KINDS.get(dot + suffix)
    if kind is None:
        raise Refused(f"{file[:100]!r} is neither a .py nor a .zip", hint="zip the folder of the project")
    if not _NAME.fullmatch(stem):
        hint = "1 to 100 of the characters A-Z a-z 0-9 . _ -, the first not one of . _ -"
        raise Refused(f"{file[:100]!r} cannot name a project", hint=hint)
    return stem, kind


def take_in(
    home: Path,
    state: Path,
    file: str,
    content: IO[bytes],
    *,
    known: Callable[[], dict[str, Project]],
    replaces: str,
    settle: Callable[[str, str], None],
) -> str:
    """Put the file under projects/ and return the project's name. Raises Refused for what has no place there.

    `state` is where it is looked at; `known` answers with the projects; `replaces` and `settle` are as with `put`.
    """
    name, kind = project_of(file)
    with _bench(state / "uploads") as bench:
        received = bench / file
        _receive(content, received)
        _judge(received, kind, bench / "laid-out")
        with received.open("rb") as judged:
            put(
                home / "projects",
                file,
                judged,
                replaces=replaces,
                settle=settle,
                judge=lambda: _free(name, kind, known()),
            )
    return name


def _free(name: str, kind: Kind, known: dict[str, Project]) -> None:
    """Raise Refused where the project is something else than a file of this kind."""
    if (there := known.get(name)) is None or (there.kind is kind and there.path is not None):
        return
    if there.kind is Kind.GIT:
        hint = "push to its repository, or choose another name"
        raise Refused(f"the code of {name} comes from git, and changes there only", hint=hint)
    kinds = {Kind.DIRECTORY: "a directory", Kind.ARCHIVE: "a zip", Kind.FILE: "a single file"}
    raise Refused(f"there is a project {name} already, which is {kinds[there.kind]}", hint="choose another name")


@contextmanager
def _bench(path: Path) -> Iterator[Path]:
    """Yield an empty directory that is ours alone; what somebody left there who was killed is gone."""
    path.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable("another upload is being looked at", hint="try again in a moment") from None
        bench = path / "bench"
        shutil.rmtree(bench, ignore_errors=True)
        bench.mkdir(mode=0o700)
        try:
            yield bench
        finally:
            shutil.rmtree(bench, ignore_errors=True)
    finally:
        os.close(lock)


def _receive(content: IO[bytes], path: Path) -> None:
    with path.open("xb") as file:
        left = UPLOAD_MAX
        while chunk := content.read(1 << 20):
            left -= len(chunk)
            if left < 0:
                raise Refused(f"{path.name} is larger than {UPLOAD_MAX >> 20} MiB")
            file.write(chunk)
    if left == UPLOAD_MAX:
        raise Refused(f"{path.name} is empty")


def _judge(received: Path, kind: Kind, laid_out: Path) -> None:
    """Raise Refused for what a sync would refuse too, and for a .py that is no text."""
    if kind is Kind.ARCHIVE:
        laid_out.mkdir(mode=0o700)
        archive.unpack(received, laid_out)
        if not any(laid_out.iterdir()):
            raise Refused(f"{received.name} holds no files")
        return
    if received.stat().st_size > SCRIPT_MAX:
        raise Refused(f"{received.name} is larger than {SCRIPT_MAX >> 20} MiB, which no script is")
    try:
        text = received.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(f"{received.name} is no text: save it as UTF-8") from None
    if "\0" in text:
        raise Refused(f"{received.name} is no text: it contains NUL")
