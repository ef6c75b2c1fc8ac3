"""What viewers ask of the scheduler: a request in the store that says who, when and from where, and its answer."""

from __future__ import annotations

import secrets
import time
from typing import Any, Final

from flask import request
from werkzeug.exceptions import BadRequest, Conflict

from windmill.core.documents import Document
from windmill.core.wishes import IDENTITY, wish
from windmill.dashboard.context import now, store
from windmill.dashboard.gate import viewer
from windmill.dashboard.shell import heart

PATIENCE: Final = 2.0  # seconds
POLL: Final = 0.05  # seconds
_SAME: Final = ("kind", "job", "execution", "params", "by")  # by which a wish that comes again is known


def fresh() -> str:
    """Return an identity that no wish has had: that of a form, which counts once however often it is sent."""
    return secrets.token_hex(16)


def ask(kind: str, *, identity: str = "", via: str = "dashboard", **facts: Any) -> Document:
    """Put the viewer's wish into the store, durably, and return it as it stands there.

    `facts` are those of the kind (see `core.wishes`, whose results are given as `ask(**run(...), identity=...)`).
    The same `identity` (32 hex digits; "" for a new one) again is the wish that is there, which has perhaps been
    answered. Raises BadRequest for an identity of another form, Conflict for that of another wish, Unavailable.
    """
    identity = identity or fresh()
    if not IDENTITY.fullmatch(identity):
        raise BadRequest("The identity of a request is 32 hex digits.")
    by, address = viewer().name, request.remote_addr or ""
    asked = wish(kind, identity=identity, by=by, via=via, at=now(), address=address, **facts)
    opened = store(readonly=False)
    known = opened.request(identity)
    if known is None:
        opened.add_request(asked)
        return asked
    if any(known.get(name) != asked.get(name) for name in _SAME):
        raise Conflict("This identity is that of another request.")
    return known


def outcome(identity: str, *, patience: float = PATIENCE) -> Document | None:
    """Return the wish once the scheduler has answered it, None where it has not within `patience` seconds.

    `state` is then "done", with the id of the execution started in `answer["execution"]`, or "refused", with the
    scheduler's words in `answer["message"]` and that of the execution which is in the way, if one is. A scheduler
    that does not live is not waited for.
    """
    end = time.monotonic() + (patience if heart().alive else 0)
    while (known := store(readonly=False).request(identity)) is None or known["state"] == "pending":
        if time.monotonic() >= end:
            return None
        time.sleep(POLL)
    return known
