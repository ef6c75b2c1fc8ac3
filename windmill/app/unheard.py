"""Messages that would reach nobody: what is wrong with channels, as far as it costs next to nothing to say."""

from __future__ import annotations

from collections.abc import Iterable

from windmill.alerts.channels import EXTRA, available
from windmill.app.home import SETTINGS_FILE
from windmill.core.errors import Problem
from windmill.core.model import Job
from windmill.jobs.words import nearest
from windmill.settings import Settings


def unheard(jobs: Iterable[Job], channels: Iterable[str]) -> list[Problem]:
    """Return a warning for every channel that a job names and that is not among these."""
    known = sorted(channels)
    return [_no_channel(job, name, known) for job in jobs for name in sorted(job.notify.channels.difference(known))]


def without_extra(settings: Settings) -> list[Problem]:
    """Return the warning that there are channels, and nothing to send with."""
    if not settings.channels or available():
        return []
    return [channel_problem("channels need apprise, which is not installed: no messages are sent", EXTRA)]


def channel_problem(message: str, hint: str) -> Problem:
    """Return the warning about something that windmill.toml says of channels."""
    return Problem(file=SETTINGS_FILE, message=message, hint=hint, severity="warning", code="channel")


def _no_channel(job: Job, name: str, known: list[str]) -> Problem:
    hint = nearest(name, known) if known else f'[channels.{name}] url = {{from_env = "VARIABLE"}}'
    return Problem(
        file=job.file,
        line=job.line,
        column=1,
        message=f'there is no channel "{name}" in windmill.toml, so nobody is told',
        hint=hint,
        severity="warning",
        code="channel",
        job=job.key,
    )
