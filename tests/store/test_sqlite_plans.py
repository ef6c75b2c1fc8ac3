"""How much SQLite does for an answer, in the steps of its virtual machine; reading one row takes about ten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from tests.contracts.plans import COUNTED_ON_ENTRIES, NAMED, QUESTIONS, TRIED_ON_ENTRIES, Question, shown, sizes
from tests.support.population import JOBS, executions, load
from windmill.core.ports import ExecutionFilter
from windmill.store.listing import LOOKED_THROUGH
from windmill.store.sqlite import SqliteStore

_STEPS_OF_ONE = 150  # what is shown at most: it is found, merged with others, and fetched
_STEPS_OF_AN_ENTRY = 20  # of an index, that is counted, then tried and passed over
_STEPS_OF_A_NAME = 40  # of a job
_STEPS = 2000  # whatever is shown


@pytest.fixture(scope="module", params=sizes)
def size(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def store(size: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path_factory.mktemp("many") / "windmill.db")) as filled:
        load(filled, size)
        yield filled


def steps(store: SqliteStore, question: Question) -> tuple[int, int]:
    """Return how many steps the answer takes, and how many things it holds."""
    counter = count()
    store._connection.set_progress_handler(lambda: next(counter) < 0, 1)
    try:
        answer = question(store)
    finally:
        store._connection.set_progress_handler(None, 1)
    return next(counter), shown(answer)


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_takes_the_steps_of_what_it_shows(store: SqliteStore, size: int, name: str) -> None:
    taken, number = steps(store, QUESTIONS[name])
    tried = min(size, 2 * LOOKED_THROUGH) if name in TRIED_ON_ENTRIES else COUNTED_ON_ENTRIES.get(name, 0)
    named = 2 * JOBS if name in NAMED else 0  # each of two pages does this
    assert taken <= _STEPS + _STEPS_OF_ONE * number + _STEPS_OF_AN_ENTRY * tried + _STEPS_OF_A_NAME * named


@pytest.mark.parametrize("triggers", [frozenset({"retry"}), frozenset({"manual"})])
def test_a_search_that_must_try_too_many_entries_says_how_far_it_came_and_goes_on(
    store: SqliteStore, size: int, triggers: frozenset[str]
) -> None:
    wanted = ExecutionFilter(triggers=triggers)
    pages = [store.executions(wanted, limit=30)]
    while pages[-1].next is not None:
        pages.append(store.executions(wanted, limit=30, cursor=pages[-1].next))
    stops = [page.looked_until for page in pages if page.looked_until is not None]
    whole = [one["id"] for one in executions(size) if one["trigger"] in triggers]
    assert [one["id"] for page in pages for one in page.items] == whole[::-1]
    assert len(stops) == (size - 1) // LOOKED_THROUGH
    assert stops == sorted(stops, reverse=True)
