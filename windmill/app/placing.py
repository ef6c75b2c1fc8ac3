"""Puts a file into a directory of the home: as a whole, never through a link, never over what nobody looked at."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from windmill.core.errors import Refused, Unavailable

MODE: Final = 0o644  # people work on these files too, by other accounts than ours


def put(
    directory: Path,
    name: str,
    content: IO[bytes],
    *,
    replaces: str,
    settle: Callable[[str, str], None],
    judge: Callable[[], None] = lambda: None,
) -> None:
    """Write the file, all of it or nothing. `replaces` is the sha256 of the one it replaces, "" for none.

    `settle` is called with the sha256 of what was there, "" for nothing, and of what will be, when nothing but the
    last step is left; what it raises leaves everything as it was. Raises Refused where something else is there than
    `replaces` says, and for links; Unavailable where the directory cannot be written.
    """
    try:
        with _opened(directory) as folder:
            judge()
            before = _digest(folder, directory, name)
            _same(directory / name, before, replaces)
            with _written(folder, content) as (temporary, after):
                settle(before, after)
                _publish(folder, temporary, name, before, directory)
    except OSError as error:
        raise Unavailable(f"{directory.name}/{name} cannot be written: {error.strerror or error}") from error


def digest_in(directory: Path, name: str) -> str:
    """Return the sha256 of a plain file in the directory, "" where there is none. Raises Refused for a link."""
    try:
        folder = _directory(directory)
    except FileNotFoundError:
        return ""
    try:
        return _digest(folder, directory, name)
    finally:
        os.close(folder)


def _directory(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        hint = "whoever made the link looks after what it leads to: put the file there"
        raise Refused(f"{path.name} is a link or no directory, and is not written through", hint=hint) from None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Yield the directory, made where it is missing, which nobody else puts files into meanwhile."""
    path.mkdir(mode=0o755, exist_ok=True)
    folder = _directory(path)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)


def _digest(folder: int, directory: Path, name: str) -> str:
    """Return the sha256 of what has that name, "" for nothing. Raises Refused for what is no plain file."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return ""
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{directory.name}/{name} is a link or no plain file: it is left as it is")
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same(path: Path, found: str, expected: str) -> None:
    if found == expected:
        return
    shown = f"{path.parent.name}/{path.name}"
    if not found:
        raise Refused(
            f"{shown} is gone: there is nothing to replace", hint="look at the page again, and place it anew"
        )
    if not expected:
        hint = "choose another name, or look at what is there and replace it"
        raise Refused(f"{shown} is there already, with sha256 {found[:12]}", hint=hint)
    hint = "look at what is there now, then decide again"
    raise Refused(f"{shown} was changed since you looked at it: its sha256 is {found[:12]} now", hint=hint)


@contextmanager
def _written(folder: int, content: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the hidden name under which the content lies durably in the directory, and its sha256."""
    temporary = f".windmill-{secrets.token_hex(8)}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=folder), "w+b") as file:
            shutil.copyfileobj(content, file)
            os.fchmod(file.fileno(), MODE)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            after = hashlib.file_digest(file, "sha256").hexdigest()
        yield temporary, after
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)


def _publish(folder: int, temporary: str, name: str, before: str, directory: Path) -> None:
    if before:
        _same(directory / name, _digest(folder, directory, name), before)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        try:
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise Refused(f"{directory.name}/{name} appeared meanwhile: it is left as it is") from None
    os.fsync(folder)
