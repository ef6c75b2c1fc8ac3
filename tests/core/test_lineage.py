from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import NOON, a_job, an_execution
from windmill.core.documents import Document
from windmill.core.lineage import MANY, awaited, followed, followers, lineage, taken
from windmill.core.model import Cause, State, execution_id
from windmill.core.ports import Batch, Store
from windmill.store.sqlite import SqliteStore


def job(key: str, *above: str, when: str = "success") -> Document:
    return a_job(id=key, after=[{"job": one, "when": when} for one in above])


EXTRACT, LOAD, PUBLISH = job("p/extract"), job("p/load", "p/extract"), job("p/publish", "p/load")
CHAIN = [PUBLISH, EXTRACT, LOAD, job("p/other")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(SqliteStore(tmp_path / "windmill.db")) as opened:
        yield opened


def test_a_job_stands_between_those_before_and_those_after() -> None:
    found = lineage("p/load", CHAIN)
    assert (found.levels, found.present, found.more) == ([["p/extract"], ["p/load"], ["p/publish"]], 1, 0)


def test_a_job_by_itself_has_no_chain() -> None:
    assert not lineage("p/other", CHAIN)
    assert not lineage("p/gone", [])


def test_a_job_stands_behind_everything_it_comes_after() -> None:
    jobs = [job("p/a"), job("p/b", "p/a"), job("p/c", "p/a", "p/b"), job("p/d", "p/a", "p/c")]
    assert lineage("p/a", jobs).levels == [["p/a"], ["p/b"], ["p/c"], ["p/d"]]
    assert lineage("p/d", jobs).levels == [["p/a"], ["p/b"], ["p/c"], ["p/d"]]


def test_what_comes_after_nothing_stands_in_the_first_step() -> None:
    jobs = [job("p/a"), job("p/b", "p/a"), job("p/c", "p/b", "p/rates"), job("p/rates")]
    assert lineage("p/c", jobs).levels == [["p/a", "p/rates"], ["p/b"], ["p/c"]]


def test_a_job_that_is_named_and_not_there_has_its_place() -> None:
    assert lineage("p/load", [LOAD]).levels == [["p/extract"], ["p/load"]]


def test_the_nearest_are_named_and_the_others_counted() -> None:
    jobs = [job("p/first"), *(job(f"p/{number:03}", "p/first") for number in range(MANY + 5))]
    found = lineage("p/first", jobs)
    assert (len(list(found.jobs)), found.more) == (MANY + 1, 5)


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.sampled_from("abcd"), max_size=3, unique=True)))
def test_whatever_the_files_say_it_comes_to_an_end_and_names_nobody_twice(graph: dict[str, list[str]]) -> None:
    found = list(lineage("a", [job(key, *above) for key, above in graph.items()]).jobs)
    assert sorted(found) == sorted(set(found))
    assert "a" in found


def test_who_comes_right_after() -> None:
    assert followers("p/extract", CHAIN) == ["p/load"]


def test_an_execution_is_followed_by_what_answered_to_it(store: Store) -> None:
    end = an_execution(job="p/extract")
    direct = execution_id("p/load", cause=Cause.AFTER, what=end["id"])
    later = NOON + timedelta(minutes=1)
    store.write(
        Batch(
            executions=[
                end,
                an_execution(id=direct, job="p/load", trigger=Cause.AFTER, after={"p/extract": end["id"]}),
                an_execution(id="2" * 16, job="p/both", queued_at=later, after={"p/extract": end["id"], "p/b": "x"}),
                an_execution(id="3" * 16, job="p/both", queued_at=later, after={"p/extract": "other", "p/b": "y"}),
            ]
        )
    )
    jobs = [EXTRACT, LOAD, job("p/both", "p/extract", "p/b")]
    assert [one["id"] for one in followed(store, end, jobs)] == ["2" * 16, direct]


def test_nothing_follows_what_has_not_ended(store: Store) -> None:
    assert followed(store, an_execution(state=State.RUNNING, ended_at=None), CHAIN) == []


@pytest.mark.parametrize(
    ("last", "answered", "retried", "waits"),
    [
        (an_execution(id="1" * 16), {}, [], False),
        (an_execution(state=State.RUNNING), {}, [], True),
        (an_execution(state=State.FAILED), {}, ["p/extract"], True),
        (an_execution(id="1" * 16), {"p/extract": "1" * 16}, [], True),
        (an_execution(id="2" * 16), {"p/extract": "1" * 16}, [], False),
    ],
)
def test_what_a_job_waits_for(last: Document, answered: dict[str, str], retried: list[str], waits: bool) -> None:
    assert awaited(LOAD, {"p/extract": last}, answered, retried) == (["p/extract"] if waits else [])


def test_a_job_that_never_ran_is_waited_for() -> None:
    assert awaited(LOAD, {}, {}) == ["p/extract"]


def test_a_start_by_hand_answers_to_nothing(store: Store) -> None:
    answered = {"p/extract": "1" * 16}
    later = NOON + timedelta(minutes=1)
    store.write(
        Batch(
            executions=[
                an_execution(job="p/load", trigger=Cause.AFTER, after=answered),
                an_execution(id="2" * 16, job="p/load", trigger=Cause.MANUAL, slot=None, queued_at=later),
            ]
        )
    )
    assert taken(store, "p/load") == answered
    assert taken(store, "p/extract") == {}


def test_a_success_is_no_failure_to_start_after() -> None:
    assert awaited(job("p/mourn", "p/extract", when="failure"), {"p/extract": an_execution()}, {}) == ["p/extract"]


def test_what_ended_before_the_job_was_there_is_nothing_to_start_after() -> None:
    assert awaited(LOAD | {"first_seen": "2026-01-02T00:00:00.000Z"}, {"p/extract": an_execution()}, {}) == [
        "p/extract"
    ]
