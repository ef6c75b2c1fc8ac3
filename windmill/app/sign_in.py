"""Who may sign in to a home's dashboard: the links that are good once, the people of windmill.toml, the key."""

from __future__ import annotations

import hashlib
import importlib.util
import ipaddress
import os
import pwd
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from windmill.app.home import Home
from windmill.core.errors import Refused, Unavailable, WindmillError
from windmill.dashboard import proofs
from windmill.dashboard.access import Access, Account, Issuer, Proxy, Role
from windmill.projects.fingerprint import secret
from windmill.projects.settings import SecretSource
from windmill.settings.dashboard import DashboardSettings, OidcSettings, UserSettings

GOOD_FOR: Final = timedelta(minutes=15)
DIRECTORY: Final = "sign-in"
ADDRESS: Final = "dashboard.url"
KEY: Final = "dashboard.key"
KEY_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class Links:
    """Links that sign somebody in, each once: a token is good while an empty file is named after its hash."""

    def __init__(self, home: Home, clock: Callable[[], datetime]) -> None:
        self._home, self._clock = home, clock
        self._directory = home.state / DIRECTORY

    def make(self) -> str:
        """Return the token of a new link. Raises Unavailable."""
        self._home.make_state()
        token = secrets.token_urlsafe(32)
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._forget_old()
            os.close(os.open(self._file(token), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise Unavailable(
                f"no link can be made in {self._directory}: {error.strerror}",
                hint="do it as the user that the scheduler runs as",
            ) from error
        return token

    def claim(self, token: str) -> str | None:
        """Return the name of who made the link, and use it up; None where it is none, used or too old."""
        if not _TOKEN.fullmatch(token):
            return None
        file = self._file(token)
        try:
            made = file.lstat()
            file.unlink()  # of several who try at once, one can
        except OSError:
            return None
        if not stat.S_ISREG(made.st_mode) or self._is_old(made):
            return None
        return _user(made.st_uid)

    def _file(self, token: str) -> Path:
        return self._directory / hashlib.sha256(token.encode()).hexdigest()

    def _is_old(self, made: os.stat_result) -> bool:
        return abs(self._clock() - datetime.fromtimestamp(made.st_mtime, UTC)) > GOOD_FOR

    def _forget_old(self) -> None:
        for file in self._directory.iterdir():
            with suppress(OSError):
                if self._is_old(file.lstat()):
                    file.unlink()


def access_of(home: Home, settings: Callable[[], DashboardSettings], *, local: bool) -> Callable[[], Access]:
    """Return what answers who may what in the home, by its settings at that time.

    Unless `local`, nobody may do anything who has not signed in, as others than this machine's users reach it.
    """
    known: tuple[DashboardSettings, Access] | None = None

    def access() -> Access:
        nonlocal known
        told = settings()
        if known is None or known[0] is not told:
            known = (told, _access(told, home.environ, local=local))
        return known[1]

    return access


def check(settings: DashboardSettings, environ: Mapping[str, str]) -> None:
    """Raise WindmillError, naming every key, where somebody could not sign in by what the settings say."""
    if settings.auth == "oidc" and importlib.util.find_spec("authlib") is None:
        hint = "pip install 'windmill-scheduler[oidc]'"
        raise WindmillError('dashboard.auth = "oidc" needs a package that is not installed: Authlib', hint=hint)
    mistakes = []
    for name, user in settings.users.items():
        for key, source, wrong in (
            ("token", user.token, proofs.wrong_token),
            ("password", user.password, proofs.wrong_password),
        ):
            if source is not None and (mistake := wrong(secret(source, environ, f"{key} of {name}"))):
                mistakes.append(f"the secret of dashboard.users.{name}.{key} {mistake}")
    if settings.oidc is not None and settings.oidc.client_secret is not None:
        secret(settings.oidc.client_secret, environ, "client_secret of dashboard.oidc")
    if mistakes:
        raise WindmillError("\n".join(mistakes))


def secret_key(home: Home) -> bytes:
    """Return what signs the cookies of this home's viewers, made when first asked for. Raises WindmillError."""
    home.make_state()
    path = home.state / KEY
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}", hint="check its owner and mode") from error
    if len(key) != KEY_BYTES:
        raise Refused(
            f"{path} does not hold {KEY_BYTES} bytes", hint="remove it: a new one is made; all sign in again"
        )
    return key


def keep_address(home: Home, url: str) -> None:
    """Remember where the dashboard of the home is found, for the links that are printed later."""
    path = home.state / ADDRESS
    temporary = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        temporary.touch(0o600)
        temporary.write_text(url)
        temporary.replace(path)


def address(home: Home) -> str:
    """Return where the dashboard of the home was found last, else where it will be."""
    with suppress(OSError, UnicodeDecodeError):
        return (home.state / ADDRESS).read_text()[:300].strip()
    return f"http://{home.settings.dashboard.host}:{home.settings.dashboard.port}"


def link(url: str, token: str) -> str:
    """Return the link that signs in, once."""
    return f"{url}/sign-in?token={token}"


def _access(settings: DashboardSettings, environ: Mapping[str, str], *, local: bool) -> Access:
    def of(source: SecretSource, what: str) -> Callable[[], str]:
        return partial(secret, source, environ, what)

    def account(name: str, user: UserSettings) -> Account:
        return Account(
            role=Role.ACT if user.act else Role.READ,
            token=of(user.token, f"token of {name}") if user.token else None,
            password=of(user.password, f"password of {name}") if user.password else None,
        )

    def issuer(oidc: OidcSettings) -> Issuer:
        hidden = of(oidc.client_secret, "client_secret of dashboard.oidc") if oidc.client_secret else None
        return Issuer(url=oidc.issuer, client_id=oidc.client_id, client_secret=hidden, act=oidc.act, read=oidc.read)

    proxy = settings.proxy
    return Access(
        auth=settings.auth,
        anonymous=Role.READ if local and settings.reading == "open" else Role.NOBODY,
        accounts={name: account(name, user) for name, user in settings.users.items()},
        proxy=Proxy(header=proxy.header, peers=tuple(map(ipaddress.ip_network, proxy.peers)), act=proxy.act),
        issuer=issuer(settings.oidc) if settings.oidc else None,
    )


def _make_key(path: Path) -> None:
    """Put a key there whole, unless another process was first."""
    temporary = path.with_suffix(f".{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
