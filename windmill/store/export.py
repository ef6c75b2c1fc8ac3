"""A store as a directory of files, as mongodump writes and mongorestore reads it.

DIRECTORY/DATABASE/COLLECTION.bson holds the documents one after the other, COLLECTION.metadata.json the options and
indexes; with .gz both are compressed: https://www.mongodb.com/docs/database-tools/mongodump/. Indexes beyond the
one of `_id` are left out: a store makes its own when it is opened.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import Final

from windmill.core.errors import Refused
from windmill.core.ports import COLLECTIONS, Store
from windmill.store.documents import encode
from windmill.store.version import VERSION

META: Final = "meta"
SCHEMA: Final = "schema"  # the document of META that holds the version
PACKED: Final = ".gz"
_UNFINISHED: Final = ".unfinished"
_COMPRESSION: Final = 6  # of 9; more takes twice the time for a hundredth of the size


def export(store: Store, directory: Path, *, database: str, packed: bool = False) -> dict[str, int]:
    """Write all the store keeps into `directory`/`database` and return the number of documents per collection.

    The database's directory appears when everything is on disk, or not at all. Nobody else may read it. Raises
    Refused when `directory` is not empty or cannot be filled, OSError when it cannot be made, and Unavailable.
    """
    made = _claim(directory)
    unfinished = directory / _UNFINISHED
    unfinished.mkdir(mode=0o700)
    try:
        counts = {name: _write(unfinished, name, store.dump(name), packed=packed) for name in COLLECTIONS}
        _write(unfinished, META, [encode({"_id": SCHEMA, "version": VERSION})], packed=packed)
        _sync(unfinished)
        unfinished.rename(directory / database)
        _sync(directory)
    except BaseException as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if made:
            with suppress(OSError):
                directory.rmdir()
        if isinstance(error, OSError):
            raise Refused(f"the dump cannot be written into {directory}: {error.strerror}") from error
        raise
    return counts


def _claim(directory: Path) -> bool:
    """Make the directory, or be content with an empty one; return True when it was made."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        if any(directory.iterdir()):
            raise Refused(f"{directory} is not empty", hint="name a directory that is new or empty") from None
        return False
    _sync(directory.parent)
    return True


def _write(directory: Path, collection: str, documents: Iterable[bytes], *, packed: bool) -> int:
    count = 0
    ending = PACKED if packed else ""
    with _new_file(directory / f"{collection}.bson{ending}", packed=packed) as file:
        for count, document in enumerate(documents, start=1):  # noqa: B007 - the last one is the number of all
            file.write(document)
    with _new_file(directory / f"{collection}.metadata.json{ending}", packed=packed) as file:
        file.write(_metadata(collection))
    return count


def _metadata(collection: str) -> bytes:
    """Return the collection's metadata as MongoDB Extended JSON, in which numbers carry their type."""
    by_id = {"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}}, "name": "_id_"}
    facts = {"indexes": [by_id], "collectionName": collection, "type": "collection"}
    return json.dumps(facts, separators=(",", ":")).encode()


@contextmanager
def _new_file(path: Path, *, packed: bool) -> Iterator[BufferedIOBase]:
    """Give a new file to write, compressed or as it is; it is on disk when the context is left."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if packed:
            with gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as packing:
                yield packing
        else:
            yield file
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
