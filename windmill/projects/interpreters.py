"""Which Python a request names, and what makes it that very Python."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from windmill.core.errors import Refused
from windmill.projects.installer import passed_on, run

SECONDS: Final = 60.0  # more than the first look at all interpreters of a slow machine takes
# Run by the interpreter itself: everything by which compiled packages and the standard library differ.
_TELL: Final = (
    "import json, os, platform, sys, sysconfig\n"
    "base = getattr(sys, '_base_executable', None) or sys.executable\n"
    "print(json.dumps([sys.version, sysconfig.get_platform(), platform.libc_ver(), os.path.realpath(base)]))"
)


class Interpreters:
    """The Pythons of this machine. `environ` says where they are looked for."""

    def __init__(self, uv: str, default: str, environ: Mapping[str, str]) -> None:
        self._uv = uv
        self._default = default
        self._env = passed_on(environ)
        self._paths: dict[str, str] = {}
        self._identities: dict[str, str] = {}

    def find(self, request: str | None) -> str:
        """Return the path of the Python: `request` is a path, a version, a range, or empty for the default.

        Nothing is downloaded. Raises Refused.
        """
        if not request:
            return self._default
        if request not in self._paths:
            self._paths[request] = self._installed(request)
        return self._paths[request]

    def identity(self, python: str) -> str:
        """Return the text by which the Python at this path differs from all others: version, platform, place.

        Raises Refused.
        """
        if python not in self._identities:
            ended = run([python, "-I", "-S", "-c", _TELL], cwd=Path("/"), env=self._env, say=_nobody, seconds=SECONDS)
            if ended.code != 0 or not _is_list(ended.printed):
                why = ended.tail[-1] if ended.tail else "it says nothing"
                raise Refused(f"{python} is not a Python that works: {why}", hint="name another with python:")
            self._identities[python] = ended.printed.strip()
        return self._identities[python]

    def _installed(self, request: str) -> str:
        if request.startswith("/"):
            if os.access(request, os.X_OK) and Path(request).is_file():
                return request
            raise Refused(f"the Python {request} does not exist or may not be executed", hint="correct python:")
        argv = [self._uv, "python", "find", "--system", "--no-project", "--no-config", "--no-python-downloads"]
        ended = run([*argv, "--", request], cwd=Path("/"), env=self._default_first(), say=_nobody, seconds=SECONDS)
        if ended.code == 0 and ended.printed.startswith("/"):
            return ended.printed.strip()
        why = next((line for line in ended.tail if line.startswith("error:")), "").removeprefix("error:").strip()
        raise Refused(
            f'no Python "{request}" is installed' + (f": {why}" if why else ""),
            hint="install it, or name one that is: python: /usr/bin/python3",
        )

    def _default_first(self) -> dict[str, str]:
        """Return the environment in which the default Python comes first of all that fit a range."""
        base = Path(json.loads(self.identity(self._default))[-1])
        return {**self._env, "PATH": f"{base.parent}:{self._env.get('PATH', os.defpath)}"}


def _nobody(_: str) -> None:
    return


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False
