"""uv as a child process: with a bounded time, an environment from nothing, and no credential in what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

from windmill.core.errors import Unavailable
from windmill.projects.bounded import finish

MAX_PRINTED: Final = 1 << 20  # bytes
TAIL_LINES: Final = 20
SHORTEST_SECRET: Final = 4  # characters; hiding less would make the output unreadable
_PASSED: Final = re.compile(
    r"HOME|PATH|LANG|LC_ALL|TMPDIR|NETRC|SSL_CERT_FILE|SSL_CERT_DIR|SSL_CLIENT_CERT|(?i:(http|https|all|no)_proxy)"
    r"|UV_(INDEX\w*|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|OFFLINE|CACHE_DIR|CONFIG_FILE|INSECURE_HOST"
    r"|KEYRING_PROVIDER|NATIVE_TLS|SYSTEM_CERTS|HTTP_TIMEOUT|HTTP_RETRIES|EXCLUDE_NEWER|PYTHON_INSTALL_DIR)"
)
# What pip's users have set already, under the names that uv knows.
_FROM_PIP: Final = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_CERT": "SSL_CERT_FILE",
}
_SAME: Final = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
_CREDENTIAL: Final = re.compile(r"(//)[^/\s@]+@")


class Ended(NamedTuple):
    """How a child ended: its exit code, None when its time was up; what it printed, and its last lines."""

    code: int | None
    printed: str
    tail: tuple[str, ...]


def find_uv() -> str:
    """Return the path of uv. Raises Unavailable in words."""
    try:
        import uv  # noqa: PLC0415 - only who builds environments needs it

        return os.fsdecode(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        raise Unavailable(
            "uv, which builds the environments of projects, is not installed",
            hint=f"install it beside WindMill: {Path(sysconfig.get_path('scripts')) / 'python'} -m pip install uv",
        ) from None


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of `environ` an installer may know: where indexes, caches and certificates are; never a job's."""
    env = {name: value for name, value in environ.items() if _PASSED.fullmatch(name) and value}
    for theirs, ours in _FROM_PIP.items():
        if environ.get(theirs) and ours not in env and _SAME.get(ours) not in env:
            separator = "," if ours == "UV_FIND_LINKS" else " "
            env[ours] = separator.join(environ[theirs].split())
    return env


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    say: Callable[[str], None],
    seconds: float,
    keep_open: Sequence[int] = (),
) -> Ended:
    """Run a program to its end, each line of its messages given to `say`; after `seconds` it is killed.

    `keep_open` are descriptors it inherits. Its whole session is gone on return. Raises Unavailable.
    """
    hide, tail = _masking(env), deque[str](maxlen=TAIL_LINES)

    def take(line: str) -> None:
        tail.append(hide(line.rstrip()))
        say(tail[-1])

    try:
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**env, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=keep_open,
            umask=0o077,
        )
    except OSError as error:
        raise Unavailable(f"{argv[0]} could not be started: {error.strerror}") from None
    answer = finish(child, timeout=seconds, limit=MAX_PRINTED, on_line=take)
    printed = answer.out.decode(errors="replace")
    return Ended(None if answer.late or answer.cut else answer.code, printed, tuple(tail))


def _masking(env: Mapping[str, str]) -> Callable[[str], str]:
    """Return what hides the credentials of indexes and proxies, wherever in a line they stand."""
    secrets = {value for name, value in env.items() if name.startswith("UV_INDEX_") and name.endswith("_PASSWORD")}
    for value in env.values():
        for credential in re.findall(r"//([^/\s@]+)@", value):
            password = credential.partition(":")[2] or credential
            secrets |= {password, unquote(password)}
    secrets = {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}

    def hide(line: str) -> str:
        for secret in sorted(secrets, key=len, reverse=True):
            line = line.replace(secret, "***")
        return _CREDENTIAL.sub(r"\1***@", line)

    return hide
