"""What the dashboard is told of the machine and the files under it, beside what stands in the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from windmill.core.documents import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Every answer is bounded and holds no secret; none raises for what is damaged or gone.

    `projects()` tells of every project by name, wherever it comes from: {kind, source, ref, path, syncs, behind},
    where `source` is its address or directory for people and `behind` the commits that were looked at and are not
    live, None where nobody knows.

    `project(name)` tells that and more of one, None where there is none of that name: {..., settings: pairs of a key
    of windmill.toml and its value in words, webhook: whether there is a secret, revisions: those on disk and those in
    use, newest first, {revision, key, commit, author, subject, committed_at, published_at, environment, live, here},
    attempted: the last try or None, {revision, key, at, outcome, error, author, subject, problems, removes},
    trouble: why the last sync came to no verdict, environment: {key, python, asked_by, packages: [name, version],
    count, built_at} or None where the project needs none, good: job file -> key of the revision it is read from}.

    `changed(file)` is when a file of the home, named as problems name it, was last written; None where that is not
    known. `machine()` tells {store: {kind, version, bytes}, disk: {free, total}, journal_bytes, python, system}.
    """

    projects: Callable[[], Mapping[str, Document]] = dict
    project: Callable[[str], Document | None] = lambda _: None
    changed: Callable[[str], datetime | None] = lambda _: None
    machine: Callable[[], Document] = dict
