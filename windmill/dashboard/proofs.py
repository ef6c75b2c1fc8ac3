"""Whether a token or a password is somebody's: the same work whoever it is said to be of."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from werkzeug.exceptions import TooManyRequests
from werkzeug.security import check_password_hash

from windmill.core.errors import WindmillError
from windmill.dashboard.access import Account

HASHED: Final = "sha256:"
HASH_METHOD: Final = "scrypt:32768:8:1"  # 32 MiB and some 50 ms for each
TOKEN_MIN: Final = 20  # characters
SECRET_MAX: Final = 1024  # characters that are looked at
AT_ONCE: Final = 4  # passwords are looked at, so that strangers take neither all memory nor all threads
PATIENCE_SECONDS: Final = 2.0
# Of no password that can be typed; looked at in place of the one of somebody who is not there.
_NOBODYS: Final = f"{HASH_METHOD}$nobody$" + "0" * 128
_room = threading.BoundedSemaphore(AT_ONCE)
# Proofs that held, so that a program which shows its password with every request has it looked at once.
_held: OrderedDict[bytes, None] = OrderedDict()
_HELD_MAX: Final = 1000
_HELD_KEY: Final = secrets.token_bytes(32)


def whose_token(token: str, accounts: Mapping[str, Account]) -> str | None:
    """Return the name of the account that the token is of. One that cannot be read is nobody's."""
    shown = sha256(token[:SECRET_MAX].encode()).hexdigest()
    found = None
    for name, account in accounts.items():
        if account.token is not None and hmac.compare_digest(_digest(account), shown):
            found = name
    return found


def is_password(password: str, account: Account | None) -> bool:
    """Return whether it is the account's. Raises TooManyRequests while too many others are looked at."""
    known = _hash(account)
    if not _room.acquire(timeout=PATIENCE_SECONDS):
        raise TooManyRequests("Many others sign in at this moment.", retry_after=1)
    try:
        holds = check_password_hash(known, password[:SECRET_MAX])
    except ValueError:
        return False
    finally:
        _room.release()
    if holds:
        _held[_proof(password, known)] = None
        while len(_held) > _HELD_MAX:
            _held.popitem(last=False)
    return holds


def held_before(password: str, account: Account | None) -> bool:
    """Return whether it was the account's when it was looked at, which did not change since."""
    return _proof(password, _hash(account)) in _held


def wrong_token(secret: str) -> str:
    """Return what is wrong with the token of an account, "" for nothing."""
    if secret.startswith(HASHED):
        digest = secret.removeprefix(HASHED)
        good = len(digest) == sha256().digest_size * 2 and not set(digest) - set("0123456789abcdef")
        return "" if good else "is not sha256: and 64 digits"
    return "" if len(secret) >= TOKEN_MIN else f"is shorter than {TOKEN_MIN} characters"


def wrong_password(secret: str) -> str:
    """Return what is wrong with the password of an account, "" for nothing."""
    parts = secret.split("$")
    good = len(parts) == 3 and parts[0].startswith("scrypt:")  # noqa: PLR2004 - method, salt, hash
    return "" if good else "is no hash as `windmill sign-in --hash` prints it"


def mark(secret: str) -> str:
    """Return what tells one secret of somebody from the next, and tells nothing of it."""
    return sha256(b"mark\0" + secret.encode()).hexdigest()[:16]


def _hash(account: Account | None) -> str:
    try:
        return account.password() if account is not None and account.password is not None else _NOBODYS
    except WindmillError:
        return _NOBODYS


def _proof(password: str, known: str) -> bytes:
    return hmac.digest(_HELD_KEY, f"{known}\0{password[:SECRET_MAX]}".encode(), "sha256")


def _digest(account: Account) -> str:
    try:
        secret = account.token() if account.token else ""
    except WindmillError:
        secret = ""
    if wrong_token(secret):
        return "-" * 64  # no digest is
    return secret.removeprefix(HASHED) if secret.startswith(HASHED) else sha256(secret.encode()).hexdigest()
