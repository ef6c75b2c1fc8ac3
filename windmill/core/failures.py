"""What failures have in common: a name for the same mistake, whenever and on whatever line it is made. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from windmill.core.documents import Document, from_text
from windmill.core.model import FAILURES, State
from windmill.core.ports import Store
from windmill.core.tracebacks import Fault, fault

MESSAGE_MAX: Final = 200  # characters of a message that tell failures apart

_MILLISECOND: Final = timedelta(milliseconds=1)
_LOOKED_AT: Final = 1000  # characters of one
_COUNTED: Final = re.compile(r"\w*\d\w*")  # numbers, instants, ids
_SEVERAL: Final = re.compile(r"#(?:[-.:,/+ ]*#)+")


def failure(execution: Mapping[str, Any], output: Callable[[], str]) -> dict[str, str] | None:
    """Return {fingerprint, exception, where} of an execution's document that failed, None of any other.

    `output` returns the end of what it wrote, and is called where that matters. `exception` is the last line of a
    Python traceback, or else in words how it ended: "exit code 3", "signal: SIGKILL", "timeout"; `where` is
    "file:line in function" of the last frame of the project, "" where there is none. Failures of one job with equal
    fingerprints are the same mistake: the same exception out of the same function, its message compared without
    numbers and ids, or the same kind of end.
    """
    if execution["state"] not in FAILURES:
        return None
    found = fault(output()) if _by_itself(execution) else None
    if found is None:
        words = _ending(execution)
        told = words if execution.get("exit_code") is not None else alike(words)
        return {"fingerprint": _fingerprint(execution["job"], told), "exception": words, "where": ""}
    return {
        "fingerprint": _fingerprint(execution["job"], alike(found.error), found.file, found.function),
        "exception": found.error,
        "where": _where(found),
    }


def alike(message: str) -> str:
    """Return the message without what differs from one time to the next: everything that has a digit is a #."""
    return _SEVERAL.sub("#", _COUNTED.sub("#", " ".join(message[:_LOOKED_AT].split())))[:MESSAGE_MAX]


def _by_itself(execution: Mapping[str, Any]) -> bool:
    """Return whether the program ended on its own: what was killed did not die of the last thing it printed."""
    return bool(execution["state"] == State.FAILED and execution.get("exit_code") is not None)


def _ending(execution: Mapping[str, Any]) -> str:
    """Return how the execution ended, in words."""
    reason = str(execution.get("reason") or execution["state"]).partition("; ")[0]
    if reason == "exit_code":
        return f"exit code {execution['exit_code']}"
    if reason.startswith("signal"):
        return f"signal: {execution.get('signal') or reason}"
    return reason


def _where(found: Fault) -> str:
    return f"{found.place} in {found.function}" if found.function and found.place else found.place


def _fingerprint(*parts: str) -> str:
    """Return 16 hex digits, equal for equal parts, on every machine, for ever."""
    from hashlib import blake2b  # noqa: PLC0415 - 4 MiB that the runner does without

    return blake2b("\0".join(parts).encode(errors="replace"), digest_size=8).hexdigest()


def repeated(execution: Mapping[str, Any], store: Store) -> tuple[int, Document] | None:
    """Return for the how-manieth time its job fails as this execution did, and the first that did and is kept.

    None where nothing is known of a failure. Raises what the store raises.
    """
    fingerprint = (execution.get("failure") or {}).get("fingerprint")
    queued_at = from_text(execution["queued_at"])
    if not fingerprint or queued_at is None:
        return None
    groups = store.failures(execution["job"], until=queued_at + _MILLISECOND)
    group = next((one for one in groups if one["fingerprint"] == fingerprint), None)
    first = store.execution(group["first"]) if group else None
    return (group["count"], first) if group and first else None
