"""How far a page looks when a filter must be tried on one entry of an index after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.executions import START, document, identity
from tests.support.mongo import MongoServer
from tests.support.servers import client
from windmill.core.documents import from_text
from windmill.core.ports import Batch, ExecutionFilter
from windmill.store import mongo_listing, sqlite_listing
from windmill.store.listing import Search, page, resolve
from windmill.store.mongo import MongoStore
from windmill.store.sqlite import SqliteStore

Horizon = Callable[[Search], datetime | None]

LOOKED = 7
BATCH = Batch(executions=[document(second, job=f"p/{second % 2}") for second in range(30)])
MANUAL = frozenset({"manual"})


@pytest.fixture(scope="module", params=["sqlite", "mongo"])
def horizon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Horizon]:
    """Return the horizon of a search through LOOKED entries of a store with one execution a second."""
    directory = tmp_path_factory.mktemp("store")
    of_store = {"sqlite": _in_sqlite, "mongo": _in_mongo}[request.param]
    yield from of_store(directory)


def _in_sqlite(directory: Path) -> Iterator[Horizon]:
    with closing(SqliteStore(directory / "windmill.db")) as store:
        store.write(BATCH)
        yield lambda search: sqlite_listing.find_horizon(store._connection, search, entries=LOOKED)


def _in_mongo(directory: Path) -> Iterator[Horizon]:
    with MongoServer(directory / "server") as server, client(server.uri()) as beside:
        with closing(MongoStore(server.uri())) as store:
            store.write(BATCH)
        executions = beside["windmill"]["executions"]
        yield lambda search: mongo_listing.find_horizon(executions, search, entries=LOOKED)


def searched(wanted: ExecutionFilter, cursor: str | None = None) -> Search:
    return resolve(wanted, cursor, lambda: ["p/0", "p/1"])


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@pytest.mark.parametrize(
    "wanted",
    [
        ExecutionFilter(triggers=MANUAL),
        ExecutionFilter(longer_than=timedelta(0)),
        ExecutionFilter(revision="a", project="p"),
        ExecutionFilter(jobs=frozenset(map(str, range(300)))),
    ],
)
def test_a_page_looks_through_so_many_entries(horizon: Horizon, wanted: ExecutionFilter) -> None:
    assert horizon(searched(wanted)) == at(29 - LOOKED)


@pytest.mark.parametrize(
    "wanted",
    [
        ExecutionFilter(),
        ExecutionFilter(project="p"),
        ExecutionFilter(text="1"),
        ExecutionFilter(jobs=frozenset({"p/0", "p/1"})),
    ],
)
def test_a_page_to_which_an_index_leads_looks_no_further_than_it_shows(
    horizon: Horizon, wanted: ExecutionFilter
) -> None:
    assert horizon(searched(wanted)) is None


def test_the_next_page_looks_on_from_where_the_last_one_stopped(horizon: Horizon) -> None:
    wanted, cursor = ExecutionFilter(triggers=MANUAL), None
    stops = []
    while (until := horizon(searched(wanted, cursor))) is not None:
        stops.append(until)
        found = page([], 10, until)
        assert from_text(found.looked_until) == until
        cursor = found.next
    assert stops == [at(22), at(14), at(6)]


def test_a_page_looks_on_from_within_an_instant(horizon: Horizon) -> None:
    cursor = page([document(20), document(19)], 1).next
    assert horizon(searched(ExecutionFilter(triggers=MANUAL), cursor)) in (at(20 - LOOKED), at(19 - LOOKED))


def test_a_page_that_reaches_the_end_of_what_is_wanted_has_no_horizon(horizon: Horizon) -> None:
    assert horizon(searched(ExecutionFilter(triggers=MANUAL, since=at(25)))) is None
    assert horizon(searched(ExecutionFilter(triggers=MANUAL, until=at(5)))) is None


def test_an_execution_named_by_its_id_must_match_everything_else() -> None:
    found = {**document(7), "project": "p", "duration_ms": 1000}
    wanted = ExecutionFilter(text=identity(7), until=at(8), since=at(7), longer_than=timedelta(seconds=1))
    assert searched(wanted).matching([found]) == [found]
    assert searched(ExecutionFilter(text=identity(7), until=at(7))).matching([found]) == []
    assert searched(ExecutionFilter(text=identity(7), triggers=MANUAL)).matching([found]) == []
