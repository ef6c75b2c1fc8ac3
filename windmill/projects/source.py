"""Where a git project comes from: which addresses and refs are taken, and the environment git works in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from windmill.core import paths
from windmill.core.errors import Refused, WindmillError

_MAX_LENGTH: Final = 2048
_SHORTEST_SECRET: Final = 4  # characters; shorter ones would mask half of every line
_PROTOCOLS: Final = {"https": "https", "http": "http:https", "ssh": "ssh", "git": "git", "file": "file"}
_FORMS: Final = "https://host/path, ssh://user@host/path, user@host:path, http://, git://, file:///path or /path"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_SCP: Final = re.compile(r"(?:(?P<user>[^@/:]*)@)?(?P<host>[^@/:]+):(?P<path>[^:].*)")
_REF: Final = re.compile(r"[\w./+#@=,%-]+")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_USER_OF_URL: Final = re.compile(r"(?<=://)[^/@\s]+@")
_REST_OF_URL: Final = re.compile(r"""(://[^\s?#'"]*)[?#][^\s'"]*""")
_PASSED: Final = ("HOME", "PATH", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR")
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_FIXED: Final = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "SSH_ASKPASS": "/bin/false",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=10",
    "GIT_SSH_VARIANT": "ssh",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
    "GIT_HTTP_LOW_SPEED_TIME": "20",
}
_CONFIG: Final = {
    "core.hooksPath": "/dev/null",
    "core.attributesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "true",  # an export judges every link after it is written and before anything is published
    "core.autocrlf": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "fetch.unpackLimit": "1",  # everything received goes through one pack file, whose size is limited
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "protocol.version": "2",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "gpg.x509.program": "/bin/false",
}
# The secret is in the environment only, and git itself asks this helper for no other scheme and host.
_HELPER: Final = (
    '!f() { test "$1" = get && printf "username=%s\npassword=%s\n" "$WINDMILL_GIT_USER" "$WINDMILL_GIT_SECRET"; }; f'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A git repository and what of it is wanted: a branch, a tag, a commit, HEAD or a full ref; and a directory.

    The URL may hold a user and password; `token` counts as the password over http and https.
    """

    url: str = field(repr=False)
    ref: str = "main"
    path: str = ""
    token: str | None = field(default=None, repr=False)


class SourceError(WindmillError):
    """A repository cannot be read; the message is git's own last word, without credentials.

    `kind` is "network" (try again later), "auth" (not allowed, or nothing there for us), "ref" (no such branch, tag
    or commit) or "refused" (WindMill will not fetch this).
    """

    def __init__(self, kind: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


def is_commit(ref: str) -> bool:
    """Return True for the full name of a commit: 40 hex digits."""
    return _COMMIT.fullmatch(ref) is not None


def check_url(url: str) -> str | None:
    """Return why the URL is not taken, in words after "the URL"; None for a good one.

    https, ssh (user@host:path too), file and absolute paths are for every use. http and git are taken because many
    company servers speak nothing else, though nothing protects what they carry.
    """
    if not url or len(url) > _MAX_LENGTH:
        return f"is empty or longer than {_MAX_LENGTH} characters"
    if _CONTROL.search(url):
        return "contains a control character"
    if url.startswith("-"):
        return "starts with -"
    if url.startswith("/"):
        return None
    if "://" in url:
        return _mistake_in_url(url)
    scp = _SCP.fullmatch(url)
    if scp is None:
        return f"is of no known form: write {_FORMS}"
    return _mistake_in_host(url, scp["user"], scp["host"], scp["path"])


def check_ref(ref: str) -> str | None:
    """Return why `ref` names no branch, tag or commit, in words after "the ref"; None for a good one."""
    parts = ref.split("/")
    checks = (
        (not ref or len(ref) > paths.MAX_LENGTH, f"is empty or longer than {paths.MAX_LENGTH} characters"),
        (ref.startswith("-"), "starts with -"),
        (not _REF.fullmatch(ref), "contains a character that no branch or tag should have"),
        (".." in ref, 'contains ".."'),
        (
            ref == "@" or any(not part or part.startswith(".") or part.endswith((".lock", ".")) for part in parts),
            "is malformed",
        ),
    )
    return next((mistake for wrong, mistake in checks if wrong), None)


def mirrored(ref: str) -> str:
    """Return what the full ref of a remote, such as refs/heads/main, is called in its mirror."""
    # Named by a hash: a branch `a` that became `a/b` would not fit beside the old one.
    return "refs/windmill/" + hashlib.sha256(ref.encode()).hexdigest()[:16]


def check(remote: Remote) -> None:
    """Raise Refused naming the first mistake in the URL, the ref or the path."""
    mistakes = (("URL", check_url(remote.url)), ("ref", check_ref(remote.ref)))
    for what, mistake in (*mistakes, ("path", paths.mistake_in(remote.path) if remote.path else "")):
        if mistake:
            raise Refused(f"the {what} of the git source {mistake}")


def shown(url: str) -> str:
    """Return the URL as people may see it: without user, password, query and fragment."""
    if "://" not in url:
        scp = None if url.startswith("/") else _SCP.fullmatch(url)
        return f"{scp['host']}:{scp['path']}" if scp else url
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return re.split("[?#]", f"{scheme}://{place.rpartition('@')[2]}{slash}{path}")[0]


def address(remote: Remote) -> str:
    """Return the URL as git gets it as an argument: credentials of http go by the environment, see below."""
    parts = _split(remote.url)
    if parts is None or not parts.username or parts.scheme == "file":
        return remote.url
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}@{place}" if parts.scheme == "ssh" else place).geturl()


def hardened_environment(environ: Mapping[str, str], remote: Remote | None) -> dict[str, str]:
    """Return the whole environment for git: nothing asks, nothing is configured from outside, no foreign protocol.

    Of `environ` only home, path, ssh agent, proxies and certificates are passed. None is for work without network.
    """
    passed = {*_PASSED, *_PROXIES, *map(str.upper, _PROXIES)}
    parts = _split(remote.url) if remote else None
    environment = {name: value for name, value in environ.items() if name in passed}
    environment |= {**_FIXED, "GIT_ALLOW_PROTOCOL": _allowed(remote)}
    config = dict(_CONFIG)
    credentials = _credentials(remote) if remote else None
    if credentials and parts:
        environment["WINDMILL_GIT_USER"], environment["WINDMILL_GIT_SECRET"] = credentials
        config[f"credential.{parts.scheme}://{parts.netloc.rpartition('@')[2]}.helper"] = _HELPER
    environment["GIT_CONFIG_COUNT"] = str(len(config))
    for number, (key, value) in enumerate(config.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def masked(text: str, remote: Remote | None) -> str:
    """Return the text without the remote's credentials, without what can hold some in any URL, and in one line.

    Of a URL, user, password, query and fragment are left out; control characters become spaces.
    """
    for secret in sorted(_secrets(remote), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _CONTROL.sub(" ", _REST_OF_URL.sub(r"\1", _USER_OF_URL.sub("", text)))


def _mistake_in_url(url: str) -> str | None:
    parts = _split(url)
    if parts is None:
        return "is malformed"
    if parts.scheme not in _PROTOCOLS or "::" in url.partition("://")[0]:
        return f"has a scheme that is not taken: write {_FORMS}"
    if parts.scheme == "file":
        return None if not parts.netloc and len(parts.path) > 1 else "should be file:///path"
    if "?" in url or "#" in url:
        return "has a ? or #, where a secret would be seen: give it as `token`"
    user = parts.username if parts.scheme == "ssh" else None
    return _mistake_in_host(url, user, parts.hostname or "", parts.path)


def _mistake_in_host(url: str, user: str | None, host: str, path: str) -> str | None:
    if not _HOST.fullmatch(host):
        return "has no proper host name"
    if user is not None and not _USER.fullmatch(unquote(user)):
        return "has no proper user name"
    if not path.strip("/") or path.lstrip("/").startswith("-"):
        return "has no proper path"
    return "contains a space" if re.search(r"\s", url) else None


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL with a scheme; None for other forms and where the port is no number."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if "://" in url else None


def _allowed(remote: Remote | None) -> str:
    if remote is None:
        return "none"
    scheme = remote.url.partition("://")[0] if "://" in remote.url else "file" if remote.url[0] == "/" else "ssh"
    return _PROTOCOLS.get(scheme, "none")


def _credentials(remote: Remote) -> tuple[str, str] | None:
    parts = _split(remote.url)
    if parts is None or parts.scheme not in {"http", "https"} or not (remote.token or parts.username):
        return None
    user = unquote(parts.username or "x-access-token")
    return user, remote.token or unquote(parts.password or "")


def _secrets(remote: Remote | None) -> set[str]:
    parts = _split(remote.url) if remote else None
    found = [remote.token if remote else None, parts.password if parts else None]
    if parts and not parts.password and parts.scheme in {"http", "https"}:
        found.append(parts.username)  # a token is often written where the user belongs
    if parts and parts.scheme != "file":
        found += [parts.fragment, *(pair.partition("=")[2] or pair for pair in parts.query.split("&"))]
    long = [secret for secret in found if secret and len(secret) >= _SHORTEST_SECRET]
    return {form for secret in long for form in (secret, unquote(secret), quote(secret, safe=""))}
