"""Who sent a push: the signatures of GitHub, Gitea, Forgejo and GitLab. Pure.

GitHub: X-Hub-Signature-256, "sha256=" and the hex HMAC-SHA256 of the body. Gitea and Forgejo: the bare hex digits, as
X-Gitea-Signature and X-Forgejo-Signature. GitLab: X-Gitlab-Token is the secret itself; a signing token follows
Standard Webhooks, where webhook-signature holds "v1," and the base64 HMAC-SHA256 of id, timestamp and body.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime
from hashlib import sha256
from typing import Final, Protocol

WINDOW: Final = 300  # seconds by which a signed timestamp may differ from our clock
SERIALIZED: Final = "whsec_"  # before a secret whose bytes are written as base64
DELIVERIES: Final = (
    "webhook-id",
    "X-Forgejo-Delivery",
    "X-Gitea-Delivery",
    "X-GitHub-Delivery",
    "Idempotency-Key",
    "X-Gitlab-Event-UUID",
)
EVENTS: Final = ("X-Forgejo-Event", "X-Gitea-Event", "X-GitHub-Event", "X-Gitlab-Event")


class Headers(Protocol):
    """The headers of a request, whatever the case of their names."""

    def __contains__(self, key: str, /) -> bool:
        """Return True when the header is there."""

    def __getitem__(self, name: str, /) -> str:
        """Return the header."""


def genuine(headers: Headers, body: bytes, secret: str, now: datetime) -> bool:
    """Return True when the sender knows the secret.

    The strongest form that is there decides: a good one beside it does not make up for a wrong one. Comparisons
    take the same time wherever the first difference is.
    """
    if "webhook-signature" in headers:
        return _standard(headers, body, secret, now)
    digest = hmac.new(secret.encode(), body, sha256).hexdigest()
    expected = {
        "X-Hub-Signature-256": f"sha256={digest}",
        "X-Forgejo-Signature": digest,
        "X-Gitea-Signature": digest,
        "X-Gitlab-Token": secret,
    }
    return next((_same(headers[name], value) for name, value in expected.items() if name in headers), False)


def delivery(headers: Headers) -> str:
    """Return what the sender calls this delivery, the same when it sends it again; "" where it says nothing."""
    return next((headers[name] for name in DELIVERIES if name in headers), "")


def event(headers: Headers) -> str:
    """Return what the sender says has happened, in its own word; "" where it says nothing."""
    return next((headers[name] for name in EVENTS if name in headers), "")


def _standard(headers: Headers, body: bytes, secret: str, now: datetime) -> bool:
    if "webhook-id" not in headers or "webhook-timestamp" not in headers:
        return False
    identity, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if not _recent(timestamp, now):
        return False
    signed = b".".join([_bytes(identity), _bytes(timestamp), body])
    digest = base64.b64encode(hmac.new(_key(secret), signed, sha256).digest()).decode()
    given = headers["webhook-signature"].split(" ")  # several while the secret is being changed
    return any(_same(one, f"v1,{digest}") for one in given)


def _recent(timestamp: str, now: datetime) -> bool:
    readable = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12  # noqa: PLR2004 - 12 digits
    return readable and abs(now.timestamp() - int(timestamp)) <= WINDOW


def _key(secret: str) -> bytes:
    if secret.startswith(SERIALIZED):
        try:
            return base64.b64decode(secret.removeprefix(SERIALIZED), validate=True) or secret.encode()
        except binascii.Error:
            pass
    return secret.encode()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(_bytes(given), expected.encode())


def _bytes(header: str) -> bytes:
    return header.encode("latin-1", "replace")  # as WSGI decoded it
