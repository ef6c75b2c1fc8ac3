"""Documents on their way between databases: the form MongoDB keeps them in, and the check of what comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bson.errors import BSONError

from windmill.core.documents import Document
from windmill.core.errors import Refused
from windmill.core.model import State
from windmill.core.ports import OutputBlock
from windmill.store.documents import decode

_SHAPES: Final[Mapping[str, Mapping[str, type]]] = {
    "executions": {"job": str, "project": str, "state": str, "trigger": str, "queued_at": datetime},
    "output": {"execution": str, "first": int, "last": int, "stream": int, "at": int, "data": bytes},
    "jobs": {},
    "status": {},
    "requests": {"state": str, "at": datetime},
    "definitions": {"job": str, "seen_at": datetime},
}
_KINDS: Final = {str: "text", int: "an integer", datetime: "an instant", bytes: "binary"}
_EXECUTION: Final = re.compile("[0-9a-f]{16}")


def with_key(stored: Mapping[str, Any]) -> Document:
    """Return the stored document as MongoDB keeps it: its `id` is `_id`, and comes first."""
    return {"_id": stored["id"], **{name: value for name, value in stored.items() if name != "id"}}


def without_key(document: Mapping[str, Any]) -> Document:
    """Return the stored document of which `with_key` made this one."""
    return {"id": document["_id"], **{name: value for name, value in document.items() if name != "_id"}}


def block_document(block: OutputBlock) -> Document:
    """Return the block as MongoDB keeps it; in order of `_id`, blocks of an execution are in order of `first`."""
    return {"_id": f"{block.execution}:{block.first:012d}", **block._asdict()}


def block_of(document: Mapping[str, Any]) -> OutputBlock:
    """Return the block of which `block_document` made this document."""
    return OutputBlock(**{name: document[name] for name in OutputBlock._fields})


def undumped(collection: str, blob: bytes) -> Document:
    """Return the dumped document, in the form MongoDB keeps it in.

    Raises Refused for bytes that are no document of that collection.
    """
    try:
        document = decode(blob)
    except (BSONError, OverflowError, ValueError, RecursionError) as error:
        raise Refused(f"this is no document of {collection}: {error}") from error
    for name, kind in {"_id": str, **_SHAPES[collection]}.items():
        if not isinstance(document.get(name), kind):
            raise Refused(f"this is no document of {collection}: its {name} is not {_KINDS[kind]}")
    if not _agrees(collection, document):
        raise Refused(f"this is no document of {collection}: its _id and fields do not belong together")
    return document


def _agrees(collection: str, document: Document) -> bool:
    match collection:
        case "executions":
            known = document["state"] in list(State)
            return known and bool(_EXECUTION.fullmatch(document["_id"])) and _in_project(document)
        case "output":
            fits = document["_id"] == block_document(block_of(document))["_id"]
            return fits and bool(_EXECUTION.fullmatch(document["execution"]))
        case _:
            return True


def _in_project(execution: Document) -> bool:
    project: str = execution["project"]
    return bool(project) and execution["job"].startswith(f"{project}/")
