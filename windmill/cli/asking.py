"""Asking the scheduler: a request document goes into the store, its answer comes back the same way."""

from __future__ import annotations

import getpass
import socket
import time
import uuid
from typing import Any, Final

from windmill.cli.session import Session
from windmill.core.documents import Document
from windmill.core.errors import Refused, Unavailable
from windmill.core.wishes import wish

POLL_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 5.0  # before a person is told what is being waited for


def new_request(session: Session, kind: str, **facts: Any) -> Document:
    """Return a pending request of this person, now."""
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    return wish(kind, identity=uuid.uuid4().hex, by=by, via="cli", at=session.now, **facts)


def ask(session: Session, request: Document, *, progress: str = "") -> Document:
    """Hand the request to the running scheduler and return its answer; `progress` is what is said while it takes.

    Raises Refused with the scheduler's own words, Unavailable when it went away before it answered.
    """
    session.requests.add_request(request)
    started, told = time.monotonic(), False
    while (known := session.requests.request(request["id"])) is None or known["state"] == "pending":
        if not told and time.monotonic() - started > PATIENCE_SECONDS:
            session.say(progress or "waiting for the scheduler to answer")
            told = True
        if told and not session.home.scheduler_alive():
            raise Unavailable(
                "the scheduler went away before it answered",
                hint="the request is kept and is answered when windmill up runs again",
            )
        time.sleep(POLL_SECONDS)
    return _answer(known)


def _answer(request: Document) -> Document:
    answer: Document = request.get("answer") or {}
    if request["state"] == "done":
        return answer
    message = answer.get("message") or "the scheduler refused without a reason"
    running = answer.get("execution")
    hint = f"windmill logs -f {running}" if running else ""
    raise Refused(message, hint=hint)


def leave(session: Session, request: Document) -> None:
    """Hand the request over without waiting for a scheduler that does not run."""
    session.requests.add_request(request)
    session.say("no scheduler is running: this takes effect when windmill up starts")
