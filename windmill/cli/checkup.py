"""The examinations of `windmill doctor`, each a function from what there is to one verdict."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from windmill.app.heartbeats import fault, own_source
from windmill.app.local import open_executions
from windmill.cli.outage import in_words, outage
from windmill.cli.session import Session
from windmill.cli.text import count, local, size, span
from windmill.core.documents import from_text
from windmill.core.errors import WindmillError
from windmill.core.model import is_system
from windmill.scheduler.backlog import read

OLDEST_PYTHON: Final = (3, 11)
OLDEST_KERNEL: Final = (5, 3)  # pidfd_open; the subreaper is older
LEAST_FREE: Final = 1 << 30  # bytes
LEAST_INODES: Final = 10_000
LARGE_BACKLOG: Final = 256 << 20  # bytes
FAULTS_SAID: Final = 3
SLOW_STORE: Final = timedelta(seconds=1)
SILENT: Final = timedelta(seconds=15)  # heartbeats come every two seconds


class Check(NamedTuple):
    """One verdict: ok, warning or problem; what was found, and what to do where it is not ok."""

    about: str
    verdict: str
    found: str
    fix: str = ""


def checkup(session: Session) -> Iterator[Check]:
    """Yield the verdicts, those on the machine first; without a home it ends there."""
    yield python()
    yield kernel()
    yield user()
    try:
        root = session.home.root
    except WindmillError as error:
        yield Check("home", "problem", error.message, error.hint)
        return
    yield Check("home", "ok", str(root))
    for about, examine in HOME_CHECKS:
        try:
            yield examine(session)
        except WindmillError as error:
            yield Check(about, "problem", error.message, error.hint)


def python() -> Check:
    """Judge the interpreter's version."""
    if sys.version_info >= OLDEST_PYTHON:
        return Check("python", "ok", platform.python_version())
    return Check("python", "problem", platform.python_version(), "install Python 3.11 or newer")


def kernel() -> Check:
    """Judge the kernel: pidfd is what executions are watched by."""
    release = platform.release()
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    if platform.system() == "Linux" and numbers >= OLDEST_KERNEL:
        return Check("kernel", "ok", release)
    return Check("kernel", "problem", f"{platform.system()} {release}", "run on Linux 5.3 or newer")


def user() -> Check:
    """Judge whom jobs would run as."""
    if os.geteuid() != 0:
        return Check("user", "ok", f"uid {os.geteuid()}")
    return Check("user", "warning", "root: every job may do everything", "run WindMill as a user of its own")


def settings(session: Session) -> Check:
    """Judge windmill.toml, and the clock and zone it names."""
    zone = session.home.settings.timezone
    from windmill.core.zones import zone as zone_named

    return Check("clock", "ok", local(session.now, zone_named(zone)))


def permissions(session: Session) -> Check:
    """Judge who else may read outputs and params."""
    state = session.home.state
    if not state.exists():
        return Check("permissions", "ok", f"{state} is made by windmill up")
    mode = state.stat().st_mode & 0o777
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        return Check("permissions", "problem", f"{state} may not be written", f"chown -R it to uid {os.geteuid()}")
    if mode & 0o077:
        return Check("permissions", "problem", f"{state} has mode {mode:o}", f"chmod 700 {state}")
    return Check("permissions", "ok", f"{state} has mode {mode:o}")


def disk(session: Session) -> Check:
    """Judge the space and the inodes that are left."""
    root = session.home.root
    free, inodes = shutil.disk_usage(root).free, os.statvfs(root).f_favail
    found = f"{size(free)} free"
    if free < LEAST_FREE:
        return Check("disk", "problem", found, "free some space: outputs wait in the journal while it lasts")
    if os.statvfs(root).f_files > 0 and inodes < LEAST_INODES:
        return Check("disk", "problem", f"{count(inodes, 'inode')} left", "remove files that are not needed")
    return Check("disk", "ok", found)


def store(session: Session) -> Check:
    """Judge whether the store opens and how long an answer takes."""
    began = time.monotonic()
    if session.store_failure is not None:
        found = in_words(session, session.store_failure, outage(session))
        return Check(
            "store", "problem", found, session.store_failure.hint or "start the database, or mend [store] uri"
        )
    took = timedelta(seconds=time.monotonic() - began)
    if took > SLOW_STORE:
        return Check("store", "warning", f"answered after {span(took)}", "is the disk busy, or not a local one")
    return Check("store", "ok", f"answered after {span(took)}")


def scheduler(session: Session) -> Check:
    """Judge whether a scheduler runs and shows signs of life."""
    if not session.scheduler_alive:
        return Check("scheduler", "warning", "not running", "windmill up")
    if session.store_failure is not None:
        running = sum(1 for one in open_executions(session.home) if one["state"] == "running")
        return Check("scheduler", "ok", f"running, and {count(running, 'execution')} with it")
    seen = session.store.status("scheduler")
    beat = from_text(seen["at"]) if seen else None
    if beat is None:
        return Check("scheduler", "warning", "running, no heartbeat yet", "look again in some seconds")
    age = max(session.now - beat, timedelta(0))
    if age > SILENT:
        fix = "if it stays so, restart it; jobs go on running meanwhile"
        return Check("scheduler", "problem", f"running, silent for {span(age)}", fix)
    return Check("scheduler", "ok", f"running, heartbeat {span(age)} ago")


def backlog(session: Session) -> Check:
    """Judge what waits in the journal for the store, and whether it all fits and is taken."""
    waiting = sum(_size(path) for path in session.home.state.glob("journal/**/*"))
    known = read(session.home.state) or {}
    if known.get("full"):
        fix = "bring the store back, or raise journal_max_size in windmill.toml"
        return Check("journal", "problem", f"full with {size(waiting)}: output is being cut", fix)
    if rejected := known.get("rejected"):
        found = f"{count(rejected, 'document')} that the store refuses"
        return Check("journal", "problem", found, f"read why in {session.home.state / 'rejected'}")
    if waiting > LARGE_BACKLOG:
        return Check("journal", "warning", f"{size(waiting)} wait for the store", "is the store away or slow")
    return Check("journal", "ok", size(waiting))


def files(session: Session) -> Check:
    """Judge the job files."""
    found = session.catalog.problems
    if found:
        return Check("files", "problem", count(len(found), "problem"), "windmill validate")
    return Check("files", "ok", count(sum(not is_system(key) for key in session.catalog.jobs), "job"))


def heartbeats(session: Session) -> Check:
    """Judge whether every heartbeat finds its URL, and whether that leads where heartbeats may go."""
    about = {f"of {key}": job.heartbeat for key, job in session.catalog.jobs.items() if job.heartbeat}
    if (own := own_source(session.home)) is not None:
        about["of the scheduler"] = own
    if not about:
        return Check("heartbeats", "ok", "none")
    faults = [f"{of}: {wrong}" for of, source in about.items() if (wrong := fault(session.home, source))]
    if faults:
        fix = "mend the URL, or [heartbeat] allow in windmill.toml; variables are those of windmill up"
        return Check("heartbeats", "warning", "; ".join(faults[:FAULTS_SAID]), fix)
    status = session.store.status("scheduler") if session.store_failure is None else None
    told = (status or {}).get("heartbeats", {}).values()
    sent, failed, dropped = (sum(one[name] for one in told) for name in ("sent", "failed", "dropped"))
    found = f"{len(about)}; {sent} sent, {failed} failed, {dropped} dropped"
    if failed or dropped:
        return Check("heartbeats", "warning", found, "what windmill up says of the failures")
    return Check("heartbeats", "ok", found)


def channels(session: Session) -> Check:
    """Judge whether messages can be sent; none is."""
    from windmill.app.channels import mistakes

    found = mistakes(session.home.settings, session.environ)
    if found:
        return Check("channels", "problem", found[0].message, found[0].hint)
    known = session.home.settings.channels
    if known and session.store_failure is None:
        told = (session.store.status("alerts") or {}).get("channels", ())
        ill = [one for one in told if one["error"] and one["channel"] in known]
        if ill:
            fix = f"windmill notify test {ill[0]['channel']}"
            return Check("channels", "problem", f"{ill[0]['channel']}: {ill[0]['error']}", fix)
    return Check("channels", "ok", count(len(known), "channel"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # shipped and deleted since it was listed
        return 0


HOME_CHECKS: Final[tuple[tuple[str, Callable[[Session], Check]], ...]] = (
    ("clock", settings),
    ("permissions", permissions),
    ("disk", disk),
    ("store", store),
    ("scheduler", scheduler),
    ("journal", backlog),
    ("files", files),
    ("channels", channels),
    ("heartbeats", heartbeats),
)
