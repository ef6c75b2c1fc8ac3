"""A store by the address of its database: the path of a SQLite file or a MongoDB URI."""

from __future__ import annotations

from pathlib import Path

from windmill.core.ports import Store
from windmill.store.sqlite import SqliteStore


def open_store(address: str, *, readonly: bool = False) -> Store:
    """Return a store on the database at that address."""
    if address.startswith("mongodb"):
        from windmill.store.mongo import MongoStore  # noqa: PLC0415 - processes on a file start without the driver

        return MongoStore(address, readonly=readonly)
    return SqliteStore(Path(address), readonly=readonly)
