"""[heartbeat]: who hears that WindMill itself is alive, and where heartbeats may go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainValidator, StringConstraints

from windmill.jobs.fields import PositiveDuration, mistake
from windmill.projects.settings import SecretSource
from windmill.settings.tables import Source, Table, secret


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSettings:
    """The URL of the scheduler's own heartbeat, how often it is called, and the networks that are allowed."""

    source: SecretSource | None = None
    every: timedelta = timedelta(minutes=1)
    allow: tuple[str, ...] = ()


def _network(value: Any) -> str:
    try:
        return str(ip_network(value if isinstance(value, str) else ""))
    except ValueError:
        raise mistake("a network such as 10.0.0.0/8") from None


class HeartbeatTable(Table):
    """[heartbeat]."""

    from_env: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    from_file: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    every: PositiveDuration = timedelta(minutes=1)
    allow: list[Annotated[str, PlainValidator(_network)]] = Field(default=[], max_length=100)

    def mistakes(self) -> list[str]:
        """Return what does not go together, each with the fix."""
        found = []
        if self.from_env is not None and self.from_file is not None:
            found.append("heartbeat has both from_env and from_file: keep one of them")
        if "every" in self.model_fields_set and self.from_env is None and self.from_file is None:
            found.append("heartbeat.every needs from_env or from_file, where the URL is found")
        if self.every < timedelta(seconds=1):
            found.append("heartbeat.every is shorter than a second")
        return found

    def settings(self, home: Path) -> HeartbeatSettings:
        """Return the table as the rest of the program knows it."""
        named = self.from_env is not None or self.from_file is not None
        source = secret(Source(from_env=self.from_env, from_file=self.from_file), home) if named else None
        return HeartbeatSettings(source=source, every=self.every, allow=tuple(self.allow))
