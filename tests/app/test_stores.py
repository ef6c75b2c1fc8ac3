from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.mongo import MongoServer
from tests.support.waiting import until
from windmill.app.home import Home
from windmill.app.stores import Stores
from windmill.core.errors import Refused, Unavailable
from windmill.core.ports import Batch
from windmill.store.mongo_schema import Connection


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with MongoServer(tmp_path_factory.mktemp("server")) as server:
        yield server


def home_of(directory: Path, uri: str) -> Home:
    (directory / "windmill.toml").write_text(f'[store]\nuri = "{uri}"\n' if uri else "")
    return Home(directory, {})


def driver_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("pymongo"))


def test_what_one_thread_writes_the_stores_of_others_find_on_one_connection(
    tmp_path: Path, server: MongoServer
) -> None:
    found: list[object] = []
    with closing(Stores(home_of(tmp_path, server.uri("together")))) as stores:
        with closing(stores.open(False)) as writer:
            writer.write(Batch(jobs=[{"id": "p/a"}]))
        with closing(stores.open(True)) as reader:
            reader.jobs()
        before = driver_threads()

        def read() -> None:
            with closing(stores.open(True)) as reader:
                found.append(reader.job("p/a"))

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [{"id": "p/a"}] * 8
        assert driver_threads() == before
    until(lambda: not driver_threads(), what="the connection is gone")


def test_a_store_that_is_closed_leaves_the_others_theirs(tmp_path: Path, server: MongoServer) -> None:
    with closing(Stores(home_of(tmp_path, server.uri("apart")))) as stores:
        first, second = stores.open(False), stores.open(True)
        first.close()
        assert second.jobs() == []


def test_indexes_are_made_once_for_all_who_write(server: MongoServer) -> None:
    with closing(Connection(server.uri("once"))) as connection:
        connection.prepare(readonly=False)
        connection.database["requests"].drop_index("by_time")
        connection.prepare(readonly=False)
        assert "by_time" not in connection.database["requests"].index_information()


def test_settings_that_name_another_database_count_for_who_comes_next(tmp_path: Path, server: MongoServer) -> None:
    with closing(Stores(home_of(tmp_path, server.uri("first")))) as stores:
        with closing(stores.open(False)) as writer:
            writer.write(Batch(jobs=[{"id": "p/a"}]))
        home_of(tmp_path, server.uri("second"))
        with closing(stores.open(False)) as other:
            assert other.jobs() == []


def test_a_newer_store_is_refused_to_everybody_and_the_connection_stays(tmp_path: Path, server: MongoServer) -> None:
    with closing(Stores(home_of(tmp_path, server.uri("newer")))) as stores:
        with closing(stores.open(False)):
            pass
        with closing(Connection(server.uri("newer"))) as beside:
            beside.database["meta"].update_one({"_id": "schema"}, {"$set": {"version": 999}})
            for readonly in (True, False):
                with pytest.raises(Refused, match="newer WindMill"):
                    stores.open(readonly)
            beside.database["meta"].update_one({"_id": "schema"}, {"$set": {"version": 3}})
        with closing(stores.open(True)) as reader:
            assert reader.jobs() == []


def test_a_file_is_opened_for_each_who_asks(tmp_path: Path) -> None:
    with closing(Stores(home_of(tmp_path, ""))) as stores:
        first, second = stores.open(False), stores.open(True)
        first.write(Batch(jobs=[{"id": "p/a"}]))
        first.close()
        assert second.job("p/a") == {"id": "p/a"}
        second.close()
        with pytest.raises(Unavailable):
            second.jobs()
