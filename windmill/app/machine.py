"""What people are told of the machine: the store's kind and size, the disk, what waits in the journal, versions."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Final

from windmill.app.home import Home
from windmill.core.documents import Document
from windmill.core.errors import WindmillError

LOOKED_AT: Final = 10_000  # files of the journal
DATABASE: Final = ("windmill.db", "windmill.db-wal", "windmill.db-shm")


def machine(home: Home) -> Document:
    """Return {store: {kind, version, bytes}, disk: {free, total}, journal_bytes, python, system}.

    What cannot be found out is None, or "" for a text.
    """
    return {
        "store": _store(home),
        "disk": _disk(home.root),
        "journal_bytes": sum(_sizes(home.state / "journal")),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _store(home: Home) -> Document:
    try:
        embedded = home.embedded
    except WindmillError:
        return {"kind": "", "version": "", "bytes": None}
    if embedded:
        size = sum(_size(home.state / name) for name in DATABASE)
        return {"kind": "SQLite", "version": sqlite3.sqlite_version, "bytes": size}
    return {"kind": "MongoDB", "version": f"pymongo {metadata.version('pymongo')}", "bytes": None}


def _disk(root: Path) -> Document | None:
    with suppress(OSError):
        found = shutil.disk_usage(root)
        return {"free": found.free, "total": found.total}
    return None


def _sizes(directory: Path) -> Iterator[int]:
    seen = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            seen += 1
            if seen > LOOKED_AT:
                return
            yield _size(Path(parent, name))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # shipped and deleted since it was listed
        return 0
