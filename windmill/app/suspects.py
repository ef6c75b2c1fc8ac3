"""Who may have broken a job: the commits between its last success and a failure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from windmill.app.home import Home
from windmill.core.documents import Document, to_text
from windmill.core.errors import WindmillError
from windmill.core.model import FAILURES, State
from windmill.core.ports import ExecutionFilter, Store

LIMIT: Final = 50  # commits that are looked at
_COMMIT: Final = "@sha1:"


def suspects(home: Home, store: Store, execution: Document) -> list[Document]:
    """Return the commits {commit, author, subject, at, touches} since the job's last success, likely ones first.

    `touches` says that a commit changed the directory of the entry point or the job's own files. Empty for
    everything but the failure of a job that succeeded at another commit, and where the history is not here.
    """
    if execution["state"] not in FAILURES or _COMMIT not in (execution.get("revision") or ""):
        return []
    wanted = ExecutionFilter(
        job=execution["job"],
        states=frozenset({State.SUCCEEDED}),
        until=datetime.fromisoformat(execution["queued_at"]),
    )
    last = store.executions(wanted, limit=1).items
    if not last or _COMMIT not in (last[0].get("revision") or ""):
        return []
    good, bad = (str(one["revision"]).rpartition(_COMMIT)[2] for one in (last[0], execution))
    project, _, name = execution["job"].partition("/")
    if good == bad:
        return []
    from windmill.projects.git import Mirror  # noqa: PLC0415 - a failure after a change is the rare case

    mirror = Mirror(home.state / "mirrors" / f"{project}.git", environ=home.environ, say=lambda _: None)
    try:
        commits = mirror.log(good, bad, limit=LIMIT)
    except WindmillError:
        return []
    near = _near(
        store, execution["job"], home.settings.projects[project].path if project in home.settings.projects else ""
    )
    found = [
        {
            "commit": commit.sha,
            "author": commit.author,
            "subject": commit.subject,
            "at": to_text(commit.at),
            "touches": _touches(commit.paths, near, name),
        }
        for commit in commits
    ]
    return sorted(found, key=lambda commit: not commit["touches"])


def _near(store: Store, job: str, path: str) -> str:
    """Return the directory of the job's entry point in the repository: "" for the root, else ending in a slash."""
    known = store.job(job)
    entry = str(known["entry_point"]) if known else ""
    if entry.startswith("-m"):
        entry = entry.removeprefix("-m").strip().replace(".", "/") + "/x"
    folder = str(PurePosixPath(path) / PurePosixPath(entry).parent)
    return "" if folder == "." else folder + "/"


def _touches(paths: Iterable[str], near: str, name: str) -> bool:
    own = f"jobs.d/{name}."
    return any(path.startswith(near) or own in path for path in paths)
