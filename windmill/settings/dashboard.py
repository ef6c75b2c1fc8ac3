"""[dashboard]: where it listens, who signs in how, and who may act."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, StringConstraints

from windmill.jobs.fields import Host, Name, mistake
from windmill.projects.settings import SecretSource
from windmill.settings.tables import Source, Table, secret

Auth = Literal["link", "token", "basic", "proxy", "oidc"]
Reading = Literal["open", "signed-in"]
HEADER: Final = "X-Forwarded-User"
_PEOPLE_MAX: Final = 1000
_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSettings:
    """One of [dashboard.users]; with `token` it signs in by token, with `password` by its name and that."""

    act: bool = False
    token: SecretSource | None = None
    password: SecretSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """Who stands before the dashboard, as addresses or networks, and the header that says who asks."""

    header: str = HEADER
    peers: tuple[str, ...] = ()
    act: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """Who vouches for people. `read` are those who may look, None everybody the issuer signs in."""

    issuer: str
    client_id: str
    client_secret: SecretSource | None = None
    act: frozenset[str] = frozenset()
    read: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSettings:
    """What a home's dashboard is told."""

    host: str = "127.0.0.1"
    port: int = 5000
    url: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    auth: Auth = "link"
    reading: Reading = "open"
    actions: bool = True
    users: Mapping[str, UserSettings] = field(default_factory=dict)
    proxy: ProxySettings = ProxySettings()
    oidc: OidcSettings | None = None


def _header(value: Any) -> str:
    if not isinstance(value, str) or not _HEADER.fullmatch(value):
        raise mistake("the name of a header such as X-Forwarded-User")
    if value.lower() in {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "host", "forwarded"}:
        raise mistake("a header that tells who asks, such as X-Forwarded-User")
    return value


def _network(value: Any) -> str:
    try:
        return str(ipaddress.ip_network(value if isinstance(value, str) else ""))
    except ValueError:
        raise mistake("an address or a network such as 127.0.0.1/32") from None


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.hostname and not (parts.username or parts.query)
    except ValueError:
        good = False
    if not good:
        raise mistake("where people find the dashboard, as https://windmill.example.com")
    return value.rstrip("/")


def _issuer(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
    except ValueError:
        good = False
    if not good:
        raise mistake("the address of the issuer, beginning with https://")
    return value


_Person = Annotated[str, StringConstraints(min_length=1, max_length=320)]
_People = Annotated[list[_Person], Field(max_length=_PEOPLE_MAX)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class UserTable(Table):
    """[dashboard.users.NAME]."""

    role: Literal["read", "act"]
    token: Source | None = None
    password: Source | None = None


class ProxyTable(Table):
    """[dashboard.proxy]."""

    header: Annotated[str, PlainValidator(_header)] = HEADER
    peers: list[Annotated[str, PlainValidator(_network)]] = Field(
        default=["127.0.0.1/32"], alias="from", min_length=1, max_length=100
    )
    act: _People = Field(default=[])


class OidcTable(Table):
    """[dashboard.oidc]."""

    issuer: Annotated[_Text, AfterValidator(_issuer)]
    client_id: _Text
    client_secret: Source | None = None
    act: _People = Field(default=[])
    read: _People | None = None


class DashboardTable(Table):
    """[dashboard]."""

    host: Annotated[str, StringConstraints(min_length=1, max_length=255)] = "127.0.0.1"
    port: int = Field(default=5000, ge=0, le=65_535)
    url: Annotated[str, StringConstraints(max_length=1024), AfterValidator(_url)] | None = None
    trusted_hosts: list[Host] = Field(default=[], max_length=100)
    auth: Auth = "link"
    reading: Reading = "open"
    actions: bool = True
    users: dict[Name, UserTable] = Field(default={}, max_length=_PEOPLE_MAX)
    proxy: ProxyTable | None = None
    oidc: OidcTable | None = None

    def sources(self) -> dict[str, Source]:
        """Return where secrets are found, by the keys that say so."""
        found = {
            f"dashboard.users.{name}.{key}": source
            for name, user in self.users.items()
            for key, source in (("token", user.token), ("password", user.password))
            if source is not None
        }
        if self.oidc is not None and self.oidc.client_secret is not None:
            found["dashboard.oidc.client_secret"] = self.oidc.client_secret
        return found

    def mistakes(self) -> list[str]:
        """Return what does not go together, each with the fix."""
        wanted = {"token": "token", "basic": "password"}.get(self.auth)
        if wanted and not any(getattr(user, wanted) for user in self.users.values()):
            fix = f'[dashboard.users.NAME] role = "act", {wanted} = {{from_env = "VARIABLE"}}'
            return [f'dashboard.auth = "{self.auth}" needs somebody with a {wanted}: {fix}']
        if self.auth == "oidc" and self.oidc is None:
            return ['dashboard.auth = "oidc" needs [dashboard.oidc] issuer, client_id']
        return []

    def settings(self, home: Path) -> DashboardSettings:
        """Return the table as the rest of the program knows it."""
        proxy = self.proxy or (ProxyTable() if self.auth == "proxy" else None)
        return DashboardSettings(
            host=self.host,
            port=self.port,
            url=self.url,
            trusted_hosts=tuple(self.trusted_hosts),
            auth=self.auth,
            reading=self.reading,
            actions=self.actions,
            users={name: _user(user, home) for name, user in self.users.items()},
            proxy=_proxy(proxy) if proxy else ProxySettings(),
            oidc=_oidc(self.oidc, home) if self.oidc else None,
        )


def _user(user: UserTable, home: Path) -> UserSettings:
    return UserSettings(
        act=user.role == "act",
        token=secret(user.token, home) if user.token else None,
        password=secret(user.password, home) if user.password else None,
    )


def _proxy(proxy: ProxyTable) -> ProxySettings:
    return ProxySettings(header=proxy.header, peers=tuple(proxy.peers), act=frozenset(proxy.act))


def _oidc(oidc: OidcTable, home: Path) -> OidcSettings:
    return OidcSettings(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        client_secret=secret(oidc.client_secret, home) if oidc.client_secret else None,
        act=frozenset(oidc.act),
        read=None if oidc.read is None else frozenset(oidc.read),
    )
