"""The commands a MongoDB driver sends, and what a server must read to answer them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import monitoring
from pymongo.collection import Collection
from pymongo.database import Database

Command = Mapping[str, Any]

_READS: Final = ("find", "distinct", "count", "aggregate")
_WORDS: Final = (*_READS, "filter", "sort", "limit", "skip", "projection", "key", "query", "pipeline", "cursor")
_WRITES: Final = {"update": "updates", "delete": "deletes"}
_PLAIN: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=True)


class Examined(NamedTuple):
    """What a server reads for an answer."""

    documents: int
    entries: int  # of indexes
    shown: int  # documents of the answer


class _Listener(monitoring.CommandListener):
    """Keeps what is sent while somebody wants it."""

    def __init__(self) -> None:
        self.wanted = False
        self.seen: list[Command] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.wanted:
            self.seen.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Not of interest."""


_LISTENER: Final = _Listener()
monitoring.register(_LISTENER)  # for all clients that are made from now on


@contextmanager
def sent() -> Iterator[list[Command]]:
    """Yield the searches that clients of this process send inside the block, one command for each.

    Updates and deletes are given as the finds they begin with. Only clients made after the import of this module.
    """
    _LISTENER.wanted, _LISTENER.seen = True, []
    searches: list[Command] = []
    try:
        yield searches
    finally:
        _LISTENER.wanted = False
        searches += [search for command in _LISTENER.seen for search in _searches(command)]


def _searches(command: Command) -> Iterator[Command]:
    name = next(iter(command))
    if name in _READS:
        yield {key: value for key, value in command.items() if key in _WORDS}
    for statement in command.get(_WRITES.get(name, ""), ()):
        yield {"find": command[name], "filter": _plain(statement)["q"]}


def _plain(document: Mapping[str, Any]) -> Mapping[str, Any]:
    raw = document.raw if isinstance(document, RawBSONDocument) else bson.encode(document)
    return bson.decode(raw, codec_options=_PLAIN)


def indexes_of(collection: Collection[Any]) -> list[list[tuple[str, int]]]:
    """Return the keys of the collection's indexes."""
    return [[*index["key"]] for index in collection.index_information().values()]


def reads_more(command: Command, indexes: Iterable[Sequence[tuple[str, int]]]) -> str:
    """Return why the command may read documents that are not in its answer, by MongoDB's rules; "" when it may not.

    An index answers it when its fields are those that must equal something, in any order, then those of the order,
    all in the index's direction or all against it, and when every other condition is on a field of the index: such
    a condition is tried on the entry, before the document is read. Where single fields are shown, or a pipeline
    counts what its first stage matches, the index must have these fields too.
    https://www.mongodb.com/docs/manual/tutorial/equality-sort-range-guideline/
    """
    name = next(iter(command))
    if name == "distinct":
        leads = any(index[0][0] == command["key"] for index in indexes)
        return "" if leads and not command.get("query") else "no index begins with the field, or there is a query"
    if name == "aggregate":
        return _counts(command["pipeline"], indexes)
    if name != "find":
        return f"not known how {name} is answered"
    wanted, order = command.get("filter", {}), [*command.get("sort", {}).items()]
    shown = {field for field, there in (command.get("projection") or {}).items() if there}
    covering = [index for index in indexes if shown <= {field for field, _ in index}]
    return "" if any(_answers(index, wanted, order) for index in covering) else f"no index for {command}"


def _counts(stages: Sequence[Mapping[str, Any]], indexes: Iterable[Sequence[tuple[str, int]]]) -> str:
    """Return why a pipeline may read documents; "" where it groups entries of an index.

    It groups what matches, or of what matches among so many in an order, of all or of what matches something else.
    """
    if [next(iter(stage)) for stage in stages] == ["$sort", "$limit", "$match", "$group"]:
        named = {**_named(stages[3]), **dict.fromkeys(stages[2]["$match"], True)}
        return reads_more({"find": "", "sort": stages[0]["$sort"], "projection": named}, indexes)
    if [next(iter(stage)) for stage in stages] == ["$match", "$sort", "$limit", "$match", "$group"]:
        named = {**_named(stages[4]), **dict.fromkeys(stages[3]["$match"], True)}
        found = {"filter": stages[0]["$match"], "sort": stages[1]["$sort"], "projection": named}
        return reads_more({"find": "", **found}, indexes)
    if [next(iter(stage)) for stage in stages[:2]] != ["$match", "$group"]:
        return "only groups of what matches are known"
    return reads_more({"find": "", "filter": stages[0]["$match"], "projection": _named(stages[1])}, indexes)


def _named(value: Any) -> dict[str, bool]:
    """Return the fields that a stage of a pipeline speaks of."""
    if isinstance(value, str):
        return {value[1:]: True} if value.startswith("$") else {}
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return {field: True for part in parts for field in _named(part)}


def _answers(index: Sequence[tuple[str, int]], wanted: Mapping[str, Any], order: list[tuple[str, int]]) -> bool:
    if "_id" in wanted and index[0][0] == "_id" and _is_equality(wanted["_id"]):
        return True
    if any(field.startswith("$") for field in wanted) or not wanted.keys() <= {field for field, _ in index}:
        return False
    equal = {field for field, value in wanted.items() if _is_equality(value)}
    led = 0
    while led < len(index) and index[led][0] in equal:
        led += 1
    order = [(field, way) for field, way in order if field not in equal]
    follows = [(field, way) for field, way in index[led:] if field not in equal][: len(order)]
    turns = {way * other for (_, way), (_, other) in zip(order, follows, strict=False)}
    in_order = [field for field, _ in order] == [field for field, _ in follows] and len(turns) <= 1
    # Conditions count only where the search may begin with them; an order without conditions needs no beginning.
    bounded = led > 0 or not wanted or index[0][0] in wanted or bool(order)
    return in_order and bounded


def _is_equality(value: Any) -> bool:
    operators = {key for key in value if key.startswith("$")} if isinstance(value, Mapping) else set[str]()
    return not operators or operators <= {"$eq", "$in"}


def examined(database: Database[Any], command: Command) -> Examined | None:
    """Return how much the server reads for the command, or None where it does not say."""
    explained = database.command("explain", dict(command), verbosity="executionStats")
    first = explained.get("stages", [{}])[0].get("$cursor", {})  # of a pipeline, as some servers tell it
    told = explained.get("executionStats", first.get("executionStats", {}))
    try:
        return Examined(told["totalDocsExamined"], told["totalKeysExamined"], told["nReturned"])
    except KeyError:
        return None
