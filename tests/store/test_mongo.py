from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from tests.contracts.store import *  # noqa: F403 - the whole suite runs here
from tests.contracts.store import Fresh, Stores
from tests.support.servers import NAMES, Server, client, opened
from windmill.core.ports import Store
from windmill.store.mongo import MongoStore


@pytest.fixture(scope="session", params=[name for name in NAMES if name != "sqlite"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with opened(request.param, tmp_path_factory.mktemp("server")) as server:
        yield server


@contextmanager
def database(server: Server) -> Iterator[str]:
    """An empty database, dropped at once: hundreds of them would make the server slow."""
    uri = server.database()
    yield uri
    with client(uri) as beside:
        beside.drop_database(beside.get_default_database().name)


@pytest.fixture
def stores(server: Server) -> Iterator[Stores]:
    with database(server) as uri, ExitStack() as opened:

        def connect(*, readonly: bool = False) -> Store:
            return opened.enter_context(closing(MongoStore(uri, readonly=readonly)))

        yield connect


@pytest.fixture(scope="module")
def fresh(server: Server) -> Fresh:
    @contextmanager
    def empty() -> Iterator[Store]:
        with database(server) as uri, closing(MongoStore(uri)) as store:
            yield store

    return empty
