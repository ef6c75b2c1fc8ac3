"""The tables of windmill.toml that say where messages go."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from windmill.jobs.complaints import describe
from windmill.jobs.fields import Name
from windmill.jobs.words import nearest
from windmill.settings.tables import Source, Table


class ChannelTable(Table):
    """[channels.NAME]."""

    url: Source


class AlertsTable(Table):
    """[alerts]: who hears of what is not about one job."""

    notify: list[Name] = Field(default=[], max_length=100)

    def mistakes(self, channels: Iterable[str]) -> list[str]:
        """Return what does not go together with these channels."""
        known = sorted(channels)
        return [
            f"alerts.notify names {describe(name)}, which is no channel: {nearest(name, known)}"
            for name in self.notify
            if name not in known
        ]
