"""POST /hooks/git/PROJECT: a push that somebody tells us of wakes the sync of the project, and nothing else."""

from __future__ import annotations

import logging
import secrets
from hashlib import sha256
from typing import Final

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import NotFound, ServiceUnavailable, Unauthorized

from windmill.core.errors import WindmillError
from windmill.core.wishes import wish
from windmill.dashboard import signatures
from windmill.dashboard.context import facts, now, store
from windmill.dashboard.failures import RETRY_SECONDS

_LOG: Final = logging.getLogger("windmill.dashboard")
MOVES: Final = frozenset({"", "push", "create", "delete", "Push Hook", "Tag Push Hook", "System Hook"})

blueprint = APIBlueprint("hooks", __name__, url_prefix="/hooks", enable_openapi=False)


@blueprint.post("/git/<project>")
def pushed(project: str) -> tuple[Response, int]:
    """Ask for a look at the project's source: 202, also when the same delivery comes again; 200 for other news.

    404 for a project that is not there or has no webhook, 401 for a signature that is missing, wrong or too old.
    """
    _verify(project)
    happened = signatures.event(request.headers)
    if happened not in MOVES:
        return jsonify(message="pong" if happened == "ping" else "nothing to do: only pushes matter here"), 200
    identity = _identity(project, signatures.delivery(request.headers))
    address = request.remote_addr or ""
    store(readonly=False).add_request(
        wish("poll", identity=identity, by="webhook", via="webhook", address=address, at=now(), project=project)
    )
    return jsonify(message="the source will be looked at now", request=identity), 202


def _verify(project: str) -> None:
    """Raise what answers a sender who does not know the project's secret."""
    try:
        secret = facts().webhook_secret(project)
    except WindmillError as error:
        _LOG.warning("a push to %s was not taken: %s", project, error.message, extra={"event": "hook.secret"})
        raise ServiceUnavailable(
            "The secret of this webhook cannot be read here.", retry_after=RETRY_SECONDS
        ) from None
    if not secret:
        raise NotFound("There is no webhook for a project of this name.")
    if not signatures.genuine(request.headers, request.get_data(), secret, now()):
        _LOG.warning("a push to %s was not signed as it should be", project, extra={"event": "hook.refused"})
        raise Unauthorized("The signature is missing or wrong.", www_authenticate=WWWAuthenticate("signature"))


def _identity(project: str, delivery: str) -> str:
    """Return the request's id: the same for the same delivery, of which the store keeps one, also after years."""
    if not delivery:
        return secrets.token_hex(16)
    return sha256(f"{project} {delivery}".encode()).hexdigest()[:32]
