"""Writes that may be repeated, in pieces small enough for a slow server; a duplicate is stored already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteMany, InsertOne, ReplaceOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from windmill.core.documents import Document
from windmill.core.model import State
from windmill.core.ports import DEFINITIONS_KEPT, Drop, OutputBlock
from windmill.store.documents import encode, stored_definition, stored_execution
from windmill.store.dumps import block_document, with_key
from windmill.store.mongo_errors import stored_already

T = TypeVar("T")
Write = InsertOne[Any] | ReplaceOne[Any] | UpdateOne | DeleteMany
OPEN: Final = (str(State.QUEUED), str(State.RUNNING))

_PIECE_BYTES: Final = 1 << 20
_PIECE_WRITES: Final = 200  # which a server that takes 5 ms for each still answers in time
_WRITE_BYTES: Final = 256  # what a write takes beside its document
_SLOWEST: Final = 32 << 10  # bytes a second; a network that carries less counts as none


@dataclass(frozen=True, slots=True)
class Put:
    """One document to be written whole (`replaces`) or by its named fields, where `filter` matches or nothing is."""

    filter: Mapping[str, Any]
    blob: bytes
    replaces: bool = True

    def write(self, *, upsert: bool) -> Write:
        """Return the write; without `upsert` it only changes what is there."""
        document = RawBSONDocument(self.blob)
        if self.replaces:
            return ReplaceOne(self.filter, document, upsert=upsert)
        return UpdateOne(self.filter, document, upsert=upsert)


def put_executions(documents: Iterable[Document]) -> list[Put]:
    """Return the writes that bring each execution forward to the most advanced of its documents."""
    furthest: dict[str, Document] = {}
    for document in documents:
        known = furthest.get(document["id"])
        if known is None or known["state"] in _lesser(document["state"]):
            furthest[document["id"]] = document
    return [
        Put(
            {"_id": identity, "state": {"$in": _lesser(document["state"])}},
            encode(with_key(stored_execution(document))),
        )
        for identity, document in furthest.items()
    ]


def put_jobs(jobs: Iterable[Document]) -> list[Put]:
    """Return the writes of the fields that the documents name."""
    merged: dict[str, Document] = {}
    for job in jobs:
        merged.setdefault(job["id"], {}).update(job)
    return [_put_job(identity, job) for identity, job in merged.items()]


def put_definitions(definitions: Iterable[Document]) -> list[Put]:
    """Return the writes of definitions that are new, or seen again later."""
    latest: dict[str, Document] = {}
    for definition in map(stored_definition, definitions):
        known = latest.setdefault(definition["id"], definition)
        if definition["seen_at"] > known["seen_at"]:
            latest[definition["id"]] = definition
    return [
        Put({"_id": identity, "seen_at": {"$lt": definition["seen_at"]}}, encode(with_key(definition)))
        for identity, definition in latest.items()
    ]


def forget_definitions(collection: Collection[Document], jobs: Iterable[str]) -> None:
    """Delete what is beyond the newest definitions of each job."""
    newest_first = [("seen_at", -1), ("_id", -1)]
    for job in sorted(set(jobs)):
        last = collection.find_one({"job": job}, {"seen_at": True}, sort=newest_first, skip=DEFINITIONS_KEPT)
        if last is not None:
            older = [
                {"seen_at": {"$lt": last["seen_at"]}},
                {"seen_at": last["seen_at"], "_id": {"$lte": last["_id"]}},
            ]
            collection.delete_many({"job": job, "$or": older})


def put_status(status: Mapping[str, Document]) -> list[Put]:
    """Return the writes of whole status documents."""
    return [Put({"_id": name}, encode({"_id": name, **document})) for name, document in status.items()]


def put(collection: Collection[Document], puts: Sequence[Put]) -> None:
    """Write what goes forward. Each `_id` comes at most once.

    Where the filter does not match, the server tries to insert: a duplicate means that something is stored that
    the filter leaves alone, or that another process was faster. The second attempt tells these two apart.
    """
    for piece, size in _pieces(puts, [len(one.blob) for one in puts]):
        again = [piece[index] for index in bulk(collection, [one.write(upsert=True) for one in piece], size)]
        bulk(collection, [one.write(upsert=False) for one in again], size)


def insert(collection: Collection[Document], blobs: Sequence[bytes]) -> int:
    """Insert encoded documents that are not there yet and return how many those were."""
    duplicates = 0
    for piece, size in _pieces(blobs, [len(blob) for blob in blobs]):
        duplicates += len(bulk(collection, [InsertOne(RawBSONDocument(blob)) for blob in piece], size))
    return len(blobs) - duplicates


def output_blobs(blocks: Iterable[OutputBlock], drops: Iterable[Drop]) -> list[bytes]:
    """Return the blocks as encoded documents, without those that the drops of their batch would delete again.

    A reader in between must not see them.
    """
    by_execution: dict[str, list[Drop]] = {}
    for drop in drops:
        by_execution.setdefault(drop.execution, []).append(drop)
    return [
        encode(block_document(block))
        for block in blocks
        if not any(
            drop.first <= block.first and block.last <= drop.last for drop in by_execution.get(block.execution, ())
        )
    ]


def drop_output(collection: Collection[Document], drops: Sequence[Drop]) -> None:
    """Delete the blocks that lie wholly within the drops."""
    for piece, size in _pieces(drops, [0] * len(drops)):
        bulk(collection, [DeleteMany(_within(drop)) for drop in piece], size)


def answer(collection: Collection[Document], answers: Sequence[Document]) -> None:
    """Settle requests that are pending; of several answers the first counts."""
    puts = [
        Put(
            {"_id": one["id"], "state": "pending"},
            encode({"$set": {"state": one["state"], "answer": one["answer"]}}),
            replaces=False,
        )
        for one in answers
    ]
    for piece, size in _pieces(puts, [len(one.blob) for one in puts]):
        bulk(collection, [one.write(upsert=False) for one in piece], size, ordered=True)


def bulk(collection: Collection[Document], writes: Sequence[Write], size: int, *, ordered: bool = False) -> list[int]:
    """Send the writes, whose documents have `size` bytes; return the places of those whose `_id` was there already.

    They have one deadline: that of the client, and what their bytes take on the slowest network.
    """
    patience = collection.database.client.options.timeout
    if patience is not None:
        patience += (size + _WRITE_BYTES * len(writes)) / _SLOWEST
    try:
        if writes:
            with pymongo.timeout(patience):
                collection.bulk_write(writes, ordered=ordered)
    except BulkWriteError as error:
        return stored_already(error)
    return []


def _put_job(identity: str, job: Document) -> Put:
    fields = {name: value for name, value in job.items() if name != "id"}
    if not fields:  # older servers refuse an empty $set
        return Put({"_id": identity}, encode({"$setOnInsert": {"_id": identity}}), replaces=False)
    return Put({"_id": identity}, encode({"$set": fields}), replaces=False)


def _lesser(state: str) -> list[str]:
    """Return the states that a document of this state may replace; what has ended stays as it is."""
    return [State.QUEUED.value] if state == State.QUEUED else list(OPEN)


def _within(drop: Drop) -> Document:
    beyond = drop.last + 1
    first = {"$gte": drop.first, "$lt": beyond}
    return {"execution": drop.execution, "first": first, "last": {"$lt": beyond}}


def _pieces(items: Sequence[T], sizes: Sequence[int]) -> Iterator[tuple[list[T], int]]:
    """Yield the items in order, in pieces of about 1 MiB and at most 200, each with its size."""
    piece: list[T] = []
    size = 0
    for item, length in zip(items, sizes, strict=True):
        if piece and (size + length > _PIECE_BYTES or len(piece) == _PIECE_WRITES):
            yield piece, size
            piece, size = [], 0
        piece.append(item)
        size += length
    if piece:
        yield piece, size
