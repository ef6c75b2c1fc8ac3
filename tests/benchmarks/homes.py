"""Homes made for measuring, and what their stores say about a stretch of time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.live import Live
from tests.support.waiting import until
from windmill.core.documents import Document, from_text
from windmill.core.errors import Unavailable
from windmill.core.model import TERMINAL, State
from windmill.core.ports import ExecutionFilter, Store
from windmill.store.sqlite import SqliteStore

PAGE = 5000
SECOND = timedelta(seconds=1)
WHOLE_SECONDS = "interval: 1s, start_at: 2026-01-01T00:00:00Z"


@contextmanager
def home(*, max_running: int = 5000) -> Iterator[Live]:
    """Yield a home with the programs `true` and `date` in its project p."""
    with (
        TemporaryDirectory(prefix="windmill-benchmark-") as name,
        Live(Path(name) / "home", f"[scheduler]\nmax_running = {max_running}\n") as live,
    ):
        for program in ("true", "date"):
            shutil.copy2(f"/bin/{program}", live.root / "projects" / "p" / program)
        yield live


def program(live: Live, name: str, code: str) -> Path:
    """Put an executable script into the project p and return its path."""
    live.script(name, code)
    path = live.root / "projects" / "p" / name
    path.chmod(0o755)
    return path


def jobs(live: Live, count: int, text: str) -> None:
    """Write `count` equal jobs."""
    for number in range(count):
        live.job(f"job{number:05}", text)


@contextmanager
def store(live: Live) -> Iterator[Store]:
    """Yield the home's store, read only."""
    opened = SqliteStore(live.root / ".windmill" / "windmill.db", readonly=True)
    try:
        yield opened
    finally:
        opened.close()


def catalog_read(live: Live, files: int) -> bool:
    """Return True when the scheduler has taken over that many job files and the store knows."""
    with suppress(Unavailable), store(live) as opened:
        catalog = opened.status("catalog")
        return catalog is not None and catalog["files"] == files
    return False


def up(live: Live, files: int) -> None:
    """Start the scheduler and wait until it serves that many job files."""
    live.up()
    until(lambda: catalog_read(live, files), timeout=120)


def next_second() -> datetime:
    """Wait for the next whole second and return it."""
    second = int(time.time()) + 1
    time.sleep(second - time.time())
    return datetime.fromtimestamp(second, UTC)


def pass_time(seconds: int) -> tuple[datetime, datetime]:
    """Let whole seconds pass, from the next one on; return when they began and ended."""
    begin = next_second()
    time.sleep(seconds)
    return begin, begin + seconds * SECOND


def settled(live: Live, end: datetime) -> None:
    """Wait until every slot before `end` has its verdict, every execution of these has ended, and all is stored.

    What was coalesced is queued when the execution before it ends, so there are two rounds.
    """
    _ended(live, end)
    _ended(live, datetime.fromtimestamp(time.time(), UTC))


def _ended(live: Live, end: datetime) -> None:

    def done() -> bool:
        with store(live) as opened:
            newest = opened.executions(ExecutionFilter(since=end), limit=1).items
            waiting = [one for one in opened.open_executions() if _instant(one, "queued_at") < end]
        return bool(newest) and not waiting

    until(done, timeout=120, what="everything is stored")


def executions(live: Live, begin: datetime, end: datetime) -> list[Document]:
    """Return the executions queued within begin..end and 30 s around it, in no order; skipped ones included."""
    wanted = ExecutionFilter(since=begin - 30 * SECOND, until=end + 30 * SECOND)
    found: list[Document] = []
    cursor: str | None = None
    with store(live) as opened:
        while True:
            page = opened.executions(wanted, limit=PAGE, cursor=cursor)
            found += page.items
            cursor = page.next
            if cursor is None:
                return found


def within(found: Iterable[Document], begin: datetime, end: datetime, what: str = "slot") -> list[Document]:
    """Return the executions that had a process, and whose slot or other instant lies in begin..end."""
    return [one for one in found if one["started_at"] and one[what] and begin <= _instant(one, what) < end]


def lateness(found: Iterable[Document], what: str = "started_at") -> list[float]:
    """Return the milliseconds from slot to start, or to another instant."""
    return [(_instant(one, what) - _instant(one, "slot")) / timedelta(milliseconds=1) for one in found]


def coalesced(found: Iterable[Document]) -> int:
    """Return how many slots did not get an execution of their own."""
    return sum(int(one["coalesced"]) for one in found)


def amiss(found: list[Document], begin: datetime, end: datetime, *, jobs: int) -> str:
    """Return which verdicts are missing or doubled, and which executions failed, in words; "" for none."""
    expected = jobs * ((end - begin) // SECOND)
    slots = [(one["job"], slot) for one in found for slot in _slots(one) if begin <= slot < end]
    failed = [one for one in found if State(one["state"]) in TERMINAL - {State.SUCCEEDED, State.SKIPPED}]
    words = []
    if missing := expected - len(set(slots)):
        words.append(f"{missing} of {expected} slots without a verdict")
    if doubled := len(slots) - len(set(slots)):
        words.append(f"{doubled} slots with two verdicts")
    if failed:
        words.append(f"{len(failed)} failed, such as {failed[0]['id']}: {failed[0]['reason']}")
    return ", ".join(words)


def _slots(one: Document) -> list[datetime]:
    """Return all slots of a job with `interval: 1s` that the execution settles."""
    if not one["coalesced"]:
        return [_instant(one, "slot")]
    first, last = _instant(one, "coalesced_from"), _instant(one, "coalesced_to")
    return [first + number * SECOND for number in range((last - first) // SECOND + 1)]


def _instant(document: Document, name: str) -> datetime:
    instant = from_text(document[name])
    assert instant is not None
    return instant
