"""What windmill.toml may say of a project."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where a secret value is found; exactly one of the two is set."""

    from_env: str | None = None
    from_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """Whose commits are published: signed by a key of the ssh file, or of the gpg home."""

    allowed_signers: str | None = None  # file as of `ssh-keygen -Y`
    gpg_home: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """What windmill.toml says of one project; with `git` it is pulled from there."""

    git: str | None = field(default=None, repr=False)  # may hold a password
    ref: str = "main"
    path: str = ""
    poll: timedelta = timedelta(seconds=60)
    token: SecretSource | None = None
    webhook: SecretSource | None = None  # the secret that pushes are signed with
    verify: Signers | None = None
    python: str | None = None
    source_builds: bool = False
