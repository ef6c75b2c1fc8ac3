from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count

import pymongo
import pytest

from tests.contracts.store import *  # noqa: F403 - the whole suite runs here
from tests.contracts.store import Fresh, Stores
from tests.support.mongo import MongoServer
from windmill.core.documents import Document
from windmill.core.ports import Store
from windmill.store.mongo import MongoStore

ELSEWHERE = os.environ.get("WINDMILL_TEST_MONGO_URI")
NUMBERS = count()


@pytest.fixture(scope="session", params=["secantus", *(["elsewhere"] if ELSEWHERE else [])])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a server, without a database."""
    if request.param == "elsewhere":
        yield str(ELSEWHERE)
        return
    with MongoServer(tmp_path_factory.mktemp("mongo")) as started:
        yield started.uri("")


@contextmanager
def database(server: str) -> Iterator[str]:
    """The URI of an empty database on the server, which goes again."""
    name = f"windmill-test-{os.getpid()}-{next(NUMBERS)}"
    start, mark, options = server.partition("?")
    yield f"{start.rstrip('/')}/{name}{mark}{options}"
    client: pymongo.MongoClient[Document] = pymongo.MongoClient(server)
    with closing(client):
        client.drop_database(name)


@pytest.fixture
def uri(server: str) -> Iterator[str]:
    with database(server) as named:
        yield named


@pytest.fixture
def stores(uri: str) -> Iterator[Stores]:
    with ExitStack() as opened:

        def connect(*, readonly: bool = False) -> Store:
            return opened.enter_context(closing(MongoStore(uri, readonly=readonly)))

        yield connect


@pytest.fixture(scope="module")
def fresh(server: str) -> Fresh:
    @contextmanager
    def empty() -> Iterator[Store]:
        with database(server) as named, closing(MongoStore(named)) as store:
            yield store

    return empty
