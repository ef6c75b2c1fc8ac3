"""Pages as every store gives them: places between pages as opaque cursors, and how far a search looks at once.

Some conditions lead to what matches by an index: job, project, state, time, and text, which names jobs or an id.
Others are tried on one entry of an index after the other: trigger, duration, revision, failure, and jobs when they
are many.
A page looks through LOOKED_THROUGH entries at most and goes on from there with the next.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from windmill.core.documents import Document, to_text
from windmill.core.errors import Refused
from windmill.core.model import State
from windmill.core.ports import ExecutionFilter, Page
from windmill.store.documents import fingerprint, milliseconds

LOOKED_THROUGH: Final = 100_000
IDS: Final = 1000  # executions looked at whose ids begin with a text
Place = tuple[int, str]  # (queued_at in milliseconds, id), the order of everything

_SEEKS: Final = 200  # stretches of an index that are read side by side, as MongoDB does at most
NEWEST: Final[Place] = (2**63 - 1, "")  # a place above every execution
_ID_DIGITS: Final = re.compile("[0-9a-f]{4,16}")  # fewer would name too many executions
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Search:
    """What a page is to hold below `cursor`: a filter whose jobs are all known.

    Executions of `jobs` (None: of any job), and those with an id that begins with `ids` unless that is empty.
    """

    wanted: ExecutionFilter
    jobs: frozenset[str] | None = None
    ids: str = ""
    below: Place = NEWEST

    @property
    def states(self) -> list[str]:
        """The wanted states; all when none are named."""
        return sorted(map(str, self.wanted.states or State))

    @property
    def led_by_jobs(self) -> bool:
        """Whether the jobs are few enough to be sought one by one."""
        return self.jobs is not None and len(self.jobs) * len(self.states) <= _SEEKS

    @property
    def led_by_time(self) -> bool:
        """Whether only the index of all executions has what must be tried."""
        wanted = self.wanted
        return not self.led_by_jobs and bool(
            self.jobs is not None or wanted.longer_than is not None or wanted.revision or wanted.failure
        )

    @property
    def tries(self) -> bool:
        """Whether entries of an index are tried that may not match."""
        wanted = self.wanted
        return self.led_by_time or bool(
            wanted.triggers or wanted.longer_than is not None or wanted.revision or wanted.failure
        )

    @property
    def longer_than_ms(self) -> int:
        """The least duration in whole milliseconds."""
        return -((self.wanted.longer_than or timedelta()) // -_MILLISECOND)

    def down_to(self, horizon: datetime | None) -> Search:
        """Return the search that ends at the horizon."""
        return self if horizon is None else replace(self, wanted=replace(self.wanted, since=horizon))

    def matching(self, documents: Iterable[Document]) -> list[Document]:
        """Return those of the documents, found by id, that match and are in none of `jobs`, which others find."""
        wanted = self.wanted
        within = _within(wanted)
        return [
            one
            for one in documents
            if (within is None or one["job"] in within)
            and one["job"] not in (self.jobs or ())
            and (not wanted.project or one["project"] == wanted.project)
            and one["state"] in self.states
            and (not wanted.triggers or one["trigger"] in wanted.triggers)
            and _place(one) < self.below
            and (wanted.since is None or one["queued_at"] >= str(to_text(wanted.since)))
            and _ran_so(one, wanted)
        ]


def resolve(wanted: ExecutionFilter, cursor: str | None, names: Callable[[], Iterable[str]]) -> Search:
    """Return the search for a page; `names` gives the keys of all jobs that have executions.

    Raises Refused for a cursor that is none of ours.
    """
    below = NEWEST if cursor is None else place_after(cursor)
    if wanted.until is not None:
        below = min(below, (milliseconds(wanted.until), ""))
    if not _may_be_stored(
        "".join((wanted.project, wanted.text, wanted.revision, wanted.failure, *(_within(wanted) or ())))
    ):
        return Search(wanted, frozenset(), "", below)
    jobs, ids, part = _within(wanted), "", wanted.text.lower()
    if part:
        jobs = frozenset(name for name in names() if part in name.lower() and (jobs is None or name in jobs))
        ids = part if _ID_DIGITS.fullmatch(part) else ""
    if jobs is not None and wanted.project:
        jobs = frozenset(job for job in jobs if job.startswith(f"{wanted.project}/"))
    return Search(wanted, jobs, ids, below)


def page(found: list[Document], limit: int, horizon: datetime | None = None, *, order: str = "queued_at") -> Page:
    """Return the page of what was found, one more than fits when there is more, above the horizon of the search.

    `order` names the instant that pages are in order of.
    """
    items = found[:limit]
    if items and len(found) > limit:
        return Page(items=items, next=cursor_after(items[-1], order=order))
    if horizon is None:
        return Page(items=items)
    instant = to_text(horizon)
    return Page(items=items, next=_cursor(f"{instant} "), looked_until=instant)


def newest_first(documents: Iterable[Document]) -> list[Document]:
    """Return the executions in the order of pages."""
    return sorted(documents, key=lambda one: (one["queued_at"], one["id"]), reverse=True)


def cursor_after(document: Document, *, order: str = "queued_at") -> str:
    """Return the cursor of the page that follows this document."""
    return _cursor(f"{document[order]} {document['id']}")


def place_after(cursor: str) -> Place:
    """Return the (milliseconds, id) that a page begins below. Raises Refused for a foreign cursor."""
    try:
        instant, _, identity = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        place = milliseconds(datetime.fromisoformat(instant))
        return milliseconds(instant_of(place)), identity
    except (ValueError, TypeError, OverflowError) as error:
        raise Refused("the page cursor is not one that WindMill gave", hint="start from the first page") from error


def instant_of(milliseconds: int) -> datetime:
    """Return the aware UTC instant so many milliseconds after the epoch."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


def _may_be_stored(text: str) -> bool:
    """Return False for stray bytes of an argument, which equal nothing that is stored."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text


def _within(wanted: ExecutionFilter) -> frozenset[str] | None:
    """Return the jobs that the filter names, None when it names none."""
    if not wanted.job:
        return wanted.jobs
    named = frozenset({wanted.job})
    return named if wanted.jobs is None else named & wanted.jobs


def _ran_so(one: Document, wanted: ExecutionFilter) -> bool:
    """Return whether the execution took as long, ran the revision, and failed, as wanted."""
    took, revision = one["duration_ms"], one.get("revision") or ""
    if wanted.longer_than is not None and (took is None or took * _MILLISECOND < wanted.longer_than):
        return False
    if wanted.failure and fingerprint(one) != wanted.failure:
        return False
    return not wanted.revision or revision == wanted.revision or f":{wanted.revision}" in revision


def _place(one: Document) -> Place:
    return milliseconds(datetime.fromisoformat(one["queued_at"])), one["id"]
