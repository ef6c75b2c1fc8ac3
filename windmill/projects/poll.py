"""What a remote ref names now, asked cheaply and without a mirror."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from typing import Final, NamedTuple

from windmill.core.errors import Refused
from windmill.projects.bounded import Answer, finish, limited
from windmill.projects.source import (
    Remote,
    SourceError,
    address,
    check,
    hardened_environment,
    is_commit,
    masked,
    shown,
)

_OUTPUT: Final = 1 << 20  # bytes; a handful of lines is expected
_LATE: Final = "no answer within {:g} s"
_KINDS: Final = (
    ("refused", r"git: not found|transport '.*' not allowed|dubious ownership|strange .*name|file too large"),
    (
        "auth",
        r"authentication failed|could not read (username|password)|permission denied|host key verification"
        r"|error: 40[13]|access denied|repository .*not found|could not be found|not appear to be a git repository",
    ),
    ("ref", r"couldn't find remote ref|not our ref|unadvertised object"),
    (
        "network",
        r"unable to (access|connect|look up)|could not resolve|connection|timed out|hung up|disconnect|early eof"
        r"|protocol error|bad line length|remote error|rpc failed|no space left|invalid (response|server)",
    ),
)
_SAYS_WHY: Final = re.compile(r"(fatal|error|ssh|remote|ERROR)\b|.*Permission denied|Host key")
_BOILERPLATE: Final = re.compile(
    r"fatal: Could not read from remote repository|Please make sure you have the correct|and the repository exists"
)


class Named(NamedTuple):
    """A ref of the remote, and the commit it names (an annotated tag's own target)."""

    ref: str
    commit: str


def remote_commit(remote: Remote, *, environ: Mapping[str, str], timeout: float) -> str:
    """Return the 40 hex digits of the commit that the ref names in the remote now.

    A full commit is returned as it is, without asking. `timeout` is in seconds. Raises SourceError.
    """
    _check(remote)
    return remote.ref if is_commit(remote.ref) else look_up(remote, environ=environ, timeout=timeout).commit


def look_up(remote: Remote, *, environ: Mapping[str, str], timeout: float) -> Named:
    """Return the full name of the ref in the remote, and its commit.

    Where a branch and a tag have one name the branch counts, as for `git clone --branch`; refs/... and HEAD are
    taken literally. Raises SourceError.
    """
    _check(remote)
    wanted = _candidates(remote.ref)
    patterns = [name + peel for name in wanted for peel in ("", "^{}")]
    command = ["git", "ls-remote", "--quiet", "--end-of-options", address(remote), *patterns]
    with subprocess.Popen(
        limited(command, timeout=timeout + 1),
        env=hardened_environment(environ, remote),
        cwd="/",  # no repository, and so no configuration, lies around it
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        answer = finish(child, timeout=timeout, limit=_OUTPUT)
    if answer.code or answer.late or answer.cut:
        error = failure(answer, remote, timeout)
        error.kind = error.kind or "network"
        raise error
    return _chosen(answer.out, remote, wanted)


def failure(answer: Answer, remote: Remote, timeout: float) -> SourceError:
    """Return the error for a failed command that spoke to the remote; `kind` is "" where the fault is not there."""
    place = shown(remote.url)
    if answer.late:
        return SourceError("network", f"{place}: {_LATE.format(timeout)}")
    if answer.cut:
        return SourceError("network", f"{place}: the server sends data without end")
    said = [masked(line, remote).strip() for line in answer.err.decode(errors="replace").splitlines()]
    said = [line for line in said if line and not _BOILERPLATE.match(line)] or ["fatal: no reason given"]
    for kind, pattern in _KINDS:
        if telling := [line for line in said if re.search(pattern, line, re.IGNORECASE)]:
            return SourceError(kind, f"{place}: {telling[-1][:500]}")
    lines = [line for line in said if _SAYS_WHY.match(line)] or said
    return SourceError("", f"{place}: {lines[-1][:500]}")


def _check(remote: Remote) -> None:
    try:
        check(remote)
    except Refused as error:
        raise SourceError("refused", error.message) from None


def _candidates(ref: str) -> list[str]:
    return [ref] if ref == "HEAD" or ref.startswith("refs/") else [f"refs/heads/{ref}", f"refs/tags/{ref}"]


def _chosen(listing: bytes, remote: Remote, wanted: list[str]) -> Named:
    found = {}
    for line in listing.decode(errors="replace").splitlines():
        commit, _, name = line.partition("\t")
        if is_commit(commit):
            found[name] = commit
    for name in wanted:
        if name in found:
            return Named(name, found.get(name + "^{}", found[name]))
    raise SourceError(
        "ref",
        f'{shown(remote.url)} has no branch or tag "{remote.ref}"',
        hint="was it deleted or renamed? `git ls-remote` lists what there is",
    )
