"""The jobs directory -> Catalog. Looks at everything each time; reads only what changed; loses nothing it had."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from windmill.core.errors import Problem
from windmill.core.model import Catalog, Job
from windmill.jobs import spec
from windmill.jobs.claims import JobFile, settle
from windmill.jobs.excerpt import with_excerpts
from windmill.jobs.last_good import LastGood
from windmill.jobs.scan import Key, Scan, content_of, reason, scan

SETTLED: Final = 0.05  # seconds; younger content may be half of what is being written, or change unseen

SAVES_PER_LOAD: Final = 500  # last good copies, so that a first start with many files is not held up by them


@dataclass(slots=True)
class _Watched(JobFile):
    """A file with what tells whether it must be read again."""

    key: Key | None = None  # None: read it again
    digest: bytes = b""
    empty: Key | None = None  # under which it was found empty once
    unsaved: bytes | None = None  # becomes the last good version once no other file claims its jobs


class Loader:
    """Turns a directory of job files into catalogs.

    `show` names a path for people; `projects` answers with the projects there are now; `last_good` is a directory
    for the last good version of every file; `clock` tells seconds since the epoch; `lint` returns warnings about a
    job. After `load`, `unsettled` says that a file seems to be in the middle of being written and should be looked
    at again shortly; until then it counts as it did before.
    """

    def __init__(
        self,
        directory: Path,
        *,
        show: Callable[[Path], str],
        timezone: str,
        defaults: Mapping[str, Any],
        projects: Callable[[], Mapping[str, Path]],
        last_good: Path,
        clock: Callable[[], float],
        lint: Callable[[Job], list[Problem]] | None = None,
    ) -> None:
        self.unsettled = False
        self._directory = directory
        self._show = show
        self._timezone = timezone
        self._defaults = defaults
        self._ask_projects = projects
        self._projects: Mapping[str, Path] = {}
        self._last_good = LastGood(last_good)
        self._clock = clock
        self._lint = lint
        self._files: dict[str, _Watched] = {}
        self._catalog: Catalog | None = None
        self._trouble: dict[str, str] = {}
        self._waiting: dict[str, bytes] = {}  # last good versions still to be written
        self._hindrance = ""  # why they cannot be

    def load(self) -> Catalog:
        """Return the catalog of what the directory holds now; the same object when nothing changed. Never raises."""
        self.unsettled = False
        found = scan(self._directory)
        self._take_projects()
        if self._catalog is None:
            self._files = {relative: _Watched() for relative in self._last_good.paths()}
        changed = self._remove(found)
        for relative, key in found.files.items():
            changed |= self._update(relative, key, found)
        if self._catalog is None:
            self._recall()
        if self._catalog is None or changed or found.unreadable != self._trouble:
            self._trouble = found.unreadable
            self._catalog = self._assemble(found)
        if self._save_some():
            self._catalog = self._assemble(found)
        return self._catalog

    def _take_projects(self) -> None:
        """Ask for the projects; when they changed, have every file judged again."""
        projects = dict(self._ask_projects())
        if projects != self._projects:
            self._projects = projects
            for file in self._files.values():
                file.key, file.digest = None, b""

    def _recall(self) -> None:
        """Read the last good versions kept before this start, as far as they differ from what is there now."""
        for relative in self._last_good.paths():
            if (file := self._files.get(relative)) is None:
                continue
            content = self._last_good.read(relative)
            if content == file.unsaved:
                file.good, file.unsaved = file.jobs, None
            else:
                file.good = tuple(self._parse(relative, content)[0])

    def _remove(self, found: Scan) -> bool:
        """Forget files that are gone, but none that may only be out of sight."""
        gone = self._files.keys() - found.files.keys() - self._out_of_sight(found)
        for relative in gone:
            del self._files[relative]
            self._waiting.pop(relative, None)
            self._last_good.forget(relative)
        return bool(gone)

    def _out_of_sight(self, found: Scan) -> set[str]:
        """Return the known files that could not be looked at, alone or with their directory."""
        hidden = {directory or "." for directory in found.hidden}
        return {
            relative
            for relative in (self._files.keys() if found.unreadable else ())
            if relative in found.unreadable or not hidden.isdisjoint(map(str, PurePosixPath(relative).parents))
        }

    def _update(self, relative: str, key: Key, found: Scan) -> bool:
        """Read the file if it may have changed; return True when its jobs or problems did."""
        file = self._files.setdefault(relative, _Watched())
        again = self._entry_point_came(file)
        if file.key == key and not again:
            return False
        try:
            content = content_of(self._directory / relative)
        except OSError as error:
            if error.errno == errno.ENOENT:
                self.unsettled = True
            else:
                found.unreadable[relative] = f"the file cannot be read: {reason(error)}"
            return False
        digest = hashlib.blake2b(content, digest_size=16).digest()
        young = 0 <= self._clock() - key.mtime_ns / 1e9 < SETTLED
        if digest == file.digest and not again:
            file.key = None if young else key
            return False
        jobs, problems = self._parse(relative, content)
        if any(problem.severity == "error" for problem in problems) and (young or self._empty_once(file, key)):
            self.unsettled = True
            return False
        before = (file.read, file.jobs, file.problems)
        file.key, file.digest, file.read = None if young else key, digest, True
        file.jobs, file.problems = tuple(jobs), tuple(problems)
        file.unsaved = content if file.valid else None
        return before != (file.read, file.jobs, file.problems)

    @staticmethod
    def _empty_once(file: _Watched, key: Key) -> bool:
        """Return True when the file is empty and was not found so before: editors truncate, then write."""
        if key.size or file.empty == key:
            return False
        file.empty = key
        return True

    def _entry_point_came(self, file: _Watched) -> bool:
        """Return True when an entry point exists by now that a job of the file was warned about."""
        if not any(problem.code == "no-entry-point" for problem in file.problems):
            return False
        missing = {problem.job for problem in file.problems if problem.code == "no-entry-point"}
        roots = {job.entry_point: self._projects.get(job.project) for job in file.jobs if job.key in missing}
        return any(root is not None and (root / entry_point).is_file() for entry_point, root in roots.items())

    def _parse(self, relative: str, content: bytes) -> tuple[list[Job], list[Problem]]:
        shown = self._show(self._directory / relative)
        if not content.strip():
            hint = "write a job into it, or delete it to remove its jobs"
            return [], [Problem(file=shown, message="the file is empty", hint=hint, code="empty")]
        jobs, problems = spec.read(
            content,
            file=shown,
            stem=PurePosixPath(relative).stem,
            timezone=self._timezone,
            defaults=self._defaults,
            projects=self._projects,
        )
        if self._lint is not None:
            for job in jobs:
                problems += self._lint(job)
        return jobs, with_excerpts(problems, content)

    def _assemble(self, found: Scan) -> Catalog:
        settled = settle(self._files, self._out_of_sight(found))
        for relative, file in self._files.items():
            if file.unsaved is not None and relative not in settled.contested:
                self._waiting[relative] = file.unsaved
                file.good, file.unsaved = file.jobs, None
        problems = [problem for file in self._files.values() for problem in file.problems] + settled.problems
        for relative, message in found.unreadable.items():
            hint = "the jobs read from it before stay as they were"
            shown = self._show(self._directory / relative)
            problems.append(Problem(file=shown, message=message, hint=hint, code="unreadable"))
        if self._hindrance:
            shown, message = self._show(self._directory), f"last good versions are not kept: {self._hindrance}"
            problems.append(Problem(file=shown, message=message, severity="warning", code="not-kept"))
        return Catalog(
            jobs=settled.jobs,
            problems=tuple(sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))),
            stale=frozenset(settled.stale),
            unreadable="" in found.hidden,
            files=len(found.files),
        )

    def _save_some(self) -> bool:
        """Write copies that wait, a few per call; return True when what hinders it changed."""
        before, self._hindrance = self._hindrance, ""
        for relative in list(self._waiting)[:SAVES_PER_LOAD]:
            try:
                self._last_good.write(relative, self._waiting[relative])
            except OSError as error:
                self._hindrance = reason(error)
                break
            del self._waiting[relative]
        self.unsettled |= bool(self._waiting) and not self._hindrance
        return before != self._hindrance
