"""Projects that arrive as one file: a .zip or a .py, laid out without trusting it."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from windmill.core import paths
from windmill.core.errors import Refused, Unavailable

MAX_FILES: Final = 20_000
MAX_BYTES: Final = 512 << 20
_MAX_RATIO: Final = 200  # of bytes written to bytes of the archive, where more than _HARMLESS is written
_HARMLESS: Final = 64 << 20
_MAX_NAME: Final = 255  # bytes of one part of a path
_MAX_DIRECTORY: Final = 8 << 20  # bytes of a zip's own list of entries, which is read at once
_CHUNK: Final = 256 << 10
_ENCRYPTED: Final = 0x1
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})  # the others inflate without limit at once
_KINDS: Final = frozenset({0, stat.S_IFREG, stat.S_IFDIR})
_MAC: Final = "__MACOSX/"


def digest(path: Path) -> str:
    """Return the sha256 of the file's content, 64 hex digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(path: Path, target: Path, *, max_bytes: int = MAX_BYTES) -> None:
    """Lay out the .zip, or copy the .py, in the empty directory `target`.

    If everything in a zip lies in one directory, that one is left out: so people zip a folder. Files may be executed
    if they may in the zip. Raises Refused naming the entry for whatever has no place in a project: paths that lead
    out or are odd, links, devices, encryption, one name twice, more than 20,000 files, 512 MiB or 200 times the
    archive's size; `target` is then half filled. Raises Unavailable when the file changed while it was read.
    """
    before = path.stat()
    if not stat.S_ISREG(before.st_mode):
        raise Refused(f"{path.name} is no file")
    try:
        if path.suffix.lower() == ".zip":
            _unzip(path, target, before.st_size, max_bytes)
        elif before.st_size > max_bytes:
            raise Refused(f"{path.name} is larger than {max_bytes:,} bytes")
        else:
            shutil.copyfile(path, target / path.name)
    finally:
        after = path.stat()
        if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
            raise Unavailable(f"{path.name} changed while it was read", hint="it is read again when it rests")


class _Source(io.FileIO):
    """A file that is never read in one large piece, whatever its own lists say about their length."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY:
            raise zipfile.BadZipFile("its list of entries is too long")
        return super().read(size) or b""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_SET and offset < 0:
            raise zipfile.BadZipFile("it tells of places that are not there")
        return super().seek(offset, whence)


def _unzip(path: Path, target: Path, size: int, max_bytes: int) -> None:
    try:
        with _Source(path) as source, zipfile.ZipFile(source) as archive:
            entries = [entry for entry in archive.infolist() if not entry.filename.startswith(_MAC)]
            _judge(path.name, entries)
            prefix = _common_directory(entries)
            left = min(max_bytes, max(_HARMLESS, _MAX_RATIO * size))
            for entry in entries:
                place = target / entry.filename.removeprefix(prefix)
                if entry.is_dir():
                    place.mkdir(mode=0o700, parents=True, exist_ok=True)
                else:
                    left = _write(archive, entry, place, left)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError) as error:
        raise Refused(
            f"{path.name} is no whole zip file: {str(error) or 'it ends too early'}",
            hint="if it is still being copied, it is read again when it is complete",
        ) from None


def _judge(file: str, entries: list[zipfile.ZipInfo]) -> None:
    """Raise Refused for the first entry that has no place in a project, before anything is written."""
    if len(entries) > MAX_FILES:
        raise Refused(f"{file} holds more than {MAX_FILES:,} files: {len(entries):,}")
    files: set[str] = set()
    directories: set[str] = set()
    for entry in entries:
        name = entry.filename.removesuffix("/")
        mistake = _mistake_in(entry)
        if not mistake and (name in files or (name in directories and not entry.is_dir())):
            mistake = "is there twice"
        (directories if entry.is_dir() else files).add(name)
        directories.update(_parents(name))
        if mistake:
            raise Refused(f"{file}: the entry {entry.orig_filename[:200]!r} {mistake}")
    if both := files & directories:
        raise Refused(f"{file}: the entry {min(both)[:200]!r} is a file and a directory")


def _mistake_in(entry: zipfile.ZipInfo) -> str:
    name = entry.filename.removesuffix("/")
    parts = name.split("/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    checks = (
        ("\0" in entry.orig_filename, "contains a control character"),
        (kind == stat.S_IFLNK, "is a symbolic link"),
        (kind not in _KINDS, "is a device or another special file"),
        (bool(entry.flag_bits & _ENCRYPTED), "is encrypted"),
        (entry.compress_type not in _METHODS, "is compressed in a way other than deflate"),
        (any(part in {"", "."} for part in parts), "has no plain path"),
        (any(len(os.fsencode(part)) > _MAX_NAME for part in parts), f"has a name longer than {_MAX_NAME} bytes"),
    )
    return paths.mistake_in(name) or next((mistake for wrong, mistake in checks if wrong), "")


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _common_directory(entries: list[zipfile.ZipInfo]) -> str:
    """Return the one directory, with its slash, that holds all files; "" where there is none."""
    tops = {entry.filename.partition("/")[0] for entry in entries}
    if len(tops) != 1 or any("/" not in entry.filename for entry in entries):
        return ""
    return tops.pop() + "/"


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path, left: int) -> int:
    """Write one file of at most `left` bytes and return what is left then; what the entry says of its length is not
    believed.
    """
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = 0o700 if entry.external_attr >> 16 & 0o111 else 0o600
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    with os.fdopen(fd, "wb") as file, archive.open(entry) as content:
        while chunk := content.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise Refused(
                    f"the archive grows beyond {MAX_BYTES >> 20} MiB or {_MAX_RATIO} times its size, "
                    f"at the entry {entry.filename[:200]!r}"
                )
            file.write(chunk)
    return left
