"""Who may what: what windmill.toml says of people, as it stands now."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Secret = Callable[[], str]  # read when it is needed; raises WindmillError where it cannot be


class Role(IntEnum):
    """What somebody may do; a higher one may everything that a lower one may."""

    NOBODY = 0
    READ = 1
    ACT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody with a secret of their own: `token` is the token or `sha256:` and its hash, `password` a hash."""

    role: Role
    token: Secret | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What stands before the dashboard: whoever has an address in `peers` may say who asks, in the header."""

    header: str = "X-Forwarded-User"
    peers: tuple[Network, ...] = ()
    act: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who vouches for people by OpenID Connect. `read` are those who may look, None everybody it vouches for."""

    url: str
    client_id: str
    client_secret: Secret | None = None
    act: frozenset[str] = frozenset()
    read: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`auth` is how people sign in; `anonymous` what somebody on this machine may who has not."""

    auth: str = "link"
    anonymous: Role = Role.READ
    accounts: Mapping[str, Account] = field(default_factory=dict)
    proxy: Proxy = field(default_factory=Proxy)
    issuer: Issuer | None = None

    def role(self, name: str) -> Role:
        """Return what somebody may who signed in under this name, the way people do here."""
        if self.auth == "link":
            return Role.ACT
        if self.auth == "proxy":
            return Role.ACT if name in self.proxy.act else Role.READ
        if self.auth == "oidc" and self.issuer is not None:
            if name in self.issuer.act:
                return Role.ACT
            return Role.READ if self.issuer.read is None or name in self.issuer.read else Role.NOBODY
        account = self.accounts.get(name)
        return account.role if account and self.secret(name) is not None else Role.NOBODY

    def secret(self, name: str) -> Secret | None:
        """Return what somebody proves to be of this name by, None where that is not by a secret of their own."""
        account = self.accounts.get(name)
        if account is None or self.auth not in ("token", "basic"):
            return None
        return account.token if self.auth == "token" else account.password

    def trusts(self, peer: str) -> bool:
        """Return whether what this address forwards is believed."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self.proxy.peers)
