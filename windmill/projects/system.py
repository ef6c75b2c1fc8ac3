"""The jobs WindMill runs for itself: one sync per project, by the ordinary runner, recorded like any other."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from windmill.core.model import SYNC, Job, Location, Param, Secret
from windmill.projects.known import Project

TIMEOUT: Final = timedelta(minutes=30)
GRACE: Final = timedelta(seconds=5)
# What a sync needs of the daemon's environment beside the basics every execution gets.
_PASSED: Final = (
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSL_CLIENT_CERT",
    "NETRC",
    "REQUESTS_CA_BUNDLE",
    "WINDMILL_TIMEZONE",
    "XDG_CACHE_HOME",
    *(name for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (proxy, proxy.upper())),
)
_PASSED_PREFIXES: Final = ("UV_", "PIP_")


def sync_job(project: Project, home: Path) -> Job:
    """Return the system job that brings the project up to date."""
    token = project.settings.token
    return Job(
        project=project.name,
        name=SYNC,
        entry_point="-m windmill.app.sync",
        args=("--home", str(home), "--accept=${params.accept}", "--revision=${params.revision}", project.name),
        params=(
            Param(name="accept", type="boolean", default=False),
            Param(name="revision", type="string", default="", description="make this one available, publish nothing"),
        ),
        secrets=(Secret(name=token.from_env, from_env=token.from_env),) if token and token.from_env else (),
        timeout=TIMEOUT,
        kill_grace=GRACE,
        description=f"Publishes what the {project.kind} of {project.name} holds now.",
        file="windmill.toml",
        digest="sync-1",
    )


def sync_location(state: Path, environ: Mapping[str, str] = os.environ) -> Location:
    """Return where syncs start: in our own state directory, with our own interpreter."""
    passed = {name: value for name, value in environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
    return Location(root=str(state), revision=None, python=sys.executable, env={**passed, "PYTHONSAFEPATH": "1"})
