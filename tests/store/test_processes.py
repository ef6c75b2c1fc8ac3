from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.processes import *  # noqa: F403 - the whole suite runs here
from tests.support.servers import NAMES, Server, opened


@pytest.fixture(scope="module", params=NAMES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with opened(request.param, tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def address(server: Server) -> str:
    return server.database()
