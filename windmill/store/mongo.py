"""The store in a MongoDB database, or whatever else speaks its protocol: plain operations of version 4.0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing
from datetime import datetime
from typing import Final

from windmill.core.documents import Document
from windmill.core.errors import Refused
from windmill.core.ports import Batch, ExecutionFilter, OutputBlock, Page
from windmill.store import mongo_pages
from windmill.store.containing import containing
from windmill.store.documents import encode, returned, revised, stored_request
from windmill.store.dumps import block_of, undumped, with_key, without_key
from windmill.store.listing import IDS, instant_of, newest_first, page, place_after, resolve
from windmill.store.mongo_errors import answering
from windmill.store.mongo_expiry import find_expired
from windmill.store.mongo_listing import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    RAN,
    Order,
    find_horizon,
    of_ids,
    one_of,
    stretches,
)
from windmill.store.mongo_schema import RAW, Connection
from windmill.store.mongo_tally import tally
from windmill.store.mongo_writes import (
    OPEN,
    answer,
    drop_output,
    forget_definitions,
    insert,
    output_blobs,
    put,
    put_definitions,
    put_executions,
    put_jobs,
    put_status,
)

_BLOCKS_PER_READ: Final = 32  # at most 8 MiB
_NUMBERS: Final = {"_id": False, "first": True, "last": True}  # an index has them: no block is read for these


class MongoStore:
    """`core.ports.Store` in the database that the URI names, "windmill" where it names none; a reader never writes.

    `place` is the URI, or a connection that others use as well, from any thread, and which stays open. Raises
    Unavailable within about two seconds when the server does not answer, Refused when the URI is not valid or a
    newer WindMill wrote the database.
    """

    def __init__(self, place: str | Connection, *, readonly: bool = False) -> None:
        self._shared = isinstance(place, Connection)
        self._connection = Connection(place) if isinstance(place, str) else place
        self._database = self._connection.database
        try:
            self._connection.prepare(readonly=readonly)
        except BaseException:
            self.close()
            raise

    def write(self, batch: Batch) -> None:
        """Apply the batch part by part; all of it is on the disks of a majority when this returns.

        Output goes first: who sees that an execution has ended finds everything that it wrote.
        """
        database = self._database
        with self._answering():
            insert(database["output"], output_blobs(batch.output, batch.drops))
            drop_output(database["output"], batch.drops)
            put(database["definitions"], put_definitions(batch.definitions))
            forget_definitions(database["definitions"], [one["job"] for one in batch.definitions])
            put(database["executions"], put_executions(batch.executions))
            put(database["jobs"], put_jobs(batch.jobs))
            put(database["status"], put_status({**batch.status, **(revised() if batch.jobs else {})}))
            answer(database["requests"], batch.answers)

    def execution(self, prefix: str) -> Document | None:
        """Return the execution whose id starts with `prefix`, or None. Raises Refused when several do."""
        found = self._find("executions", {"_id": of_ids(prefix)}, [("_id", 1)], limit=3)
        if len(found) > 1:
            names = ", ".join(document["id"] for document in found)
            raise Refused(f"several executions begin with {prefix!r}, such as {names}", hint="give more digits")
        return found[0] if found else None

    def named(self, executions: Sequence[str]) -> dict[str, Document]:
        """Return those of the executions that there are, by id."""
        found = self._find("executions", {"_id": {"$in": list(executions)}}, None)
        return {one["id"]: one for one in found}

    def executions(self, wanted: ExecutionFilter, *, limit: int = 50, cursor: str | None = None) -> Page:
        """Return a page of matching executions, newest first. Raises Refused for a cursor that is none of ours."""
        if wanted.contains:
            return containing(self, wanted, limit=limit, cursor=cursor)
        search = resolve(wanted, cursor, self._job_names)
        with self._answering():
            horizon = find_horizon(self._database["executions"], search)
        search = search.down_to(horizon)
        found: list[Document] = []
        for stretch in stretches(search):
            if len(found) <= limit:
                found += self._find("executions", stretch, NEWEST_FIRST, limit=limit + 1 - len(found))
        if search.ids:
            named = self._find("executions", {"_id": of_ids(search.ids)}, [("_id", 1)], limit=IDS)
            found = newest_first([*found, *search.matching(named)])
        return page(found, limit, horizon)

    def recent(self, jobs: Sequence[str], *, limit: int = 20) -> dict[str, list[Document]]:
        """Return {id, state, queued_at, duration_ms} of the last executions of each job that were not skipped."""
        with self._answering():
            return mongo_pages.recent(self._database["executions"], jobs, limit=limit)

    def neighbours(self, execution: Document) -> tuple[Document | None, Document | None]:
        """Return the executions of its job before and after this one that were not skipped, as `recent` does."""
        with self._answering():
            return mongo_pages.neighbours(self._database["executions"], execution)

    def tally(
        self, *, job: str = "", project: str = "", since: datetime | None = None, until: datetime | None = None
    ) -> list[Document]:
        """Return {day, state, count, duration_ms} of ended executions; reads the index's entries of the window."""
        try:
            with self._answering():
                return tally(self._database["executions"], job=job, project=project, since=since, until=until)
        except UnicodeEncodeError:  # see _find
            return []

    def failures(self, job: str, *, since: datetime | None = None, until: datetime | None = None) -> list[Document]:
        """Return what the job's failures have in common, by fingerprint; see `core.ports.Store`."""
        with self._answering():
            return mongo_pages.failures(self._database["executions"], job, since=since, until=until)

    def open_executions(self) -> list[Document]:
        """Return all queued and running executions, oldest first."""
        return self._find("executions", {"state": {"$in": list(OPEN)}}, OLDEST_FIRST)

    def latest_executions(self) -> dict[str, Document]:
        """Return the newest execution of each job that was not skipped, by job key; one seek for each job."""
        ran = ({"job": job, "state": one_of(RAN)} for job in self._job_names())
        found = (self._find("executions", wanted, NEWEST_FIRST, limit=1) for wanted in ran)
        return {document["job"]: document for newest in found for document in newest}

    def output(self, execution: str, *, after: int = 0, limit: int = 4 << 20) -> list[OutputBlock]:
        """Return blocks with `last` > after in order, about `limit` bytes at most (at least one block)."""
        first = self._block_at(execution, after) if after else 0
        blocks: list[OutputBlock] = []
        for block in self._blocks({"execution": execution, "first": {"$gte": first}}, 1):
            if block.last <= after:
                continue
            limit -= len(block.data)
            if blocks and limit < 0:
                break
            blocks.append(block)
        return blocks

    def output_tail(self, execution: str, *, size: int) -> list[OutputBlock]:
        """Return the last blocks, in order, that together hold at least `size` bytes (or all there are)."""
        blocks: list[OutputBlock] = []
        if size <= 0:
            return blocks
        for block in self._blocks({"execution": execution}, -1):
            blocks.append(block)
            size -= len(block.data)
            if size <= 0:
                break
        return blocks[::-1]

    def last_sequence(self, execution: str) -> int:
        """Return the last frame sequence stored for the execution, 0 for none."""
        newest = self._newest_block({"execution": execution})
        return int(newest["last"]) if newest else 0

    def jobs(self) -> list[Document]:
        """Return all job documents, by id."""
        return self._find("jobs", {}, [("_id", 1)])

    def job(self, key: str) -> Document | None:
        """Return the job document of that id, or None."""
        return self._one("jobs", key)

    def definition(self, digest: str) -> Document | None:
        """Return what executions with that `job_digest` ran with, or None."""
        return self._one("definitions", digest)

    def status(self, name: str) -> Document | None:
        """Return the status document of that name, or None."""
        with self._answering():
            found = self._database["status"].find_one({"_id": name})
        return returned({key: value for key, value in found.items() if key != "_id"}) if found else None

    def add_request(self, request: Document) -> None:
        """Store a request, pending unless it says another state; the same id twice is one request."""
        document = with_key(stored_request({"state": "pending", **request}))
        with self._answering():
            insert(self._database["requests"], [encode(document)])

    def request(self, identity: str) -> Document | None:
        """Return the request with its state and answer."""
        return self._one("requests", identity)

    def requests(self, *, limit: int = 50, cursor: str | None = None) -> Page:
        """Return a page of requests, newest first. Raises Refused for a cursor that is none of ours."""
        wanted: list[Document] = [{}]
        if cursor is not None:
            milliseconds, identity = place_after(cursor)
            at = instant_of(milliseconds)
            wanted = [{"at": at, "_id": {"$lt": identity}}, {"at": {"$lt": at}}]
        found: list[Document] = []
        for one in wanted:
            found += self._find("requests", one, [("at", -1), ("_id", -1)], limit=limit + 1)
        return page(found, limit, order="at")

    def pending_requests(self, *, limit: int = 100) -> list[Document]:
        """Return pending requests, oldest first. One look into an index that begins with their state."""
        return self._find("requests", {"state": "pending"}, [("at", 1), ("_id", 1)], limit=limit)

    def expired(
        self,
        job: str,
        *,
        before: datetime | None,
        beyond: int | None,
        after: Document | None = None,
        limit: int = 100,
    ) -> list[Document]:
        """Return ended executions of the job that need not be kept, oldest first; see `core.ports.Store`."""
        with self._answering():
            found = find_expired(
                self._database["executions"], job, before=before, beyond=beyond, after=after, limit=limit
            )
        return [returned(without_key(document)) for document in found]

    def delete(self, executions: Sequence[str]) -> int:
        """Delete these executions, the output of each before itself; return how many. Open ones stay."""
        ended = {"_id": {"$in": list(executions)}, "state": {"$nin": list(OPEN)}}
        with self._answering():
            identities = [one["_id"] for one in self._database["executions"].find(ended, {"_id": 1})]
            for identity in identities:  # each under its own deadline: output may be much
                self._database["output"].delete_many({"execution": identity})
            gone = {"_id": {"$in": identities}, "state": {"$nin": list(OPEN)}}
            return self._database["executions"].delete_many(gone).deleted_count

    def dump(self, collection: str) -> Iterator[bytes]:
        """Yield every document of the collection as its BSON, by `_id`."""
        documents = self._database[collection].with_options(codec_options=RAW)
        with self._answering(), closing(documents.find(sort=[("_id", 1)], batch_size=_BLOCKS_PER_READ)) as cursor:
            for document in cursor:
                yield bytes(document.raw)

    def load(self, collection: str, documents: Sequence[bytes]) -> int:
        """Store dumped documents whose `_id` is not there yet and return how many those were.

        Raises Refused for bytes that are no such document, having stored none.
        """
        blobs = [encode(undumped(collection, blob)) for blob in documents]
        with self._answering():
            inserted = insert(self._database[collection], blobs)
            if collection == "jobs" and inserted:
                self._database["status"].delete_one({"_id": "jobs"})  # what was said of them is true no more
        return inserted

    def close(self) -> None:
        """Release the connection unless it is shared; the object is not used afterwards."""
        if not self._shared:
            self._connection.close()

    def _answering(self) -> AbstractContextManager[None]:
        return answering(self._connection.place)

    def _job_names(self) -> list[str]:
        with self._answering():
            return self._database["executions"].distinct("job")

    def _one(self, collection: str, key: str) -> Document | None:
        found = self._find(collection, {"_id": key}, None, limit=1)
        return found[0] if found else None

    def _find(self, collection: str, wanted: Document, order: Order | None, *, limit: int = 0) -> list[Document]:
        try:
            with self._answering():
                found = list(self._database[collection].find(wanted, sort=order, limit=limit))
        except UnicodeEncodeError:  # an argument with stray bytes equals nothing that is stored
            return []
        return [returned(without_key(document)) for document in found]

    def _block_at(self, execution: str, sequence: int) -> int:
        """Return where the block begins that holds the frame, or the last one before it."""
        found = self._newest_block({"execution": execution, "first": {"$lt": sequence + 1}})
        return int(found["first"]) if found else 0

    def _newest_block(self, wanted: Document) -> Document | None:
        with self._answering():
            return self._database["output"].find_one(wanted, _NUMBERS, sort=[("first", -1)])

    def _blocks(self, wanted: Document, direction: int) -> Iterator[OutputBlock]:
        output = self._database["output"]
        found = output.find(wanted, sort=[("first", direction)], batch_size=_BLOCKS_PER_READ)
        with self._answering(), closing(found) as cursor:
            yield from map(block_of, cursor)
