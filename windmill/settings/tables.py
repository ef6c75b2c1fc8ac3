"""What the tables of windmill.toml have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from windmill.projects.settings import SecretSource


class Table(BaseModel):
    """A table of windmill.toml: nothing unknown in it, and no value of it in an error."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Source(Table):
    """Where a secret is found."""

    from_env: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    from_file: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None


def secret(source: Source, home: Path) -> SecretSource:
    """Return where the secret is found; paths of windmill.toml begin at the home."""
    return SecretSource(from_env=source.from_env, from_file=from_home(home, source.from_file))


def from_home(home: Path, path: str | None) -> str | None:
    """Return the path as it is seen from everywhere."""
    return str(home / path) if path is not None else None
