"""Looks at entry points without running them. The project's own Python runs this file, whatever its version.

It is started without site-packages, whose .pth files may run code; those directories are looked up here instead.
Reads {"root": ..., "entries": [{"job", "entry_point", "folder", "imports"}]} from stdin and writes a list of
{"job", "kind", "file", "line", "column", "what"} to stdout. What is not certain to fail is not reported.
"""

import ast
import importlib.machinery
import importlib.util
import json
import os
import site
import sys
import warnings
from typing import Any, Dict, Iterator, List, Set, Tuple

MAX_FILES = 500
MAX_BYTES = 1 << 20
HARMLESS = {"distutils-precedence.pth", "_virtualenv.pth"}  # .pth files with code that finds no further modules
# Whoever says one of these decides where modules are found.
FINDS_MODULES = (b"sys.path", b"import path", b"meta_path", b"path_hooks", b"addsitedir", b"extend_path", b"__path__")
KNOWN_CALLS = {"warnings", "logging", "os", "locale", "print"}  # which leave the search for modules alone
LIBRARY = set(getattr(sys, "stdlib_module_names", ())) | set(sys.builtin_module_names)


def main() -> None:
    """Examine what stdin names."""
    warnings.simplefilter("ignore")
    wanted = json.load(sys.stdin)
    places, certain = packages()
    sys.path += places
    found = []
    for entry in wanted["entries"]:
        entry["imports"] = entry["imports"] and certain
        found += Examination(wanted["root"], entry).problems()
    json.dump(found, sys.stdout)


def packages() -> "Tuple[List[str], bool]":
    """Return the directories of installed packages, and whether nothing else can find modules there."""
    home = os.path.dirname(os.path.dirname(sys.executable))
    shared = not os.path.isfile(os.path.join(home, "pyvenv.cfg"))
    own = []
    if not shared:
        name = "python%d.%d" % sys.version_info[:2]
        own = [os.path.join(home, folder, name, "site-packages") for folder in ("lib", "lib64")]
        with open(os.path.join(home, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            text = file.read(1 << 16).lower().replace(" ", "")
        shared = "include-system-site-packages=true" in text
    places = [place for place in own if os.path.isdir(place)]
    if shared:
        everybodys = [*site.getsitepackages([sys.base_prefix, sys.base_exec_prefix]), site.getusersitepackages()]
        places += [place for place in everybodys if os.path.isdir(place)]
    certain = True
    for place in list(places):
        for name in sorted(os.listdir(place)):
            if name.endswith(".pth"):
                found, plain = links(place, name)
                places += found
                certain = certain and (plain or name in HARMLESS)
    return places, certain


def links(place: str, name: str) -> "Tuple[List[str], bool]":
    """Return the directories that a .pth file names, and whether it does nothing else."""
    try:
        with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 20).splitlines()
    except OSError:
        return [], True
    code = [line for line in lines if line.startswith(("import ", "import\t"))]
    named = [os.path.join(place, line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    return [path for path in named if os.path.isdir(path)], not code


class Examination:
    """One entry point and the project's modules that it is certain to import."""

    def __init__(self, root: str, entry: "Dict[str, Any]") -> None:
        self.root = os.path.realpath(root)
        self.entry = entry
        self.found: "List[Dict[str, Any]]" = []
        self.seen: "Set[str]" = set()

    def problems(self) -> "List[Dict[str, Any]]":
        """Return what is certain to fail."""
        importlib.invalidate_caches()
        module = self.entry["entry_point"].partition("-m")[2].strip()
        start = self._module(module) if module else os.path.join(self.root, self.entry["entry_point"])
        waiting = [start] if start else []
        while waiting and len(self.seen) < MAX_FILES:
            path = waiting.pop()
            if path not in self.seen:
                self.seen.add(path)
                waiting += self._examine(path)
        return [fact for fact in self.found if fact["kind"] != "import" or self.entry["imports"]]

    def _module(self, name: str) -> str:
        """Return the file that `-m name` runs where it is the project's own, "" where that is not known."""
        top = name.partition(".")[0]
        spec = self._spec(top)
        if spec is None:
            self._report("module", "", None, name)
            return ""
        base = os.path.join(self.entry["folder"], *name.split("."))
        places = [place for place in (os.path.join(base, "__main__.py"), base + ".py") if os.path.isfile(place)]
        if places:
            return places[0]
        origin = str(getattr(spec, "origin", None) or "")
        if self._own(origin) and os.path.basename(origin) == "__init__.py" and os.path.getsize(origin) == 0:
            self._report("module", "", None, name)  # an empty package cannot provide it in another way
        return ""

    def _examine(self, path: str) -> "List[str]":
        """Return the project's modules that the file imports, having reported what is wrong with it."""
        try:
            with open(path, "rb") as file:
                source = file.read(MAX_BYTES + 1)
        except OSError:
            return []
        if len(source) > MAX_BYTES:
            return []
        try:
            compile(source, path, "exec", dont_inherit=True)
            tree = ast.parse(source)
        except SyntaxError as error:
            self._report("syntax", path, error, error.msg)
            return []
        except (ValueError, RecursionError, MemoryError) as error:
            if isinstance(error, ValueError):
                self._report("syntax", path, None, str(error))
            return []
        if any(word in source for word in FINDS_MODULES):
            self.entry["imports"] = False  # from here on it is up to the code where modules are found
            return []
        found: "List[str]" = []
        for statement in tree.body:
            if not leads_on(statement):
                break
            found += self._imports(path, statement)
        return found

    def _imports(self, path: str, statement: ast.stmt) -> "Iterator[str]":
        """Yield the project's files that one statement of a module's top level imports."""
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
            names = [statement.module, *(statement.module + "." + alias.name for alias in statement.names)]
        else:
            return
        for name in names:
            spec = self._spec(name.partition(".")[0])
            if spec is None:
                self._report("import", path, statement, name.partition(".")[0])
                return
            origin = getattr(spec, "origin", None)
            if origin and origin.endswith(".py") and self._own(origin):
                yield origin
                yield from self._parts(os.path.dirname(origin), name.split(".")[1:])

    def _parts(self, folder: str, parts: "List[str]") -> "Iterator[str]":
        for part in parts:
            module, package = os.path.join(folder, part + ".py"), os.path.join(folder, part, "__init__.py")
            if os.path.isfile(module):
                yield module
                return
            if not os.path.isfile(package):
                return
            yield package
            folder = os.path.dirname(package)

    def _spec(self, top: str) -> object:
        """Return where the top-level module is found, None where it certainly is not; nothing is imported."""
        if top in LIBRARY:
            return True
        try:
            # The folder never becomes part of sys.path: what compiling imports, such as the codec that a file names,
            # would then be the project's own code.
            own = importlib.machinery.PathFinder.find_spec(top, [self.entry["folder"]])
            return own or importlib.util.find_spec(top)
        except BaseException:  # whatever a finder raises, it is not certain that the module is missing
            return True

    def _own(self, path: str) -> bool:
        return os.path.realpath(path).startswith(self.root + os.sep)

    def _report(self, kind: str, path: str, place: object, what: str) -> None:
        self.found.append(
            {
                "job": self.entry["job"],
                "kind": kind,
                "file": os.path.relpath(path, self.root) if path else "",
                "line": getattr(place, "lineno", 0) or 0,
                "column": (getattr(place, "offset", None) or getattr(place, "col_offset", -1) + 1) or 0,
                "what": what,
            }
        )


def leads_on(statement: ast.stmt) -> bool:
    """Return True when what follows the statement is certain to be reached, with modules found as before."""
    if isinstance(statement, (ast.Raise, ast.With, ast.For, ast.While, ast.Assert)):
        return False
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        while isinstance(called, ast.Attribute):
            called = called.value
        return isinstance(called, ast.Name) and called.id in KNOWN_CALLS
    return True


if __name__ == "__main__":
    main()
