"""The structured files that name packages: what of them counts, and how it is put before an installer."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from windmill.core.errors import Refused
from windmill.projects.reader import Reader

PYPROJECT: Final = "pyproject.toml"
VERSION: Final = re.compile(r"\d{1,2}(\.\d{1,3}){0,2}t?")
_RANGE: Final = re.compile(r"[0-9.,<>=!~* ]{1,100}")
_HASH: Final = re.compile(r"\w+:[0-9a-f]+")
_OWN: Final = ({"virtual": "."}, {"editable": "."}, {"directory": "."})
_ON_DISK: Final = {"virtual", "editable", "directory", "path"}


def pylock(reader: Reader, name: str) -> str:
    """Take in a pylock.toml and return the range of its Python, "" for any. Raises Refused."""
    lock = reader.parsed(name, tomllib.loads)
    for package in _tables(lock.get("packages")):
        sources = [
            package,
            *(_table(package, kind) for kind in ("archive", "sdist")),
            *_tables(package.get("wheels")),
        ]
        if any({"directory", "path"} & set(source) for source in sources):
            raise _by_path(name, package)
    return _range(lock.get("requires-python"))


def uv_lock(reader: Reader, name: str) -> str:
    """Take in a uv.lock and the pyproject.toml beside it; return the range of its Python. Raises Refused."""
    project = _needs(reader.parsed(PYPROJECT, tomllib.loads))
    lock = reader.parsed(name, tomllib.loads)
    for package in _tables(lock.get("package")):
        source = _table(package, "source")
        registry = str(source.get("registry", "https:"))
        if (source not in _OWN and _ON_DISK & set(source)) or not registry.startswith(("https:", "http:")):
            raise _by_path(name, package)
    reader.narrow(PYPROJECT, project)
    return _range(project["requires-python"])


def pipfile(reader: Reader, name: str) -> str:
    """Take in the `default` packages of a Pipfile.lock; return the version of its Python. Raises Refused."""
    lock = reader.parsed(name, json.loads)
    reader.narrow(name, pipfile_lines(lock))
    requires = _table(_table(lock, "_meta"), "requires")
    version = str(requires.get("python_full_version") or requires.get("python_version") or "")
    return version if VERSION.fullmatch(version) else ""


def pyproject(reader: Reader, name: str) -> str | None:
    """Take in the `dependencies` of a pyproject.toml; return the range of its Python, None without dependencies.

    Raises Refused, also when only a build would tell them.
    """
    parsed = reader.parsed(name, tomllib.loads)
    if "dependencies" in (_table(parsed, "project").get("dynamic") or ()):
        raise Refused(
            "the dependencies in pyproject.toml are dynamic: only a build would tell them",
            hint="write them into requirements.txt, or add a uv.lock",
        )
    needs = _needs(parsed)
    reader.narrow(name, needs)
    return _range(needs["requires-python"]) if needs["dependencies"] else None


def pipfile_lines(lock: Mapping[str, Any]) -> list[str]:
    """Return the `default` packages of a Pipfile.lock as requirements with their hashes. Raises Refused."""
    return [_pipfile_line(name, package) for name, package in _table(lock, "default").items()]


def needs_text(parsed: Mapping[str, Any]) -> str:
    """Return a pyproject.toml that says only what a lock is checked against. Raises Refused."""
    needs = _needs(parsed)
    lines = [f"{key} = {json.dumps(value)}" for key, value in needs.items() if value]
    return "\n".join(["[project]", 'version = "0"', *lines, ""])


def dependencies(parsed: Mapping[str, Any]) -> list[str]:
    """Return the `dependencies` of a parsed pyproject.toml. Raises Refused."""
    lines = _table(parsed, "project").get("dependencies") or []
    if not isinstance(lines, list) or not all(isinstance(line, str) and line.isprintable() for line in lines):
        raise Refused("the dependencies in pyproject.toml are not a list of strings")
    for line in lines:
        if line.lstrip().startswith(("-", ".", "/", "#")) or re.search(r"@\s*(file:|[^\s:]*$)", line):
            raise Refused(f'pyproject.toml: "{line[:100]}" is no requirement of an index')
    return lines


def _needs(parsed: Mapping[str, Any]) -> dict[str, Any]:
    table = _table(parsed, "project")
    name = table.get("name")
    return {
        "name": name if isinstance(name, str) and re.fullmatch(r"[\w.-]+", name) else "project",
        "requires-python": _range(table.get("requires-python")),
        "dependencies": dependencies(parsed),
    }


def _pipfile_line(name: str, package: Any) -> str:
    version = str(package.get("version", "")) if isinstance(package, dict) else ""
    if not re.fullmatch(r"===?[\w.!+*]+", version) or not re.fullmatch(r"[\w.-]+", name):
        raise Refused(
            f"Pipfile.lock takes the package {name[:100]} from no index",
            hint="only packages with a version in the lock are installed",
        )
    extras = f"[{','.join(map(str, package['extras']))}]" if package.get("extras") else ""
    markers = f" ; {package['markers']}" if package.get("markers") else ""
    hashes = [f" --hash={digest}" for digest in package.get("hashes") or () if _HASH.fullmatch(str(digest))]
    line = f"{name}{extras}{version}{markers}{''.join(hashes)}"
    if not line.isprintable():
        raise Refused(f"Pipfile.lock: the package {name[:100]} holds a control character")
    return line


def _by_path(name: str, package: Mapping[str, Any]) -> Refused:
    return Refused(
        f"{name} takes the package {str(package.get('name'))[:100]} from a directory or file",
        hint="only packages of an index are installed; modules of the project itself need no installation",
    )


def _table(parsed: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = parsed.get(key)
    return found if isinstance(found, dict) else {}


def _tables(found: Any) -> list[dict[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _range(found: Any) -> str:
    return found if isinstance(found, str) and _RANGE.fullmatch(found) else ""
