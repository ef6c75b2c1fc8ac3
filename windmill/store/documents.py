"""Documents as databases keep them: BSON with real instants and derived fields, the same bytes in every store."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError

from windmill.core.documents import INSTANTS, Document, from_text, to_text

_OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=True, tzinfo=UTC)
_INTEGERS: Final = range(-(2**63), 2**63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def milliseconds(instant: datetime) -> int:
    """Return the milliseconds from the epoch to the aware instant."""
    return (instant - _EPOCH) // _MILLISECOND


def stored_execution(document: Mapping[str, Any]) -> Document:
    """Return the execution as it is stored: instants instead of their text, and what lists and charts ask for.

    Adds `project` and `name` (halves of `job`), `day` (UTC day of `queued_at` as 2026-01-31) and `duration_ms`
    (None until it has started and ended).
    """
    stored = dict(document)
    for name in INSTANTS:
        if text := stored.get(name):
            stored[name] = from_text(text)
    stored["project"], _, stored["name"] = document["job"].partition("/")
    stored["day"] = document["queued_at"][:10]
    started, ended = stored.get("started_at"), stored.get("ended_at")
    stored["duration_ms"] = (ended - started) // _MILLISECOND if started and ended else None
    return stored


def fingerprint(document: Mapping[str, Any]) -> str | None:
    """Return that of the execution's failure, None where there is none."""
    failure = document.get("failure")
    found = failure.get("fingerprint") if isinstance(failure, Mapping) else None
    return found if isinstance(found, str) else None


def stored_request(document: Mapping[str, Any]) -> Document:
    """Return the request as it is stored: `at` is an instant."""
    return {**document, "at": from_text(document["at"])}


def stored_definition(document: Mapping[str, Any]) -> Document:
    """Return the definition as it is stored: `seen_at` is an instant."""
    return {**document, "seen_at": from_text(document["seen_at"])}


def revised() -> dict[str, Document]:
    """Return the status document that says of jobs that they have changed."""
    return {"jobs": {"revision": secrets.token_hex(8)}}


def returned(stored: Mapping[str, Any]) -> Document:
    """Return a stored document as the port speaks: instants are text again."""
    return {key: to_text(value) if isinstance(value, datetime) else value for key, value in stored.items()}


def encode(stored: Mapping[str, Any]) -> bytes:
    """Return the document as BSON.

    What BSON cannot hold - integers beyond 64 bits, NUL in keys, lone surrogates - is kept as the nearest text:
    one odd parameter must not keep everything behind it from being recorded.
    """
    try:
        return bson.encode(stored, codec_options=_OPTIONS)
    except (BSONError, OverflowError, UnicodeError):
        return bson.encode(_storable(stored), codec_options=_OPTIONS)


def decode(blob: bytes) -> Document:
    """Return the document that `encode` was given, with aware UTC instants."""
    return bson.decode(blob, codec_options=_OPTIONS)


def _storable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_text(str(key)).replace("\0", "\ufffd"): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and value not in _INTEGERS:
        return str(value)
    return value


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
