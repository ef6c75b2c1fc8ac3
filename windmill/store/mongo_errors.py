"""What a MongoDB driver raises, as sentences that say what is wrong and how to mend it; never with a password."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from windmill.core.errors import Refused, Unavailable

DUPLICATE: Final = 11000
_MESSAGE_LIMIT: Final = 200  # characters of what a server says that are shown

# Codes by which a server refuses one document for what it holds; sending it again cannot help.
# https://www.mongodb.com/docs/manual/reference/error-codes/
_ABOUT_THE_DOCUMENT: Final = frozenset({2, 9, 14, 15, 22, 52, 55, 56, 57, 121, 10334, 17280, 17419, 17420})

_WRONG_PASSWORD: Final = (
    "the store does not accept the user or the password",
    "check both in the URI, and its authSource; special characters are written as %40, %3A, %2F",
)
_NOT_ALLOWED: Final = (
    "the store does not allow this to the URI's user",
    "give the user the role readWrite on the database",
)
_TIMED_OUT: Final = ("the store did not answer in time", "")
_NO_PRIMARY: Final = ("the store has no primary that takes writes at the moment", "look at the replica set's state")
_TLS: Final = (
    "no TLS connection to the store comes about",
    "check the URI's tls and tlsCAFile, and the server's certificate and host name",
)
_NAME: Final = ("the store's host name is not known", "check the host in the URI, and the resolver")
_REFUSED: Final = ("nothing listens where the store should be", "check the URI's host and port, and that it runs")
_AWAY: Final = ("the store cannot be reached", "check the URI's host and port, and the network")

_BY_CODE: Final = {
    13: _NOT_ALLOWED,
    18: _WRONG_PASSWORD,
    8000: _WRONG_PASSWORD,  # how a hosted MongoDB says it
    50: _TIMED_OUT,
    262: _TIMED_OUT,
    14031: ("the disk of the store's server is full", "free some space; everything waits in the journal"),
}
_BY_WORDS: Final = (
    (("authentication failed", "auth failed"), _WRONG_PASSWORD),
    (("ssl", "tls", "certificate"), _TLS),
    (("name or service not known", "name resolution", "no address", "dns", "nodename"), _NAME),
    (("connection refused",), _REFUSED),
    (("no primary", "no replica set members"), _NO_PRIMARY),
)


@contextmanager
def answering(place: str) -> Iterator[None]:
    """Turn whatever the driver raises inside into `Unavailable` or, where a document is at fault, `Refused`.

    `place` is where the store is, without user and password.
    """
    try:
        yield
    except DocumentTooLarge as error:
        raise Refused("a document is larger than the 16 MB that the store keeps") from error
    except BSONError as error:
        raise Refused(f"a document has a form that the store cannot keep: {_shortened(str(error))}") from error
    except BulkWriteError as error:
        raise _refused_or_away(error, place) from error
    except PyMongoError as error:
        sentence, hint = _explained(error)
        raise Unavailable(f"{sentence} ({place})", hint=hint) from error


def _refused_or_away(error: BulkWriteError, place: str) -> Refused | Unavailable:
    mistakes = _write_errors(error)
    if not mistakes:
        return Unavailable(f"the store did not confirm a write on most of its members ({place})")
    for mistake in mistakes:
        if mistake.get("code") in _ABOUT_THE_DOCUMENT:
            return Refused(f"the store refuses a document: {_shortened(str(mistake.get('errmsg')))}")
    sentence, hint = _of_server(mistakes[0].get("code"), str(mistakes[0].get("errmsg")))
    return Unavailable(f"{sentence} ({place})", hint=hint)


def stored_already(error: BulkWriteError) -> list[int]:
    """Return the places in the bulk of documents that are in the store; raises the error when it says more."""
    mistakes = _write_errors(error)
    if (error.details or {}).get("writeConcernErrors") or any(one.get("code") != DUPLICATE for one in mistakes):
        raise error
    return [one["index"] for one in mistakes]


def _write_errors(error: BulkWriteError) -> list[Mapping[str, Any]]:
    """Return what was wrong with single documents, duplicates last."""
    mistakes = (error.details or {}).get("writeErrors", [])
    return sorted(mistakes, key=lambda one: one.get("code") == DUPLICATE)


def _explained(error: PyMongoError) -> tuple[str, str]:
    if isinstance(error, OperationFailure):
        return _of_server(error.code, str((error.details or {}).get("errmsg", "")))
    words = str(error).lower()
    for known, sentence in _BY_WORDS:
        if any(word in words for word in known):
            return sentence
    return _TIMED_OUT if error.timeout and not isinstance(error, ServerSelectionTimeoutError) else _AWAY


def _of_server(code: int | None, message: str) -> tuple[str, str]:
    return _BY_CODE.get(code or 0, (f"the store refuses: {_shortened(message)} (code {code})", ""))


def _shortened(message: str) -> str:
    return message if len(message) <= _MESSAGE_LIMIT else message[:_MESSAGE_LIMIT] + "..."
