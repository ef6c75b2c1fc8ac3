"""From a directory that `windmill.store.export` or mongodump wrote, back into a store."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Final, NamedTuple

from windmill.core.errors import NotFound, Refused
from windmill.core.ports import COLLECTIONS, Store
from windmill.store.documents import decode
from windmill.store.export import META, PACKED, SCHEMA
from windmill.store.version import VERSION, missing

LARGEST: Final = 16 << 20  # bytes of a document, the limit of MongoDB
_SMALLEST: Final = 5  # bytes of an empty one
_BATCH: Final = 1 << 20  # bytes loaded at once, unless a single document is larger

Placed = tuple[int, bytes]  # a document, and where in the unpacked file it begins


class Restored(NamedTuple):
    """What came of the documents of one collection."""

    read: int
    added: int


def restore(store: Store, directory: Path) -> dict[str, Restored]:
    """Load what a dump holds and the store does not, and return the counts per collection.

    `directory` holds the dump of a database or is it. What was loaded before an error stays; doing it again adds
    the rest. Raises NotFound when there is no dump, Refused naming file and offset when it is damaged, and when a
    newer WindMill wrote it; Unavailable.
    """
    database = _database(directory)
    if meta := _file(database, META):
        _check_version(meta)
    return {name: _restore(store, name, _file(database, name)) for name in COLLECTIONS}


def _database(directory: Path) -> Path:
    inner = sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [path for path in (directory, *inner) if _file(path, "executions")]
    if not found:
        raise NotFound(f"{directory} holds no dump of WindMill: there is no executions.bson in it or one level below")
    if len(found) > 1:
        names = ", ".join(str(path) for path in found)
        raise Refused(f"{directory} holds the dumps of several databases: {names}", hint="name one of them")
    return found[0]


def _file(database: Path, collection: str) -> Path | None:
    paths = (database / f"{collection}.bson{ending}" for ending in ("", PACKED))
    return next((path for path in paths if path.is_file()), None)


def _check_version(path: Path) -> None:
    for offset, blob in _documents(path):
        try:
            document = decode(blob)
            version = int(document["version"]) if document["_id"] == SCHEMA else 0
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(path, offset, "this is no document of meta") from error
        missing(version, range(VERSION), where=str(path))


def _restore(store: Store, collection: str, path: Path | None) -> Restored:
    read = added = 0
    for batch in _batches(_documents(path) if path else ()):
        read += len(batch)
        added += _load(store, collection, path or Path(), batch)
    return Restored(read, added)


def _batches(documents: Iterable[Placed]) -> Iterator[list[Placed]]:
    batch: list[Placed] = []
    size = 0
    for offset, blob in documents:
        if batch and size + len(blob) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append((offset, blob))
        size += len(blob)
    if batch:
        yield batch


def _load(store: Store, collection: str, path: Path, batch: list[Placed]) -> int:
    try:
        return store.load(collection, [blob for _, blob in batch])
    except Refused:
        for offset, blob in batch:  # which of them it was, the store does not say
            try:
                store.load(collection, [blob])
            except Refused as error:
                raise _damaged(path, offset, error.message) from error
        raise


def _documents(path: Path) -> Iterator[Placed]:
    """Yield the documents of a file, each with its place in the unpacked file. Raises Refused where it is damaged."""
    offset = 0
    with _opened(path) as file:
        try:
            while head := file.read(4):
                length = int.from_bytes(head, "little")
                if not _SMALLEST <= length <= LARGEST:
                    raise _damaged(path, offset, f"a document of {length} bytes cannot be")
                blob = head + file.read(length - len(head))
                if len(blob) < length:
                    raise _damaged(path, offset, f"the file ends after {len(blob)} of a document's {length} bytes")
                yield offset, blob
                offset += length
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _damaged(path, offset, f"it cannot be unpacked: {error}") from error


def _opened(path: Path) -> BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == PACKED else path.open("rb")


def _damaged(path: Path, offset: int, reason: str) -> Refused:
    unpacked = " unpacked" if path.suffix == PACKED else ""
    return Refused(
        f"{path} is damaged at its{unpacked} byte {offset}: {reason}",
        hint="restore again from a whole dump; what is in the store already stays and is not added twice",
    )
