"""A small OpenID Connect provider on loopback: whoever asks is who it is told to say they are."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import RSAKey
from markupsafe import escape
from waitress.server import create_server

CLIENT = ("windmill", "the client's secret")
KEY = RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig", "alg": "RS256"})
ANOTHER_KEY = RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig", "alg": "RS256"})


class IdentityProvider:
    """`claims` go into what it says of people, over what is right; `says` into what it says of itself."""

    def __init__(self) -> None:
        self.url = ""
        self.claims: dict[str, Any] = {"sub": "7", "email": "ana@example.com", "email_verified": True}
        self.says: dict[str, Any] = {}
        self.key, self.header = KEY, {"alg": "RS256", "kid": "one"}
        self.refuses = False
        self.shows_a_page = False  # of its own, from which people go back
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}

    def app(self) -> Flask:
        app = Flask("identity-provider")
        app.add_url_rule("/.well-known/openid-configuration", view_func=self.about)
        app.add_url_rule("/authorize", view_func=self.authorize)
        app.add_url_rule("/token", view_func=self.token, methods=["POST"])
        app.add_url_rule("/keys", view_func=lambda: jsonify(keys=[KEY.as_dict(private=False)]), endpoint="keys")
        return app

    def about(self) -> Response:
        known = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        return jsonify(known | self.says)

    def authorize(self) -> Any:
        asked = request.args.to_dict()
        self.asked.append(asked)
        if self.refuses:
            return redirect(
                f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
            )
        code = f"code-{len(self.asked)}"
        self._codes[code] = asked
        back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
        return f'<a href="{escape(back)}">Yes, that is me</a>' if self.shows_a_page else redirect(back)

    def token(self) -> Any:
        asked = self._codes.pop(request.form["code"], None)
        sent = request.authorization
        if sent is None or (sent.username, sent.password) != CLIENT or asked is None:
            return jsonify(error="invalid_client"), 401
        digest = hashlib.sha256(request.form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        good = (asked["code_challenge"], asked["code_challenge_method"]) == (challenge, "S256")
        if not good or request.form["redirect_uri"] != asked["redirect_uri"]:
            return jsonify(error="invalid_grant"), 400
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT[0], "iat": now, "exp": now + 60, "nonce": asked.get("nonce")}
        return jsonify(access_token="x", token_type="Bearer", id_token=self._signed(claims | self.claims))

    def _signed(self, claims: dict[str, Any]) -> str:
        if self.header["alg"] == "none":
            parts = (json.dumps(part).encode() for part in (self.header, claims))
            return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
        return jwt.encode(self.header, claims, self.key)


@contextmanager
def identity_provider(host: str = "127.0.0.1") -> Iterator[IdentityProvider]:
    """Yield a provider that answers at its `url`; `host` is another name of 127.0.0.1."""
    provider = IdentityProvider()
    with closing(create_server(provider.app(), host="127.0.0.1", port=0, threads=4)) as server:
        provider.url = f"http://{host}:{server.effective_port}"
        threading.Thread(target=server.run, daemon=True).start()
        yield provider
