from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import pytest

from tests.contracts.store import *  # noqa: F403 - the whole suite runs here
from tests.contracts.store import Fresh, Stores
from windmill.core.ports import Store
from windmill.store.sqlite import SqliteStore


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    path = tmp_path / "windmill.db"
    with ExitStack() as opened:

        def connect(*, readonly: bool = False) -> Store:
            if readonly and not path.exists():
                SqliteStore(path).close()
            return opened.enter_context(closing(SqliteStore(path, readonly=readonly)))

        yield connect


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    directory = tmp_path_factory.mktemp("stores")
    numbers = count()
    return lambda: closing(SqliteStore(directory / f"{next(numbers)}.db"))
