"""How much a MongoDB server reads for an answer.

A server that can be believed says how many documents it examined. SecantusDB reads everything that matches whatever
the limit is, and its `explain` repeats the number of matching documents: what is sent to it is judged by MongoDB's
rules about indexes instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.contracts.plans import QUESTIONS, sizes
from tests.support.commands import Command, examined, indexes_of, reads_more, sent
from tests.support.population import OPEN, load
from tests.support.servers import NAMES, Server, client, opened
from windmill.store.mongo import MongoStore

_MORE = 10  # documents beyond those in the answer


@pytest.fixture(scope="module", params=[name for name in NAMES if name != "sqlite"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with opened(request.param, tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="module")
def few(server: Server) -> str:
    return filled(server, 500)


@pytest.fixture(scope="module", params=sizes)
def many(request: pytest.FixtureRequest, server: Server) -> str:
    if server.title().startswith("SecantusDB"):
        pytest.skip("SecantusDB does not say what it reads")
    return filled(server, request.param)


def filled(server: Server, number: int) -> str:
    address = server.database()
    with closing(MongoStore(address)) as store:
        load(store, number)
    return address


def commands(uri: str, name: str) -> list[Command]:
    """Return the searches the store sends to answer the question."""
    with closing(MongoStore(uri)) as store, sent() as searches:
        QUESTIONS[name](store)
    assert searches
    return searches


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_index_leads_to_what_is_shown_and_to_nothing_else(few: str, name: str) -> None:
    with client(few) as beside:
        database = beside.get_default_database()
        told = [reads_more(one, indexes_of(database[one[next(iter(one))]])) for one in commands(few, name)]
    assert [complaint for complaint in told if complaint] == []


def test_the_server_examines_no_more_documents_than_it_shows(many: str) -> None:
    with client(many) as beside:
        database = beside.get_default_database()
        told = {(name, examined(database, one)) for name in QUESTIONS for one in commands(many, name)}
    if any(one is None for _, one in told):
        pytest.skip("the server does not say what it reads")
    assert [(name, one) for name, one in told if one is not None and one.documents > one.shown + _MORE] == []


def test_what_a_server_says_that_it_examined_is_read(few: str) -> None:
    with client(few) as beside:
        told = [examined(beside.get_default_database(), one) for one in commands(few, "open")]
    assert [one and (one.documents, one.shown) for one in told] in ([(OPEN, OPEN)], [None])
