"""What every store promises. A module of tests imports everything from here and has two fixtures.

`stores(readonly=False)` opens one more connection to the test's database and closes it after the test; `fresh()`
is a context that holds a store on an empty database of its own.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Protocol

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.executions import START, document, identity
from windmill.core.documents import Document, to_text
from windmill.core.errors import Refused
from windmill.core.model import FAILURES, TERMINAL, State
from windmill.core.ports import (
    COLLECTIONS,
    DEFINITIONS_KEPT,
    FAILURES_COUNTED,
    LOOKED_INTO,
    Batch,
    Drop,
    ExecutionFilter,
    OutputBlock,
    Page,
    Store,
)

DERIVED = {"project", "name", "day", "duration_ms"}


class Stores(Protocol):
    """Opens connections to the database of one test."""

    def __call__(self, *, readonly: bool = False) -> Store: ...


Fresh = Callable[[], AbstractContextManager[Store]]


def plain(found: Document | None) -> Document:
    """Return the document without what the store derives."""
    assert found is not None
    return {key: value for key, value in found.items() if key not in DERIVED}


def block(execution: str, first: int, data: bytes = b"x", *, last: int = 0, stream: int = 1) -> OutputBlock:
    return OutputBlock(execution, first, last or first, stream, 1_767_225_600_000 + first, data)


def request(name: str, *, at: int = 0, kind: str = "run") -> Document:
    instant = to_text(START + timedelta(seconds=at))
    return {"id": name, "kind": kind, "job": "p/job", "by": "ann@host", "at": instant, "state": "pending"}


def answer(name: str, state: str = "done") -> Document:
    return {"id": name, "state": state, "answer": {"execution": identity(1)}}


def definition(digest: str, *, job: str = "p/job", at: int = 0, **document: object) -> Document:
    """Return the definition `digest` of the job, seen `at` milliseconds after START."""
    seen_at = to_text(START + timedelta(milliseconds=at))
    return {"id": digest, "job": job, "document": document, "file": "jobs.d/job.yaml", "line": 1, "seen_at": seen_at}


def pages(store: Store, wanted: ExecutionFilter, limit: int) -> Iterator[Page]:
    page = store.executions(wanted, limit=limit)
    yield page
    while page.next is not None:
        page = store.executions(wanted, limit=limit, cursor=page.next)
        yield page


def listed(store: Store, wanted: ExecutionFilter, limit: int = 7) -> list[str]:
    return [item["id"] for page in pages(store, wanted, limit) for item in page.items]


# Executions


def test_an_execution_is_found_as_it_was_written(stores: Stores) -> None:
    written = document(1, State.FAILED, reason="exit code", params={"region": "BR", "days": [1, 2.5, None, True]})
    stores().write(Batch(executions=[written]))
    assert plain(stores().execution(identity(1))) == written


def test_the_store_derives_project_name_day_and_duration(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=[document(1, State.SUCCEEDED, job="reports/nightly", seconds=2.5)]))
    found = store.execution(identity(1))
    assert found is not None
    assert {key: found[key] for key in DERIVED} == {
        "project": "reports",
        "name": "nightly",
        "day": "2026-01-01",
        "duration_ms": 2500,
    }


def test_an_execution_that_has_not_ended_has_no_duration(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=[document(1, State.RUNNING)]))
    found = store.execution(identity(1))
    assert found is not None
    assert found["duration_ms"] is None


@pytest.mark.parametrize(
    "value", [2**63, -(2**70), "\ud800", {"a\0b": 1}, 2**63 - 1, "\0", "2026-01-01T00:00:00.000Z"]
)
def test_a_value_no_database_likes_does_not_stop_the_recording(stores: Stores, value: object) -> None:
    store = stores()
    store.write(Batch(executions=[document(1, State.SUCCEEDED, params={"odd": value})]))
    assert store.execution(identity(1)) is not None


def test_an_unknown_execution_is_none(stores: Stores) -> None:
    store = stores()
    assert store.execution(identity(1)) is None
    assert store.execution("no id\udcff") is None


def test_a_prefix_finds_the_only_execution_that_begins_with_it(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=[document(1), document(2)]))
    assert plain(store.execution(identity(2)[:9]))["id"] == identity(2)


def test_a_prefix_of_several_executions_is_refused_with_their_names(stores: Stores) -> None:
    store = stores()
    both = [{**document(1), "id": "ab00000000000000"}, {**document(2), "id": "ab11111111111111"}]
    store.write(Batch(executions=both))
    with pytest.raises(Refused, match="ab00000000000000, ab11111111111111"):
        store.execution("ab")


def test_a_queued_document_is_replaced_by_a_later_queued_one(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=[document(1, State.QUEUED)]))
    store.write(Batch(executions=[document(1, State.QUEUED, coalesced=3)]))
    assert plain(store.execution(identity(1)))["coalesced"] == 3


@pytest.mark.parametrize("terminal", sorted(TERMINAL))
def test_a_terminal_execution_never_changes(stores: Stores, terminal: State) -> None:
    store = stores()
    written = document(1, terminal, reason="first")
    store.write(Batch(executions=[written]))
    for state in State:
        store.write(Batch(executions=[document(1, state, reason="later", job="other/job")]))
    assert plain(store.execution(identity(1))) == written


@given(st.permutations([State.QUEUED, State.RUNNING, State.FAILED, State.RUNNING]), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_in_whatever_order_states_arrive_the_most_advanced_stays(
    fresh: Fresh, states: list[State], per_batch: int
) -> None:
    with fresh() as store:
        for start in range(0, len(states), per_batch):
            store.write(Batch(executions=[document(1, state) for state in states[start : start + per_batch]]))
        assert plain(store.execution(identity(1)))["state"] == "failed"
        assert listed(store, ExecutionFilter(states=frozenset({State.FAILED}))) == [identity(1)]
        assert listed(store, ExecutionFilter(states=frozenset({State.RUNNING, State.QUEUED}))) == []


_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
_KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
_INSTANTS = st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime.fromtimestamp(0, UTC) + ms * timedelta(milliseconds=1)
)


@given(
    params=st.dictionaries(_KEYS, st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)),
    slot=st.none() | _INSTANTS,
    state=st.sampled_from(State),
    number=st.integers(0, 2**62),
)
@settings(max_examples=60, deadline=None)
def test_any_execution_comes_back_equal(
    fresh: Fresh, params: Document, slot: datetime | None, state: State, number: int
) -> None:
    written = document(1, state, params=params, slot=slot, output_bytes=number)
    with fresh() as store:
        store.write(Batch(executions=[written]))
        assert plain(store.execution(identity(1))) == written


# Lists


def failed_so(number: int, state: State) -> Document:
    """Return what is known of a failure: three kinds of them, and some of which nothing is known."""
    if state not in FAILURES or number % 5 == 4:
        return {}
    kind = f"{number % 3}" * 16
    return {"failure": {"fingerprint": kind, "exception": f"KeyError: {number}", "where": ""}}


MANY = [
    document(
        number,
        state,
        job=f"{project}/j{number % 3}",
        trigger=trigger,
        queued_at=START + timedelta(seconds=number // 4),  # several share an instant
        seconds=number % 10 / 4,
        revision=[None, "main@sha1:abc1", "main@sha1:abc2", "sha256:abc9", "a.b:c(1)"][number % 5],
    )
    | failed_so(number, state)
    for number, (state, project, trigger) in enumerate(
        random.Random(7).choices(
            [
                (state, project, trigger)
                for state in State
                for project in ("p", "q")
                for trigger in ("schedule", "manual", "retry")
            ],
            k=120,
        )
    )
]
FILTERS = [
    ExecutionFilter(),
    ExecutionFilter(job="p/j1"),
    ExecutionFilter(job="p/none"),
    ExecutionFilter(project="q"),
    ExecutionFilter(states=frozenset({State.FAILED})),
    ExecutionFilter(states=frozenset({State.FAILED, State.LOST, State.RUNNING})),
    ExecutionFilter(job="q/j2", states=frozenset({State.SKIPPED, State.SUCCEEDED})),
    ExecutionFilter(triggers=frozenset({"manual"})),
    ExecutionFilter(project="p", states=frozenset({State.QUEUED}), triggers=frozenset({"retry", "manual"})),
    ExecutionFilter(since=START + timedelta(seconds=5), until=START + timedelta(seconds=20)),
    ExecutionFilter(job="p/j0", since=START + timedelta(seconds=5), until=START + timedelta(seconds=20)),
    ExecutionFilter(states=frozenset({State.LOST}), project="q", since=START + timedelta(seconds=3)),
    ExecutionFilter(jobs=frozenset()),
    ExecutionFilter(jobs=frozenset({"p/j0", "q/j2", "p/none"})),
    ExecutionFilter(jobs=frozenset({"p/j0", "q/j2"}), job="q/j2"),
    ExecutionFilter(jobs=frozenset({"p/j0"}), job="q/j2"),
    ExecutionFilter(jobs=frozenset({"p/j0", "q/j2"}), project="q", triggers=frozenset({"manual", "retry"})),
    ExecutionFilter(jobs=frozenset({"q/j1", *(f"p/{number}" for number in range(300))})),
    ExecutionFilter(jobs=frozenset({"q/j1", *(f"p/{number}" for number in range(300))}), states=TERMINAL),
    ExecutionFilter(text="/J1"),
    ExecutionFilter(text="q", jobs=frozenset({"p/j0", "q/j2"})),
    ExecutionFilter(text="nowhere"),
    ExecutionFilter(text="%"),
    ExecutionFilter(text="j2", project="q", states=frozenset({State.FAILED, State.SKIPPED})),
    ExecutionFilter(text=identity(7)[:5]),
    ExecutionFilter(text=identity(7).upper()),
    ExecutionFilter(text=identity(7)[:3]),
    ExecutionFilter(text=identity(7), project="none"),
    ExecutionFilter(text=identity(7), since=START + timedelta(days=1)),
    ExecutionFilter(revision="abc"),
    ExecutionFilter(revision="abc1", project="p"),
    ExecutionFilter(revision="main@sha1:abc2", job="p/j1"),
    ExecutionFilter(revision="main"),
    ExecutionFilter(revision="c(1"),
    ExecutionFilter(revision=".", states=frozenset({State.FAILED})),
    ExecutionFilter(longer_than=timedelta(seconds=2)),
    ExecutionFilter(longer_than=timedelta(0), states=frozenset({State.FAILED, State.RUNNING})),
    ExecutionFilter(longer_than=timedelta(seconds=1), text="j", revision="abc", triggers=frozenset({"manual"})),
    ExecutionFilter(longer_than=timedelta(seconds=1.1), until=START + timedelta(seconds=20)),
    ExecutionFilter(failure="0" * 16),
    ExecutionFilter(failure="1" * 16, job="p/j1"),
    ExecutionFilter(failure="1" * 16, project="q", states=frozenset({State.LOST})),
    ExecutionFilter(failure="2" * 16, text=identity(7)[:4], since=START + timedelta(seconds=3)),
    ExecutionFilter(failure="2"),
]


def _took(one: Document) -> timedelta | None:
    if not one["started_at"] or not one["ended_at"]:
        return None
    return datetime.fromisoformat(one["ended_at"]) - datetime.fromisoformat(one["started_at"])


def _matches(one: Document, wanted: ExecutionFilter) -> bool:
    since, until = to_text(wanted.since), to_text(wanted.until)
    text, took, revision = wanted.text.lower(), _took(one), one["revision"] or ""
    return (
        (wanted.jobs is None or one["job"] in wanted.jobs)
        and (text in one["job"] or (len(text) >= 4 and one["id"].startswith(text)))
        and (not wanted.revision or revision == wanted.revision or f":{wanted.revision}" in revision)
        and (not wanted.failure or one.get("failure", {}).get("fingerprint") == wanted.failure)
        and (wanted.longer_than is None or (took is not None and took >= wanted.longer_than))
        and _is_of(one, wanted, since, until)
    )


def _is_of(one: Document, wanted: ExecutionFilter, since: str | None, until: str | None) -> bool:
    return (
        (not wanted.job or one["job"] == wanted.job)
        and (not wanted.project or one["job"].startswith(wanted.project + "/"))
        and (not wanted.states or one["state"] in wanted.states)
        and (not wanted.triggers or one["trigger"] in wanted.triggers)
        and (since is None or one["queued_at"] >= since)
        and (until is None or one["queued_at"] < until)
    )


@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("limit", [1, 4, 500])
def test_pages_hold_exactly_what_matches_newest_first(stores: Stores, wanted: ExecutionFilter, limit: int) -> None:
    store = stores()
    store.write(Batch(executions=MANY))
    newest_first = sorted(MANY, key=lambda one: (one["queued_at"], one["id"]), reverse=True)
    assert listed(store, wanted, limit) == [one["id"] for one in newest_first if _matches(one, wanted)]


def test_what_a_text_finds_by_job_and_by_id_is_listed_once(stores: Stores) -> None:
    store = stores()
    digits = identity(5)[:4]
    mine = [document(number, job=f"p/{digits}") for number in (5, 6)]
    store.write(Batch(executions=[*mine, document(7)]))
    assert listed(store, ExecutionFilter(text=digits)) == [identity(6), identity(5)]


def test_the_text_of_an_output_is_found_wherever_its_blocks_end_but_in_one_stream(stores: Stores) -> None:
    store = stores()
    store.write(
        Batch(
            executions=[document(number, State.RUNNING if number == 3 else State.SUCCEEDED) for number in range(6)],
            output=[
                block(identity(1), 1, b"ein Br"),
                block(identity(1), 2, b"other", stream=2),
                block(identity(1), 3, "öt".encode()[:2]),
                block(identity(1), 4, "öt".encode()[2:]),
                block(identity(2), 1, b"Br"),
                block(identity(2), 2, "öt".encode(), stream=2),
                block(identity(3), 1, "Das Bröt!".encode()),
            ],
        )
    )
    assert listed(store, ExecutionFilter(contains="Bröt")) == [identity(3), identity(1)]
    assert listed(store, ExecutionFilter(contains="Bröt"), 1) == [identity(3), identity(1)]
    assert listed(store, ExecutionFilter(contains="Bröt", states=TERMINAL)) == [identity(1)]
    assert listed(store, ExecutionFilter(contains="bröt\udcff")) == []


def test_a_page_says_how_far_it_looked_into_output_and_the_next_goes_on_from_there(stores: Stores) -> None:
    store = stores()
    number = LOOKED_INTO + 5
    store.write(
        Batch(executions=[document(one, State.SKIPPED if one > 1 else State.FAILED) for one in range(number)])
    )
    store.write(Batch(output=[block(identity(0), 1, b"needle"), block(identity(1), 1, b"hay")]))
    first, last = pages(store, ExecutionFilter(contains="needle"), 10)
    assert (first.items, first.looked_until) == ([], to_text(START + timedelta(seconds=5)))
    assert ([one["id"] for one in last.items], last.looked_until) == ([identity(0)], None)


@pytest.mark.parametrize("odd", ["\udcff", "a\0b"])
def test_what_cannot_be_stored_is_found_nowhere(stores: Stores, odd: str) -> None:
    store = stores()
    store.write(Batch(executions=MANY))
    manual = frozenset({"manual"})
    for wanted in (
        ExecutionFilter(job=odd, triggers=manual),
        ExecutionFilter(project=odd, triggers=manual),
        ExecutionFilter(jobs=frozenset({odd, "p/none"})),
        ExecutionFilter(text=odd),
        ExecutionFilter(revision=odd),
        ExecutionFilter(contains=odd),
    ):
        assert store.executions(wanted) == Page(items=[])
    assert store.recent([odd]) == {}
    assert store.tally(job=odd) == store.tally(project=odd) == []


def test_a_page_that_ends_the_list_has_no_cursor(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=MANY[:6]))
    assert [len(page.items) for page in pages(store, ExecutionFilter(), 3)] == [3, 3]


def test_a_foreign_cursor_is_refused(stores: Stores) -> None:
    beyond = base64.urlsafe_b64encode(b"9999-12-31T23:59:59-23:59 x").decode()
    for cursor in ("", "%%%", "bm90IG91cnM=", "\udcff", beyond):
        with pytest.raises(Refused, match="cursor"):
            stores().executions(ExecutionFilter(), cursor=cursor)


def test_paging_neither_repeats_nor_misses_while_executions_are_added(stores: Stores) -> None:
    reader, writer = stores(readonly=True), stores()
    writer.write(Batch(executions=MANY))
    seen: list[str] = []
    for number, page in enumerate(pages(reader, ExecutionFilter(), 7)):
        seen += [item["id"] for item in page.items]
        writer.write(Batch(executions=[document(1000 + number, queued_at=START + timedelta(hours=1))]))
    assert sorted(seen) == sorted(one["id"] for one in MANY)


def test_open_executions_are_the_queued_and_running_ones_oldest_first(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=MANY))
    wanted = sorted((one for one in MANY if one["state"] in ("queued", "running")), key=_place)
    assert [item["id"] for item in store.open_executions()] == [one["id"] for one in wanted]


def test_the_latest_execution_of_each_job_is_the_newest_that_was_not_skipped(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=[*MANY, document(999, State.SKIPPED, job="only/skipped")]))
    newest = {one["job"]: one["id"] for one in sorted(MANY, key=_place) if one["state"] != "skipped"}
    assert {job: found["id"] for job, found in store.latest_executions().items()} == newest


def _brief(one: Document) -> Document:
    took = _took(one)
    took_ms = None if took is None else took // timedelta(milliseconds=1)
    return {"id": one["id"], "state": one["state"], "queued_at": one["queued_at"], "duration_ms": took_ms}


def _that_ran(job: str) -> list[Document]:
    """Return the executions of the job that were not skipped, newest first."""
    found = [one for one in MANY if one["job"] == job and one["state"] != "skipped"]
    return sorted(found, key=_place, reverse=True)


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_the_recent_executions_of_some_jobs_are_the_newest_that_were_not_skipped(stores: Stores, limit: int) -> None:
    store = stores()
    store.write(Batch(executions=[*MANY, document(999, State.SKIPPED, job="only/skipped")]))
    found = store.recent(["p/j1", "q/j0", "p/none", "only/skipped"], limit=limit)
    assert found == {job: [_brief(one) for one in _that_ran(job)][:limit] for job in ("p/j1", "q/j0")}


def test_the_last_execution_of_very_many_jobs_is_that_of_each(stores: Stores) -> None:
    store, jobs = stores(), [f"p/{number}" for number in range(150)]
    store.write(
        Batch(
            executions=[
                document(number, State.SKIPPED if number % 7 == 0 else State.FAILED, job=jobs[number % 150])
                for number in range(310)
                if number % 150 != 149
            ]
        )
    )
    assert store.recent(jobs, limit=1) == {
        job: last for job in jobs if (last := store.recent([job], limit=1).get(job))
    }
    assert store.recent(jobs, limit=1).keys() == set(jobs[:149])


def test_executions_are_found_by_their_names_where_there_are_any(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=[document(number) for number in range(3)]))
    found = store.named([identity(0), identity(2), identity(9)])
    assert found == {identity(number): store.execution(identity(number)) for number in (0, 2)}
    assert store.named([]) == {}


def test_nobodys_recent_executions_are_nothing(stores: Stores) -> None:
    assert stores().recent([]) == {}


def test_the_neighbours_of_an_execution_are_the_nearest_of_its_job_that_were_not_skipped(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=MANY))
    for one in MANY:
        ran = _that_ran(one["job"])
        before = next((_brief(other) for other in ran if _place(other) < _place(one)), None)
        after = next((_brief(other) for other in reversed(ran) if _place(other) > _place(one)), None)
        assert store.neighbours(one) == (before, after)


def _place(one: Document) -> tuple[str, str]:
    return one["queued_at"], one["id"]


# Counts


def counted(
    executions: list[Document],
    *,
    job: str = "",
    project: str = "",
    since: int | None = None,
    until: int | None = None,
) -> list[Document]:
    """Return what a tally of these executions is, told in the plainest way; bounds are minutes after START."""
    begin, end = (to_text(None if minute is None else START + timedelta(minutes=minute)) for minute in (since, until))
    found: dict[tuple[str, str], list[int]] = {}
    for one in executions:
        scope = one["job"].startswith(job or (project and project + "/")) and (not job or one["job"] == job)
        if one["state"] in TERMINAL and scope and (begin or "") <= one["queued_at"] < (end or "9"):
            took = _brief(one)["duration_ms"] or 0
            found.setdefault((one["queued_at"][:10], one["state"]), []).append(took)
    return [
        {"day": day, "state": state, "count": len(took), "duration_ms": sum(took)}
        for (day, state), took in sorted(found.items())
    ]


def tally(
    store: Store, *, job: str = "", project: str = "", since: int | None = None, until: int | None = None
) -> list[Document]:
    begin, end = (None if minute is None else START + timedelta(minutes=minute) for minute in (since, until))
    return store.tally(job=job, project=project, since=begin, until=end)


SCOPES: list[dict[str, str]] = [{}, {"project": "p"}, {"project": "q"}, {"job": "p/a"}, {"job": "p/none"}]
_ENDS = st.tuples(st.sampled_from(State), st.integers(0, 6000), st.sampled_from(["p/a", "p/b", "q/a", "pp/a"]))
_BOUND = st.none() | st.sampled_from([0, 1440, 2880, 4320]) | st.integers(0, 6000)


@given(ends=st.lists(_ENDS, max_size=25), since=_BOUND, until=_BOUND)
@settings(max_examples=60, deadline=None)
def test_a_tally_counts_what_ended_in_the_window_by_day_and_state(
    fresh: Fresh, ends: list[tuple[State, int, str]], since: int | None, until: int | None
) -> None:
    executions = [
        document(number, state, job=job, queued_at=START + timedelta(minutes=minute), seconds=number)
        for number, (state, minute, job) in enumerate(ends)
    ]
    with fresh() as store:
        store.write(Batch(executions=executions))
        for scope in SCOPES:
            found = tally(store, **scope, since=since, until=until)
            assert found == counted(executions, **scope, since=since, until=until), scope


def alike(
    executions: list[Document], job: str, since: datetime | None = None, until: datetime | None = None
) -> list[Document]:
    """Return what the failures of a job have in common, told in the plainest way."""
    groups: dict[str, list[Document]] = {}
    for one in sorted(executions, key=_place, reverse=True):
        inside = (to_text(since) or "") <= one["queued_at"] < (to_text(until) or "9")
        if one["job"] == job and one["state"] in FAILURES and "failure" in one and inside:
            groups.setdefault(one["failure"]["fingerprint"], []).append(one)
    return [
        {
            "fingerprint": name,
            "count": len(found),
            "first": found[-1]["id"],
            "first_at": found[-1]["queued_at"],
            "last": found[0]["id"],
            "last_at": found[0]["queued_at"],
        }
        for name, found in groups.items()
    ]


@pytest.mark.parametrize("job", ["p/j0", "q/j1", "p/none"])
@pytest.mark.parametrize("since", [None, START + timedelta(seconds=9)])
@pytest.mark.parametrize("until", [None, START + timedelta(seconds=20)])
def test_failures_of_a_job_are_counted_by_what_they_have_in_common(
    stores: Stores, job: str, since: datetime | None, until: datetime | None
) -> None:
    store = stores()
    store.write(Batch(executions=MANY))
    assert store.failures(job, since=since, until=until) == alike(MANY, job, since, until)


def test_of_very_many_failures_the_newest_are_counted(stores: Stores) -> None:
    store, instant = stores(), START + timedelta(days=1)
    known = {"failure": {"fingerprint": "a" * 16, "exception": "exit code 1", "where": ""}}
    old = document(0, State.FAILED, queued_at=START) | known
    store.write(Batch(executions=[old]))
    newer = [document(number, State.LOST, queued_at=instant) | known for number in range(1, FAILURES_COUNTED + 1)]
    store.write(Batch(executions=newer))
    assert [(one["count"], one["first_at"]) for one in store.failures("p/job")] == [
        (FAILURES_COUNTED, to_text(instant))
    ]


def test_what_is_known_of_a_failure_stays_though_the_end_comes_again(stores: Stores) -> None:
    store = stores()
    ended = document(1, State.FAILED)
    store.write(Batch(executions=[ended | failed_so(0, State.FAILED)]))
    store.write(Batch(executions=[ended]))
    assert plain(store.execution(identity(1)))["failure"]["fingerprint"] == "0" * 16
    assert [one["count"] for one in store.failures("p/job")] == [1]


def test_what_is_told_of_a_running_execution_is_what_was_told_last(stores: Stores) -> None:
    store = stores()
    for value in (0.1, 0.2):
        told = {"value": value, "text": "", "at": "2026-01-01T00:00:00.000Z"}
        store.write(Batch(executions=[document(1, State.RUNNING, progress=told, facts={"rows": 12, "zip": "01"})]))
    found = plain(store.execution(identity(1)))
    assert (found["progress"]["value"], found["facts"]) == (0.2, {"rows": 12, "zip": "01"})


def test_a_day_of_a_tally_is_one_of_utc_and_begins_with_its_very_first_instant(stores: Stores) -> None:
    store, midnight = stores(), START + timedelta(days=1)
    instants = [midnight - timedelta(milliseconds=1), midnight, midnight + timedelta(hours=23, minutes=59)]
    store.write(Batch(executions=[document(number, queued_at=at) for number, at in enumerate(instants)]))
    assert [(one["day"], one["count"]) for one in store.tally()] == [("2026-01-01", 1), ("2026-01-02", 2)]
    assert [one["count"] for one in store.tally(since=midnight, until=instants[2])] == [1]


def test_what_is_deleted_is_counted_no_more(stores: Stores) -> None:
    store = stores()
    executions = [document(number, state, seconds=number) for number, state in enumerate([*State, *State])]
    store.write(Batch(executions=executions))
    gone = [one["id"] for one in executions if one["state"] == "failed"] + [executions[2]["id"]]
    store.delete(gone)
    assert store.tally() == counted([one for one in executions if one["id"] not in gone])


# Output


def test_output_comes_back_in_order_and_byte_for_byte(stores: Stores) -> None:
    store, one = stores(), identity(1)
    blocks = [
        block(one, 1, bytes(range(256)), last=3),
        block(one, 4, b"\xff\0" * 99, stream=2),
        block(one, 5, b"", last=9),
    ]
    store.write(Batch(output=[blocks[2], blocks[0]]))
    store.write(Batch(output=[blocks[1], block(identity(2), 1)]))
    assert store.output(one) == blocks


@pytest.mark.parametrize(
    ("after", "firsts"), [(0, [1, 4, 5]), (2, [1, 4, 5]), (3, [4, 5]), (4, [5]), (9, []), (99, [])]
)
def test_output_after_a_sequence_begins_with_the_block_that_reaches_beyond_it(
    stores: Stores, after: int, firsts: list[int]
) -> None:
    store, one = stores(), identity(1)
    store.write(Batch(output=[block(one, 1, last=3), block(one, 4), block(one, 5, last=9)]))
    assert [found.first for found in store.output(one, after=after)] == firsts


def test_output_is_limited_but_never_to_nothing(stores: Stores) -> None:
    store, one = stores(), identity(1)
    store.write(Batch(output=[block(one, number, b"x" * 100) for number in (1, 2, 3, 4)]))
    assert [found.first for found in store.output(one, limit=250)] == [1, 2]
    assert [found.first for found in store.output(one, after=2, limit=1)] == [3]


@pytest.mark.parametrize(("size", "firsts"), [(0, []), (1, [4]), (100, [4]), (101, [3, 4]), (9999, [1, 2, 3, 4])])
def test_the_tail_is_the_fewest_last_blocks_that_hold_so_much(stores: Stores, size: int, firsts: list[int]) -> None:
    store, one = stores(), identity(1)
    store.write(Batch(output=[block(one, number, b"x" * 100) for number in (1, 2, 3, 4)]))
    assert [found.first for found in store.output_tail(one, size=size)] == firsts


def test_output_of_an_unknown_execution_is_empty(stores: Stores) -> None:
    store = stores()
    assert (store.output("f" * 16), store.output_tail("f" * 16, size=9), store.last_sequence("f" * 16)) == ([], [], 0)


def test_the_last_sequence_is_that_of_the_last_block(stores: Stores) -> None:
    store, one = stores(), identity(1)
    store.write(Batch(output=[block(one, 8, last=12), block(one, 1, last=7), block(identity(2), 90)]))
    assert store.last_sequence(one) == 12


def test_a_stored_block_is_not_replaced(stores: Stores) -> None:
    store, one = stores(), identity(1)
    store.write(Batch(output=[block(one, 1, b"first")]))
    store.write(Batch(output=[block(one, 1, b"second", last=5)]))
    assert store.output(one) == [block(one, 1, b"first")]


def test_a_drop_takes_only_blocks_that_lie_wholly_within_it(stores: Stores) -> None:
    store, one = stores(), identity(1)
    blocks = [block(one, first, last=first + 2) for first in (1, 4, 7, 10)]
    store.write(Batch(output=[*blocks, block(identity(2), 5)], drops=[Drop(execution=one, first=3, last=10)]))
    assert [found.first for found in store.output(one)] == [1, 10]
    assert len(store.output(identity(2))) == 1


# Jobs, status, requests


def test_jobs_are_listed_by_id_as_last_written(stores: Stores) -> None:
    store = stores()
    store.write(Batch(jobs=[{"id": "q/a", "spec": {"env": {"A.B": "$1"}}}, {"id": "p/z", "n": 1}]))
    store.write(Batch(jobs=[{"id": "p/z", "n": 2}]))
    assert store.jobs() == [{"id": "p/z", "n": 2}, {"id": "q/a", "spec": {"env": {"A.B": "$1"}}}]


def test_a_job_keeps_what_a_later_document_does_not_speak_of(stores: Stores) -> None:
    store = stores()
    store.write(Batch(jobs=[{"id": "p/z", "deleted": False, "document": {"entry_point": "a.py"}}]))
    store.write(Batch(jobs=[{"id": "p/z", "deleted": True}]))
    assert store.jobs() == [{"id": "p/z", "deleted": True, "document": {"entry_point": "a.py"}}]


def test_a_job_is_found_by_its_key_alone(stores: Stores) -> None:
    store = stores()
    store.write(Batch(jobs=[{"id": "p/z", "n": 1}, {"id": "p/zz", "n": 2}]))
    assert [store.job(key) for key in ("p/z", "p/", "p/Z", "\udcff")] == [{"id": "p/z", "n": 1}, None, None, None]


def revision(store: Store) -> object:
    return (store.status("jobs") or {}).get("revision")


def test_whoever_has_read_the_jobs_is_told_when_one_of_them_is_another(stores: Stores) -> None:
    store, reader = stores(), stores(readonly=True)
    seen = [revision(reader)]
    for job in ({"id": "p/a", "n": 1}, {"id": "p/b"}, {"id": "p/a", "n": 2}, {"id": "p/a", "more": {}}):
        store.write(Batch(jobs=[job]))
        seen.append(revision(reader))
    assert seen[0] is None
    assert len(set(seen)) == len(seen)


def test_jobs_are_the_same_while_nothing_was_written_of_them(stores: Stores) -> None:
    store = stores()
    store.write(Batch(jobs=[{"id": "p/a", "n": 1}]))
    before = revision(store)
    store.write(Batch(executions=[document(1)], status={"scheduler": {}}))
    assert before is not None
    assert revision(store) == before


def test_after_loading_jobs_nobody_is_told_that_they_are_the_same(stores: Stores, fresh: Fresh) -> None:
    store = stores()
    store.write(Batch(jobs=[{"id": "p/a", "n": 1}]))
    before = revision(store)
    with fresh() as other:
        other.write(Batch(jobs=[{"id": "p/b"}]))
        store.load("jobs", list(other.dump("jobs")))
    assert revision(store) != before


def test_a_status_is_the_one_last_written(stores: Stores) -> None:
    store = stores()
    assert store.status("scheduler") is None
    store.write(Batch(status={"scheduler": {"pid": 1}, "catalog": {"problems": []}}))
    store.write(Batch(status={"scheduler": {"pid": 2, "at": "2026-01-01T00:00:00.000Z"}}))
    assert store.status("scheduler") == {"pid": 2, "at": "2026-01-01T00:00:00.000Z"}
    assert store.status("catalog") == {"problems": []}


def test_what_alerts_remember_is_found_as_it_was_written(stores: Stores) -> None:
    store = stores()
    waiting = {"rule": "failed", "about": "p/a.b", "first": identity(1), "since": to_text(START), "count": 1}
    known = {
        "id": "alerts",
        "cursor": {"until": to_text(START), "open": [identity(2)], "judged": [[identity(1), to_text(START)]]},
        "jobs": [{"job": "p/a.b", "standing": {"late": to_text(START)}, "streak": {"count": 2, "told": True}}],
        "home": [],
        "channels": [{"channel": "the.team", "pending": [waiting], "sent": [], "retry_at": None, "error": ""}],
        "recent": [],
    }
    store.write(Batch(status={"alerts": known}))
    assert store.status("alerts") == known


def test_requests_are_pending_oldest_first_until_they_are_answered(stores: Stores) -> None:
    store = stores()
    for name, at in (("b", 2), ("a", 3), ("c", 1)):
        store.add_request(request(name, at=at))
    assert store.pending_requests() == [request("c", at=1), request("b", at=2), request("a", at=3)]
    assert store.pending_requests(limit=1) == [request("c", at=1)]
    store.write(Batch(answers=[answer("c"), answer("b", "refused")]))
    assert store.pending_requests() == [request("a", at=3)]
    assert store.request("c") == {**request("c", at=1), **answer("c")}
    assert store.request("b") == {**request("b", at=2), **answer("b", "refused")}


def test_a_request_that_was_done_by_who_asked_waits_for_nobody(stores: Stores) -> None:
    store = stores()
    done = {**request("a"), **answer("a")}
    store.add_request(done)
    assert store.pending_requests() == []
    assert store.requests().items == [done]


def test_the_same_request_twice_is_one_request(stores: Stores) -> None:
    store = stores()
    store.add_request(request("a"))
    store.add_request(request("a", at=5))
    assert store.pending_requests() == [request("a")]


def test_an_answered_request_stays_answered(stores: Stores) -> None:
    store = stores()
    store.add_request(request("a"))
    store.write(Batch(answers=[answer("a")]))
    store.write(Batch(answers=[answer("a", "refused")]))
    store.add_request(request("a"))
    assert store.request("a") == {**request("a"), **answer("a")}
    assert store.pending_requests() == []


def test_requests_are_listed_newest_first_with_their_answers(stores: Stores) -> None:
    store = stores()
    for name, at in (("b b", 2), ("d", 2), ("a", 3), ("c", 1)):
        store.add_request(request(name, at=at))
    store.write(Batch(answers=[answer("d"), answer("c", "refused")]))
    every = [
        request("a", at=3), {**request("d", at=2), **answer("d")}, request("b b", at=2),
        {**request("c", at=1), **answer("c", "refused")},
    ]  # fmt: skip
    assert store.requests() == Page(items=every)
    found: list[Document] = []
    cursor = None
    for number in (1, 1, 1, 1):
        page = store.requests(limit=number, cursor=cursor)
        found, cursor = [*found, *page.items], page.next
    assert (found, cursor) == (every, None)
    with pytest.raises(Refused, match="cursor"):
        store.requests(cursor="%%%")


def test_an_answer_to_an_unknown_request_is_ignored(stores: Stores) -> None:
    store = stores()
    store.write(Batch(answers=[answer("a")]))
    assert store.request("a") is None


# Retention


def expendable(
    executions: list[Document], job: str, *, before: datetime | None = None, beyond: int | None = None
) -> list[str]:
    """Return the ids of what need not be kept, oldest first, told in the plainest way."""
    newest_first = sorted((one for one in executions if one["job"] == job), key=_place, reverse=True)
    succeeded = [one for one in newest_first if one["state"] == "succeeded"]
    failed = [one for one in newest_first if one["state"] in ("failed", "timed_out", "lost")]
    still_open = [one for one in newest_first if one["state"] in ("queued", "running")]
    stays = {one["id"] for one in (*succeeded[:1], *failed[:1], *still_open)}
    gone = []
    for skipped in (True, False):
        sort = [one for one in newest_first if (one["state"] == "skipped") == skipped]
        for rank, one in enumerate(sort):
            old = before is not None and one["queued_at"] < str(to_text(before))
            if (old or (beyond is not None and rank >= beyond)) and one["id"] not in stays:
                gone.append(one)
    return [one["id"] for one in sorted(gone, key=_place)]


def expired(store: Store, job: str, *, limit: int, before: datetime | None, beyond: int | None) -> list[str]:
    """Return the ids of what a store would let go, asked for piece by piece."""
    found: list[Document] = []
    while piece := store.expired(job, before=before, beyond=beyond, after=found[-1] if found else None, limit=limit):
        assert len(piece) <= limit
        found += piece
    return [one["id"] for one in found]


@pytest.mark.parametrize("job", ["p/j0", "q/j1", "p/none"])
@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize(
    ("before", "beyond"), [(None, None), (15, None), (None, 0), (None, 4), (8, 9), (22, 2), (99, 1)]
)
def test_what_expires_is_too_old_or_too_many_oldest_first(
    stores: Stores, job: str, limit: int, before: int | None, beyond: int | None
) -> None:
    store = stores()
    store.write(Batch(executions=MANY))
    bound = None if before is None else START + timedelta(seconds=before)
    wanted = expendable(MANY, job, before=bound, beyond=beyond)
    assert expired(store, job, limit=limit, before=bound, beyond=beyond) == wanted


def test_an_expired_execution_is_returned_as_any_other(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=[document(1, State.STOPPED)]))
    assert store.expired("p/job", before=None, beyond=0) == [store.execution(identity(1))]


def test_the_newest_success_and_the_newest_failure_of_each_job_never_expire(stores: Stores) -> None:
    store = stores()
    ended = [State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.LOST, State.STOPPED, State.SKIPPED]
    store.write(Batch(executions=[document(number, state) for number, state in enumerate([*ended, *ended])]))
    late = START + timedelta(days=9)
    kept = {identity(6), identity(9)}  # the last success, and the last that was lost
    wanted = [identity(number) for number in range(12) if identity(number) not in kept]
    assert expired(store, "p/job", limit=100, before=late, beyond=0) == wanted


def test_an_execution_expires_only_before_the_very_instant(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=[document(number, State.STOPPED) for number in (1, 2, 3)]))
    found = store.expired("p/job", before=START + timedelta(seconds=2), beyond=None)
    assert [one["id"] for one in found] == [identity(1)]


def test_deleting_takes_the_executions_with_their_output_and_nothing_else(stores: Stores) -> None:
    store = stores()
    store.write(
        Batch(
            executions=[document(number) for number in (1, 2, 3)],
            output=[block(identity(number), first) for number in (1, 2, 3) for first in (1, 2)],
            jobs=[{"id": "p/job"}],
        )
    )
    assert store.delete([identity(1), identity(3), identity(99)]) == 2
    assert listed(store, ExecutionFilter()) == [identity(2)]
    assert [len(store.output(identity(number))) for number in (1, 2, 3)] == [0, 2, 0]
    assert store.jobs() == [{"id": "p/job"}]


def test_deleting_again_or_nothing_deletes_nothing(stores: Stores) -> None:
    store = stores()
    store.write(Batch(executions=[document(1), document(2)]))
    assert [store.delete(names) for names in ([], [identity(1)], [identity(1)])] == [0, 1, 0]
    assert listed(store, ExecutionFilter()) == [identity(2)]


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_an_open_execution_is_not_deleted(stores: Stores, state: State) -> None:
    store = stores()
    store.write(Batch(executions=[document(1, state)], output=[block(identity(1), 1)]))
    assert store.delete([identity(1)]) == 0
    assert (listed(store, ExecutionFilter()), store.last_sequence(identity(1))) == ([identity(1)], 1)


def test_others_see_a_deletion_at_once(stores: Stores) -> None:
    writer, reader = stores(), stores(readonly=True)
    writer.write(Batch(executions=[document(1)]))
    assert reader.execution(identity(1)) is not None
    writer.delete([identity(1)])
    assert reader.execution(identity(1)) is None


_ONES = st.tuples(st.sampled_from(State), st.integers(0, 9), st.sampled_from(["p/a", "p/b"]))


@given(
    ones=st.lists(_ONES, max_size=30),
    before=st.none() | st.integers(0, 10).map(lambda second: START + timedelta(seconds=second)),
    beyond=st.none() | st.integers(0, 6),
    limit=st.integers(1, 7),
)
@settings(max_examples=80, deadline=None)
def test_deleting_what_expires_until_nothing_does_leaves_exactly_what_must_stay(
    fresh: Fresh,
    ones: list[tuple[State, int, str]],
    before: datetime | None,
    beyond: int | None,
    limit: int,
) -> None:
    executions = [
        document(number, state, job=job, queued_at=START + timedelta(seconds=second))
        for number, (state, second, job) in enumerate(ones)
    ]
    gone = expendable(executions, "p/a", before=before, beyond=beyond)
    with fresh() as store:
        store.write(Batch(executions=executions))
        while found := store.expired("p/a", before=before, beyond=beyond, limit=limit):
            assert store.delete([one["id"] for one in found]) == len(found) <= limit
        assert set(listed(store, ExecutionFilter())) == {one["id"] for one in executions} - set(gone)


# Writing again


def everything(store: Store) -> dict[str, object]:
    """Return all that the store shows."""
    executions = store.executions(ExecutionFilter(), limit=100).items
    return {
        "executions": executions,
        "output": {one["id"]: store.output(one["id"]) for one in executions},
        "jobs": store.jobs(),
        "status": [store.status(name) for name in ("scheduler", "catalog")],
        "requests": [store.request(name) for name in "abcd"],
        "definitions": [store.definition(name) for name in "adz"],
        "pending": store.pending_requests(),
        "open": store.open_executions(),
        "latest": store.latest_executions(),
        "tally": store.tally(),
        "recent": store.recent(sorted({one["job"] for one in executions})),
        "audit": store.requests(),
    }


def joined(batches: list[Batch]) -> Batch:
    """Return one batch that carries everything."""
    result = Batch()
    for batch in batches:
        result.executions += batch.executions
        result.output += batch.output
        result.drops += batch.drops
        result.jobs += batch.jobs
        result.answers += batch.answers
        result.definitions += batch.definitions
    return result


@st.composite
def journeys(draw: st.DrawFn, *, drops: bool) -> list[Batch]:
    """What a journal gives, cut anywhere: documents in order of their states, output in order, drops behind it."""
    steps: list[Batch] = []
    for number in range(draw(st.integers(1, 4))):
        one = identity(number)
        end = draw(st.sampled_from([State.RUNNING, State.SUCCEEDED, State.FAILED, State.LOST]))
        steps += [Batch(executions=[document(number, state)]) for state in (State.QUEUED, State.RUNNING)]
        steps += [Batch(output=[block(one, first, b"%d" % first)]) for first in range(1, draw(st.integers(1, 5)))]
        if drops:
            steps.append(Batch(drops=[Drop(execution=one, first=2, last=draw(st.integers(1, 3)))]))
        steps.append(Batch(executions=[document(number, end)], jobs=[{"id": f"p/{number}"}]))
        steps.append(Batch(answers=[answer("abcd"[number])], definitions=[definition("d", at=number, n=number)]))
    cuts = sorted(draw(st.sets(st.integers(1, len(steps) - 1))) | {0, len(steps)})
    return [joined(steps[start:stop]) for start, stop in pairwise(cuts)]


@given(batches=journeys(drops=False), data=st.data())
@settings(max_examples=40, deadline=None)
def test_applying_any_part_again_changes_nothing(fresh: Fresh, batches: list[Batch], data: st.DataObject) -> None:
    with fresh() as store:
        for name in "abcd":
            store.add_request(request(name))
        for batch in batches:
            store.write(batch)
        before = everything(store)
        for batch in data.draw(st.lists(st.sampled_from(batches), max_size=6)):
            store.write(batch)
            assert everything(store) == before


@given(batches=journeys(drops=True), data=st.data())
@settings(max_examples=40, deadline=None)
def test_starting_over_at_any_point_ends_the_same(fresh: Fresh, batches: list[Batch], data: st.DataObject) -> None:
    with fresh() as straight, fresh() as stuttering:
        for batch in batches:
            straight.write(batch)
        for stop in data.draw(st.lists(st.integers(0, len(batches)), max_size=4)):
            for batch in batches[max(0, stop - 2) : stop]:
                stuttering.write(batch)
        for batch in batches:
            stuttering.write(batch)
        assert everything(stuttering) == everything(straight)


# Definitions


def test_a_definition_is_found_by_its_digest_as_it_was_written(stores: Stores) -> None:
    written = definition("d1", args=["--day", "${params.day}"], env={"A.B": "$1"})
    stores().write(Batch(definitions=[written, definition("d2")]))
    assert stores().definition("d1") == written


def test_an_unknown_definition_is_none(stores: Stores) -> None:
    assert stores().definition("d1") is None
    assert stores().definition("no digest\udcff") is None


def test_of_a_definition_what_was_seen_last_counts(stores: Stores) -> None:
    store = stores()
    store.write(
        Batch(definitions=[definition("d", at=1, n=1), definition("d", at=3, n=3), definition("d", at=2, n=2)])
    )
    assert store.definition("d") == definition("d", at=3, n=3)
    store.write(Batch(definitions=[definition("d", at=1, n=1)]))
    assert store.definition("d") == definition("d", at=3, n=3)
    store.write(Batch(definitions=[definition("d", at=4, n=4)]))
    assert store.definition("d") == definition("d", at=4, n=4)


def test_of_each_job_so_many_definitions_are_kept_and_the_ones_seen_longest_ago_go_first(stores: Stores) -> None:
    store = stores()
    store.write(Batch(definitions=[definition("other", job="p/other"), definition("reused")]))
    store.write(Batch(definitions=[definition(f"d{at}", at=at) for at in range(1, DEFINITIONS_KEPT)]))
    store.write(Batch(definitions=[definition("reused", at=5000)]))
    assert store.definition("d1") is not None
    store.write(Batch(definitions=[definition("new", at=5001)]))
    known = {name: store.definition(name) is not None for name in ("d1", "d2", "reused", "new", "other")}
    assert known == {"d1": False, "d2": True, "reused": True, "new": True, "other": True}


# Moving


def odd_things() -> Batch:
    """Return one of everything that is hard to carry: every state, binary output, odd keys and values."""
    params = {"a.b": 1, "$c": [2**40, 2.5, None, True, "\0 é 😀"], "": {"_id": 1, "id": 2}}
    executions = [document(number, state, params=params) for number, state in enumerate(State)]
    output = [
        block(one["id"], first, bytes(range(256)) * 9, last=first + 5, stream=1 + number % 2)
        for number, one in enumerate(executions)
        for first in (1, 7, 1000)
    ]
    return Batch(
        executions=executions,
        output=[*output, block(identity(99), 1, b"")],
        jobs=[{"spec": {"env": {"A.B": "$1"}}, "id": "p/z"}, {"id": "p/a", "deleted": True}],
        status={"scheduler": {"pid": 1, "id": "scheduler"}, "catalog": {"problems": [{"line": 3}], "name": "x"}},
        answers=[answer("a"), answer("b", "refused")],
        definitions=[definition("z", env={"A.B": "$1"}), definition("a", at=1, args=["é 😀"])],
    )


def fill(store: Store) -> None:
    """Write odd things, and requests in every state."""
    for at, name in enumerate("cab"):
        store.add_request(request(name, at=at))
    store.write(odd_things())


def dumps(store: Store) -> dict[str, list[bytes]]:
    return {collection: list(store.dump(collection)) for collection in COLLECTIONS}


def load(store: Store, dumped: dict[str, list[bytes]]) -> dict[str, int]:
    return {collection: store.load(collection, documents) for collection, documents in dumped.items()}


def key(blob: bytes) -> str:
    """Return the `_id` of a dumped document."""
    return str(bson.decode(blob)["_id"])


def test_a_dump_is_in_order_of_the_key_that_comes_first_in_every_document(stores: Stores) -> None:
    store = stores()
    fill(store)
    for collection, documents in dumps(store).items():
        keys = [key(blob) for blob in documents]
        assert keys == sorted(keys), collection
        assert all(next(iter(bson.decode(blob))) == "_id" for blob in documents)


def test_a_dump_has_the_keys_and_fields_that_mongodb_keeps(stores: Stores) -> None:
    store = stores()
    one = block(identity(1), 7, bytes(range(256)), last=9)
    store.write(Batch(executions=[document(1)], output=[one], jobs=[{"id": "p/z", "n": 1}], status={"catalog": {}}))
    store.write(Batch(definitions=[definition("d", at=1)]))
    store.add_request(request("a"))
    codec: CodecOptions[Document] = CodecOptions(tz_aware=True)
    found = {name: bson.decode(blobs[0], codec) for name, blobs in dumps(store).items()}
    assert found["output"] == {"_id": f"{identity(1)}:000000000007", **one._asdict()}
    assert found["executions"]["_id"] == identity(1)
    assert found["executions"]["queued_at"] == START + timedelta(seconds=1)
    assert set(found["executions"]) == {"_id", *document(1), *DERIVED} - {"id"}
    assert found["jobs"] == {"_id": "p/z", "n": 1}
    assert found["status"] == {"_id": "catalog"}
    assert found["definitions"] == {
        "_id": "d", "job": "p/job", "document": {}, "file": "jobs.d/job.yaml", "line": 1,
        "seen_at": START + timedelta(milliseconds=1),
    }  # fmt: skip
    assert (found["requests"].get("id"), found["requests"]["_id"], found["requests"]["at"]) == (None, "a", START)


def test_what_was_dumped_is_the_same_after_loading_byte_for_byte(stores: Stores, fresh: Fresh) -> None:
    store = stores()
    fill(store)
    dumped = dumps(store)
    with fresh() as other:
        assert load(other, dumped) == {collection: len(documents) for collection, documents in dumped.items()}
        assert dumps(other) == dumped


def test_a_loaded_store_shows_what_the_dumped_one_showed(stores: Stores, fresh: Fresh) -> None:
    store = stores()
    fill(store)
    with fresh() as other:
        load(other, dumps(store))
        assert everything(other) == everything(store)
        failed = ExecutionFilter(project="p", states=frozenset({State.FAILED}), triggers=frozenset({"schedule"}))
        assert listed(other, failed) == listed(store, failed) != []


def test_loading_twice_adds_nothing(stores: Stores, fresh: Fresh) -> None:
    store = stores()
    fill(store)
    dumped = dumps(store)
    with fresh() as other:
        load(other, dumped)
        assert load(other, dumped) == dict.fromkeys(COLLECTIONS, 0)
        assert dumps(other) == dumped


def test_loading_leaves_what_is_there(stores: Stores, fresh: Fresh) -> None:
    with fresh() as other:
        other.write(Batch(executions=[document(1, State.RUNNING)], jobs=[{"id": "p/a", "n": 1}]))
        dumped = dumps(other)
    store = stores()
    store.write(Batch(executions=[document(1, State.FAILED)], jobs=[{"id": "p/a", "n": 2}]))
    assert load(store, dumped) == dict.fromkeys(COLLECTIONS, 0)
    assert plain(store.execution(identity(1)))["state"] == "failed"
    assert store.jobs() == [{"id": "p/a", "n": 2}]


def test_the_same_document_twice_in_one_load_is_one(stores: Stores, fresh: Fresh) -> None:
    with fresh() as other:
        fill(other)
        blob = next(iter(other.dump("executions")))
    assert stores().load("executions", [blob, blob]) == 1


def test_a_loaded_execution_goes_on_as_a_written_one_does(stores: Stores, fresh: Fresh) -> None:
    with fresh() as other:
        other.write(Batch(executions=[document(1, State.RUNNING)]))
        dumped = dumps(other)
    store = stores()
    load(store, dumped)
    store.write(Batch(executions=[document(1, State.SUCCEEDED)]))
    assert store.open_executions() == []


def test_an_empty_store_dumps_nothing(stores: Stores) -> None:
    assert dumps(stores()) == {collection: [] for collection in COLLECTIONS}


def test_loading_nothing_adds_nothing(stores: Stores) -> None:
    assert [stores().load(collection, []) for collection in COLLECTIONS] == [0] * len(COLLECTIONS)


INSTANT = datetime(2026, 1, 1, tzinfo=UTC)
EXECUTION = {
    "_id": identity(1), "job": "p/job", "project": "p", "state": "failed", "trigger": "manual", "queued_at": INSTANT
}  # fmt: skip
BLOCK = {"_id": f"{identity(1)}:000000000001", **block(identity(1), 1)._asdict()}
FOREIGN = [
    ("jobs", b""),
    ("jobs", b"no bson at all"),
    ("jobs", bson.encode({"_id": "p/a"})[:-1]),
    ("jobs", bson.encode({"_id": "p/a"}) + b"\0"),
    ("jobs", bson.encode({"id": "p/a"})),
    ("jobs", bson.encode({"_id": 1})),
    ("status", bson.encode({"name": "scheduler"})),
    ("requests", bson.encode({"_id": "a", "state": "pending", "at": "2026-01-01T00:00:00.000Z"})),
    ("executions", bson.encode(EXECUTION | {"_id": "../../etc"})),
    ("executions", bson.encode(EXECUTION | {"state": "happy"})),
    ("executions", bson.encode(EXECUTION | {"queued_at": "2026-01-01T00:00:00.000Z"})),
    ("executions", bson.encode(EXECUTION | {"project": "q"})),
    ("executions", bson.encode({name: value for name, value in EXECUTION.items() if name != "job"})),
    ("output", bson.encode(BLOCK | {"data": "text"})),
    ("output", bson.encode(BLOCK | {"first": 2})),
    ("output", bson.encode(BLOCK | {"_id": "no id:000000000001", "execution": "no id"})),
    ("output", bson.encode(EXECUTION)),
    ("definitions", bson.encode({"_id": "d", "job": "p/job", "seen_at": "2026-01-01T00:00:00.000Z"})),
    ("definitions", bson.encode({"_id": "d", "seen_at": INSTANT})),
]


@pytest.mark.parametrize(("collection", "blob"), FOREIGN)
def test_bytes_that_are_no_such_document_are_refused_and_nothing_of_the_call_is_stored(
    stores: Stores, fresh: Fresh, collection: str, blob: bytes
) -> None:
    with fresh() as other:
        fill(other)
        good = list(other.dump(collection))
    store = stores()
    with pytest.raises(Refused, match=f"no document of {collection}"):
        store.load(collection, [*good, blob])
    assert list(store.dump(collection)) == []


def test_a_dump_neither_misses_nor_repeats_what_was_there_while_others_write(stores: Stores) -> None:
    store, writer = stores(), stores()
    store.write(Batch(executions=MANY))
    seen = store.dump("executions")
    keys = [key(next(seen))]
    writer.write(Batch(executions=[document(number, State.SUCCEEDED) for number in range(1000, 1010)]))
    store.write(Batch(executions=[document(1010)]))
    keys += [key(blob) for blob in seen]
    assert len(keys) == len(set(keys))
    assert set(keys) >= {one["id"] for one in MANY}
