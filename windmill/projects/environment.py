"""Virtual environments, one per content of requirements and Python, shared by all projects that ask for the same."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from windmill.core.errors import NotFound, Refused
from windmill.projects import sealed
from windmill.projects.build import Build
from windmill.projects.installer import passed_on, run
from windmill.projects.interpreters import Interpreters
from windmill.projects.requirements import Requirements
from windmill.projects.staging import stage

DIRECTORY: Final = "environments"
_KEY: Final = re.compile(r"[0-9a-f]{40}")
_PAUSE: Final = 0.1  # seconds between two looks at the lock of another builder
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A finished environment. `used_at`: when it was last asked for; `bytes`: what its files take."""

    key: str
    python: str  # version
    kind: str  # the file that asked for it
    packages: int
    bytes: int
    used_at: datetime


class Environments:
    """The environments under `<state>/environments/`, each in a directory named by its key.

    They are built aside and renamed into place whole, and never changed afterwards. `uv` is the path of uv;
    `python_default` runs projects that name no Python; `environ` says where interpreters are looked for.
    """

    def __init__(self, state: Path, *, uv: str, python_default: str, environ: Mapping[str, str] = os.environ) -> None:
        self._directory = state / DIRECTORY
        self._cache = state / "cache" / "uv"
        self._uv = uv
        self._major = ""
        self._interpreters = Interpreters(uv, python_default, environ)

    def key(self, requirements: Requirements, python: str | None) -> str:
        """Return the name of the environment: a hash of what is installed, of the very Python, and of uv's major.

        `python` is what the settings ask for; where that is empty, the project's own wish counts. Raises Refused.
        """
        identity = self._interpreters.identity(self._python(requirements, python))
        text = json.dumps([requirements.digest, identity, self._uv_major()])
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    def ready(self, key: str) -> bool:
        """Return True when the environment is finished and nobody has written into it since."""
        return sealed.intact(self._directory / key)

    def python(self, key: str) -> Path:
        """Return the interpreter of the environment, and remember that it was asked for. Raises NotFound."""
        if not self.ready(key):
            raise NotFound(f"the environment {key[:12]} is not there", hint="windmill env build PROJECT")
        with contextlib.suppress(OSError):
            os.utime(self._directory / key / sealed.MARKER)
        return self._directory.absolute() / key / "bin" / "python"

    def build(
        self,
        requirements: Requirements,
        root: Path,
        *,
        python: str | None,
        say: Say,
        timeout: float,
        environ: Mapping[str, str],
        offline_first: bool = True,
        allow_builds: bool = False,
    ) -> str:
        """Build the environment if it is not ready, and return its key.

        `say` gets each line of output, credentials hidden. `timeout` is in seconds, the wait for another builder
        of the same environment included. What is cached is used before any index is asked. With `allow_builds`
        packages without a wheel are built, which runs their code. Raises Refused with the last lines of output;
        an environment that was there before is then as it was.
        """
        deadline = time.monotonic() + timeout
        key = self.key(requirements, python)
        with self._only_builder(key, deadline) as lock:
            if self.ready(key):
                return key
            new, files = self._directory / f".new-{key}", self._directory / f".files-{key}"
            build = Build(uv=self._uv, lock=lock, say=say, deadline=deadline, env=self._env(environ))
            try:
                sealed.remove(new)
                sealed.remove(files)
                stage(requirements, root, files)
                build.make(new, self._python(requirements, python), cwd=files)
                build.install(requirements, new, cwd=files, offline_first=offline_first, allow_builds=allow_builds)
                sealed.seal(new, {"key": key, "kind": requirements.kind, "packages": _packages(new)})
                self._put_in_place(key, new)
            except OSError as error:
                raise Refused(f"the environment could not be written: {error.strerror}") from error
            finally:
                for leftover in (new, files):
                    with contextlib.suppress(OSError):
                        sealed.remove(leftover)
        return key

    def all(self) -> list[Environment]:
        """Return the finished environments, last used first."""
        found = [self._described(key) for key in self._keys()]
        return sorted((one for one in found if one), key=lambda one: one.used_at, reverse=True)

    def in_use(self) -> set[str]:
        """Return the keys of the environments whose Python a living process was started with."""
        pattern = re.compile(re.escape(os.fsencode(self._directory.absolute())) + rb"/([0-9a-f]{40})/")
        found: set[str] = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                found |= {key.decode() for key in pattern.findall((process / "cmdline").read_bytes())}
        return found

    def prune(self, keep: set[str], *, older_than: float) -> list[str]:
        """Remove environments that are not in `keep` and were not asked for in `older_than` seconds; return them.

        Of what killed builders left behind nothing stays, unless one is at work. Raises OSError.
        """
        gone = []
        for key in self._keys(unfinished=True):
            if key in keep:
                continue
            with contextlib.suppress(Refused), self._only_builder(key, 0.0):
                if time.time() - self._used_at(key) >= older_than:
                    gone += [key] if (self._directory / key).exists() else []
                    self._remove(key)
        return gone

    def _python(self, requirements: Requirements, python: str | None) -> str:
        return self._interpreters.find(python or requirements.python)

    def _uv_major(self) -> str:
        if not self._major:
            ended = run([self._uv, "--version"], cwd=Path("/"), env={}, say=lambda _: None, seconds=10)
            version = re.match(r"uv (\d+)", ended.printed)
            if version is None:
                raise Refused(f"{self._uv} is not uv", hint="install uv beside WindMill")
            self._major = version[1]
        return self._major

    def _env(self, environ: Mapping[str, str]) -> dict[str, str]:
        # a cache of our own: jobs that use uv themselves must not change what is installed for others
        return {"UV_CACHE_DIR": str(self._cache.absolute()), **passed_on(environ)}

    def _put_in_place(self, key: str, new: Path) -> None:
        final = self._directory / key
        if final.exists():  # somebody wrote into it: what runs from it keeps its open files
            sealed.remove(self._directory / f".old-{key}")
            final.rename(self._directory / f".old-{key}")
        new.rename(final)
        sealed.remove(self._directory / f".old-{key}")

    @contextlib.contextmanager
    def _only_builder(self, key: str, deadline: float) -> Iterator[int]:
        """Hold the lock of this key; its descriptor is given to children, so that it outlives a killed builder."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = self._lock(key)
        try:
            while not _locked(descriptor):
                if time.monotonic() >= deadline:
                    raise Refused(f"the environment {key[:12]} is being built by another", hint="try again later")
                time.sleep(_PAUSE)
                if not os.fstat(descriptor).st_nlink:  # removed with the environment: no longer the lock of anything
                    os.close(descriptor)
                    descriptor = self._lock(key)
            yield descriptor
        finally:
            os.close(descriptor)

    def _lock(self, key: str) -> int:
        return os.open(self._directory / f".lock-{key}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _remove(self, key: str) -> None:
        for prefix in ("", ".new-", ".files-", ".old-", ".lock-"):
            sealed.remove(self._directory / f"{prefix}{key}")

    def _keys(self, *, unfinished: bool = False) -> list[str]:
        try:
            names = [path.name for path in self._directory.iterdir()]
        except OSError:
            return []
        if unfinished:
            names = [name.rpartition("-")[2] for name in names]
        return sorted({name for name in names if _KEY.fullmatch(name)})

    def _used_at(self, key: str) -> float:
        with contextlib.suppress(OSError):
            return (self._directory / key / sealed.MARKER).stat().st_mtime
        return 0.0

    def _described(self, key: str) -> Environment | None:
        directory = self._directory / key
        facts = sealed.facts(directory)
        if facts is None:
            return None
        return Environment(
            key=key,
            python=_version(directory),
            kind=str(facts.get("kind", "")),
            packages=int(facts.get("packages", 0)),
            bytes=sealed.size(directory),
            used_at=datetime.fromtimestamp(int(self._used_at(key)), UTC),
        )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _packages(directory: Path) -> int:
    return sum(1 for _ in directory.glob("lib/python*/site-packages/*.dist-info"))


def _version(directory: Path) -> str:
    with contextlib.suppress(OSError):
        found = re.search(r"^version_info\s*=\s*(\S+)", (directory / "pyvenv.cfg").read_text(), re.MULTILINE)
        return found[1] if found else ""
    return ""
