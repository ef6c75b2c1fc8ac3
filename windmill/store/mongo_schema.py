"""A MongoDB database: how it is reached, its indexes, and its version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.uri_parser import parse_uri

from windmill.core.documents import Document
from windmill.core.errors import Refused
from windmill.store.mongo_errors import answering
from windmill.store.version import missing

RAW: Final = CodecOptions(document_class=RawBSONDocument)

_DATABASE: Final = "windmill"
# What the URI does not say itself.
_OPTIONS: Final[Mapping[str, Any]] = {
    "appName": "windmill",
    "timeoutMS": 2000,
    "serverSelectionTimeoutMS": 1500,
    "connectTimeoutMS": 1500,
    "w": "majority",
    "journal": True,
}
_INDEX_SECONDS: Final = 60  # of a large collection that was restored without its indexes
_HOSTS: Final = re.compile(r"[\w.,:%\[\]-]+")

# Equality, then order, which is read from either end; the fields behind it are tried on the index's entry, before
# the document is fetched, or shown without fetching any.
_EXECUTION_INDEXES: Final = {
    "by_time": ("queued_at", "_id", "job", "state", "trigger", "duration_ms", "revision", "failure.fingerprint"),
    "by_state": ("state", "queued_at", "_id", "project", "trigger"),
    "by_project": ("project", "state", "queued_at", "_id", "trigger", "duration_ms"),
    "by_job": ("job", "state", "queued_at", "_id", "trigger", "duration_ms", "revision", "failure.fingerprint"),
}


class Connection:
    """A client of its own and the database the URI names; `place` says where that is, without user and password.

    Nothing is asked of the server yet. Raises Refused for a URI that is not valid.
    """

    def __init__(self, uri: str) -> None:
        self.client, self.database = _client(uri)
        self._prepared = False
        self.place = f"{_shown(uri)}/{self.database.name}"

    def close(self) -> None:
        """Let go of the server; what cannot be said to it any more is not waited for."""
        with pymongo.timeout(0.5), answering(self.place):
            self.client.close()

    def prepare(self, *, readonly: bool) -> None:
        """Check the version of what the database holds; a writer brings it, and all indexes, to that of this code.

        Raises Unavailable, and Refused when a newer WindMill wrote it.
        """
        meta = self.database["meta"]
        with answering(self.place):
            schema = meta.find_one({"_id": "schema"}) or {}
        version = int(schema.get("version", 0))
        left = missing(version, STEPS, where=self.place)
        if readonly or (self._prepared and not left):
            return
        with answering(self.place), pymongo.timeout(_INDEX_SECONDS):
            for number, step in enumerate(left, start=version + 1):
                step(self.database)
                _record_version(meta, number)
            _create_indexes(self.database)
        self._prepared = True


def _client(uri: str) -> tuple[MongoClient[Document], Database[Document]]:
    query = uri.partition("?")[2]
    named = {name.lower() for name, _ in parse_qsl(query.replace(";", "&"), keep_blank_values=True)}
    options = {name: value for name, value in _OPTIONS.items() if name.lower() not in named}
    try:
        if uri.startswith("mongodb://"):  # the other form is looked up in DNS, where nobody waits for it
            parse_uri(uri, warn=False)
        client: MongoClient[Document] = MongoClient(uri, tz_aware=True, connect=False, **options)
        return client, client.get_default_database(_DATABASE)
    except (PyMongoError, ValueError, TypeError, OSError):  # what it says may hold parts of the password
        raise Refused(
            "the URI of the store, or one of its options, is not valid",
            hint="mongodb://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS; write @ : / ? % in user and password as"
            " %40 %3A %2F %3F %25",
        ) from None


def _shown(uri: str) -> str:
    """Return scheme and hosts of a URI that the driver has accepted."""
    scheme, _, rest = uri.partition("://")
    hosts = re.split("[/?]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{hosts}" if _HOSTS.fullmatch(hosts) else f"{scheme}://..."


def _create_indexes(database: Database[Document]) -> None:
    database["executions"].create_indexes([_index(name, fields) for name, fields in _EXECUTION_INDEXES.items()])
    database["output"].create_indexes([_index("by_execution", ("execution", "first", "last"))])
    database["definitions"].create_indexes([_index("by_job", ("job", "seen_at", "_id"))])
    database["requests"].create_indexes(
        [_index("by_state", ("state", "at", "_id")), _index("by_time", ("at", "_id"))]
    )


def _index(name: str, fields: tuple[str, ...]) -> IndexModel:
    return IndexModel([(field, pymongo.ASCENDING) for field in fields], name=name)


def _record_version(meta: Collection[Document], version: int) -> None:
    """Write the version unless another process has come as far; versions only grow."""
    try:
        meta.update_one({"_id": "schema", "version": {"$lt": version}}, {"$set": {"version": version}}, upsert=True)
    except DuplicateKeyError:
        return


def _indexed(database: Database[Document]) -> None:
    """Take a step that new collections and their indexes are all of."""


def _without_narrow_indexes(database: Database[Document]) -> None:
    """Drop indexes that have fewer fields than those of the same name that are made next."""
    executions = database["executions"]
    for name, index in executions.index_information().items():
        if name in _EXECUTION_INDEXES and tuple(field for field, _ in index["key"]) != _EXECUTION_INDEXES[name]:
            executions.drop_index(name)


# A database's version is how many of these it has taken; see `windmill.store.version`.
STEPS: Final[tuple[Callable[[Database[Document]], None], ...]] = (
    _indexed,
    _indexed,
    _without_narrow_indexes,
    _without_narrow_indexes,
)
