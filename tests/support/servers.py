"""The database servers a store is held to its contract on: empty databases for tests, and what answers there."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import pymongo

from tests.support.mongo import MongoServer

ELSEWHERE: Final = os.environ.get("WINDMILL_TEST_MONGO_URI", "")
NAMES: Final = ("sqlite", "secantus", *(["elsewhere"] if ELSEWHERE else []))


class Server(Protocol):
    """Gives empty databases. An address is the path of a SQLite file or a MongoDB URI."""

    name: str
    process: MongoServer | None  # where the test may kill the server

    def title(self) -> str:
        """Return the name and version of what answers."""

    def database(self) -> str:
        """Return the address of a new, empty database, which is gone after the tests."""


@contextmanager
def opened(name: str, directory: Path) -> Iterator[Server]:
    """Yield the server of one of NAMES, its files in the directory."""
    if name == "sqlite":
        yield _Files(directory)
    elif name == "secantus":
        with MongoServer(directory) as process:
            yield _Mongo(name, process.uri(), process)
    else:
        server = _Mongo(name, ELSEWHERE, None)
        try:
            yield server
        finally:
            server.clean()


class _Files:
    """SQLite: every database is a file."""

    def __init__(self, directory: Path) -> None:
        self.name = "sqlite"
        self.process: MongoServer | None = None
        self._directory = directory

    def title(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def database(self) -> str:
        return str(self._directory / f"{uuid.uuid4().hex}.db")


class _Mongo:
    """Whatever speaks MongoDB's wire protocol at a URI."""

    def __init__(self, name: str, uri: str, process: MongoServer | None) -> None:
        self.name = name
        self.process = process
        self._uri = uri
        self._databases: list[str] = []

    def title(self) -> str:
        return title(self._uri)

    def database(self) -> str:
        database = f"windmill-test-{uuid.uuid4().hex}"
        self._databases.append(database)
        return with_database(self._uri, database)

    def clean(self) -> None:
        """Drop what was given."""
        with client(self._uri) as connection:
            for database in self._databases:
                connection.drop_database(database)


def client(uri: str) -> pymongo.MongoClient[dict[str, Any]]:
    """Return a plain connection, to look at a database beside the store."""
    return pymongo.MongoClient(uri, tz_aware=True, serverSelectionTimeoutMS=5000)


def title(uri: str) -> str:
    """Return the name and version of the server at the URI, in its own words."""
    with client(uri) as connection:
        info = connection.server_info()
    if "secantusVersion" in info:
        return f"SecantusDB {info['secantusVersion']} (answers as MongoDB {info['version']})"
    if "ferretdb" in info or "ferretdbVersion" in info:
        return f"FerretDB (answers as MongoDB {info['version']})"
    return f"MongoDB {info['version']}"


def with_database(uri: str, database: str) -> str:
    """Return the URI naming another database; users stay those of the one it named."""
    parts = urlsplit(uri)
    query, named = parts.query, parts.path.strip("/")
    if named and "@" in parts.netloc and "authsource=" not in query.lower():
        query = f"{query}&authSource={named}".lstrip("&")
    return parts._replace(path=f"/{database}", query=query).geturl()
