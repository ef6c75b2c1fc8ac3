"""Signing in by OpenID Connect: the authorization code flow with PKCE, state and nonce. Authlib does the work."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from flask import current_app, redirect, request
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.wrappers import Response

from windmill.core.errors import WindmillError
from windmill.dashboard.access import Issuer
from windmill.dashboard.context import now

# What is asked at the provider comes back from another site, where the session's cookie is not sent: it has its own,
# for a short time and for this path only.
COOKIE: Final = "windmill-oidc"
PATH: Final = "/sign-in/oidc"
PATIENCE: Final = timedelta(minutes=10)
TIMEOUT: Final = 5.0  # seconds for each answer of the provider
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA")

_LOG: Final = logging.getLogger("windmill.dashboard")


class Failed(Exception):
    """Nobody was vouched for: why stands in the log."""


def ask(issuer: Issuer, back: str, wanted: str) -> Response:
    """Return what sends the viewer to the provider, which sends them `back`. Raises Failed."""
    try:
        asked = _client(issuer).create_authorization_url(back)
    except Exception as error:
        raise _failed(error) from None
    kept = {key: asked[key] for key in ("state", "nonce", "code_verifier")}
    answer = redirect(asked["url"], 303)
    answer.set_cookie(
        COOKIE,
        _seal().dumps({**kept, "next": wanted, "at": int(now().timestamp())}),
        max_age=int(PATIENCE.total_seconds()),
        path=PATH,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )
    return answer


def answered(issuer: Issuer, back: str) -> tuple[str, str]:
    """Return whom the provider vouches for, and where they wanted to go. Raises Failed.

    The name is the address of mail that the provider has verified, else `sub:` and what it knows them by.
    """
    kept = _kept()
    if request.args.get("state") != kept["state"] or "code" not in request.args:
        raise _failed(request.args.get("error") or "the answer is not to what was asked")
    try:
        client = _client(issuer)
        token = client.fetch_access_token(back, code=request.args["code"], code_verifier=kept["code_verifier"])
        claims = client.parse_id_token(token, kept["nonce"], claims_options=_claims(issuer))
    except Exception as error:
        raise _failed(error) from None
    if not claims:
        raise _failed("there is no id_token")
    if claims.get("email_verified") is True and claims.get("email"):
        return str(claims["email"]), kept["next"]
    return f"sub:{claims['sub']}", kept["next"]


def _kept() -> dict[str, Any]:
    try:
        kept: dict[str, Any] = _seal().loads(request.cookies.get(COOKIE, ""))
    except BadSignature:
        raise _failed("nothing was asked by this browser") from None
    if not 0 <= now().timestamp() - kept["at"] <= PATIENCE.total_seconds():
        raise _failed("it took too long")
    return kept


def _claims(issuer: Issuer) -> dict[str, Any]:
    return {
        "iss": {"essential": True, "value": issuer.url},
        "aud": {"essential": True, "value": issuer.client_id},
        "sub": {"essential": True},
    }


def _client(issuer: Issuer) -> Any:
    """Return what speaks to the provider. Raises Failed for one that says it is another."""
    secret = issuer.client_secret() if issuer.client_secret else None
    client = _client_class()(
        None,
        client_id=issuer.client_id,
        client_secret=secret,
        server_metadata_url=issuer.url.rstrip("/") + "/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256", "default_timeout": TIMEOUT},
    )
    metadata = client.load_server_metadata()
    if metadata.get("issuer") != issuer.url:
        raise _failed("the provider says that it is another issuer")
    offered = metadata.get("id_token_signing_alg_values_supported") or ALGORITHMS
    metadata["id_token_signing_alg_values_supported"] = [name for name in ALGORITHMS if name in offered]
    return client


@lru_cache(maxsize=1)
def _client_class() -> Any:
    from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OpenIDMixin  # noqa: PLC0415 - takes a second
    from authlib.integrations.requests_client import OAuth2Session  # noqa: PLC0415 - likewise

    class Client(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc] # Authlib has no types
        client_cls = OAuth2Session

    return Client


def _seal() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.secret_key or b"", salt=COOKIE)


def _failed(why: object) -> Failed:
    """Return the failure, told to the log: by its kind where it may hold what is secret."""
    if isinstance(why, Failed):
        return why
    words = (
        why.message if isinstance(why, WindmillError) else type(why).__name__ if isinstance(why, Exception) else why
    )
    _LOG.warning("signing in by the identity provider failed: %.200s", words, extra={"event": "oidc.failed"})
    return Failed()
