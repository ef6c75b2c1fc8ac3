"""How a MongoDB is reached, and what is said when it is not."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.executions import document, identity
from tests.support.mongo import HOST, MongoServer, free_port
from tests.support.proxy import Proxy
from tests.support.servers import client
from windmill.core.errors import Refused, Unavailable, WindmillError
from windmill.core.model import State
from windmill.core.ports import Batch, OutputBlock
from windmill.store.mongo import MongoStore
from windmill.store.mongo_schema import Connection
from windmill.store.version import VERSION

PASSWORD = "gr8secret"
PATIENCE = 20  # seconds; pymongo's own is 30, ours is 2, and machines are slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with MongoServer(tmp_path_factory.mktemp("mongo")) as started:
        yield started


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server((HOST, 0)) as listening:
        yield listening.getsockname()[1]


def told(error: BaseException | None) -> str:
    """Return everything that could be shown of an error and of what led to it."""
    text = ""
    while error is not None:
        text += f"{error} {error!r}\n"
        error = error.__cause__
    return text


def refusal(uri: str) -> WindmillError:
    with pytest.raises(WindmillError) as raised:
        MongoStore(uri)
    return raised.value


# Away


def test_a_port_where_nothing_listens_is_said_with_the_place() -> None:
    port = free_port()
    error = refusal(f"mongodb://{HOST}:{port}/windmill")
    assert isinstance(error, Unavailable)
    assert error.message == f"nothing listens where the store should be (mongodb://{HOST}:{port}/windmill)"


def test_a_host_that_does_not_exist_is_said() -> None:
    assert "host name is not known" in str(refusal("mongodb://nobody.invalid/windmill"))


def test_a_wrong_password_is_said(server: MongoServer) -> None:
    error = refusal(f"mongodb://me:{PASSWORD}@{HOST}:{server.port}/windmill")
    assert isinstance(error, Unavailable)
    assert "does not accept the user or the password" in str(error)


def test_a_server_without_tls_is_said(server: MongoServer) -> None:
    error = refusal(f"mongodb://{HOST}:{server.port}/windmill?tls=true")
    assert isinstance(error, Unavailable)
    assert "no TLS connection" in str(error)


def test_a_set_without_a_primary_is_said(server: MongoServer) -> None:
    assert "no primary" in str(refusal(f"mongodb://{HOST}:{server.port}/windmill?replicaSet=other"))


def test_who_never_answers_is_not_waited_for_much_longer_than_two_seconds(silent: int) -> None:
    begun = time.monotonic()
    assert isinstance(refusal(f"mongodb://{HOST}:{silent}/windmill"), Unavailable)
    assert time.monotonic() - begun < PATIENCE


def test_a_frozen_server_is_not_waited_for_either(tmp_path: Path) -> None:
    with MongoServer(tmp_path) as frozen, closing(MongoStore(frozen.uri())) as store:
        frozen.freeze()
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="did not answer in time"):
            store.jobs()
        store.close()
        assert time.monotonic() - begun < PATIENCE


def test_a_store_is_there_again_when_its_server_is(tmp_path: Path) -> None:
    with MongoServer(tmp_path) as server, closing(MongoStore(server.uri())) as store:
        store.write(Batch(status={"catalog": {"problems": []}}))
        server.kill()
        with pytest.raises(Unavailable):
            store.status("catalog")
        server.start()
        assert store.status("catalog") == {"problems": []}


def test_what_is_large_has_the_time_it_takes_on_a_slow_network(server: MongoServer) -> None:
    block = OutputBlock(identity(1), 1, 1, 1, 0, bytes(300 << 10))
    with Proxy(server.port) as proxy, closing(MongoStore(f"{proxy.uri('slow')}?timeoutMS=1000")) as store:
        proxy.throttle(100 << 10)
        store.write(Batch(output=[block, block._replace(first=2, last=2)], executions=[document(1)]))
        assert store.last_sequence(identity(1)) == 2


def test_what_is_small_is_given_up_soon_when_nobody_answers(server: MongoServer) -> None:
    with Proxy(server.port) as proxy, closing(MongoStore(proxy.uri("mute"))) as store:
        proxy.swallow()
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            store.write(Batch(executions=[document(1)]))
        assert time.monotonic() - begun < PATIENCE


# The URI

INVALID = [
    f"mongodb://me:{PASSWORD}@",
    f"mongodb://me:{PASSWORD}/x@h/windmill",
    f"mongodb://me:{PASSWORD}?x@h/windmill",
    f"mongodb://me:1?{PASSWORD}@h/windmill",
    f"mongodb://me:@{PASSWORD}@h:port/windmill",
    f"mongodb://me:{PASSWORD}@h/windmill?tls=perhaps",
    f"mongodb://me:{PASSWORD}@h/windmill?ssk=true",
    f"mongodb://me:{PASSWORD}@h/windmill?tlsCAFile=/nowhere/ca.pem",
    f"mongodb+srv://me:{PASSWORD}@h:27017/windmill",
    f"mongodb://me:{PASSWORD}@h/wind mill",
]


@pytest.mark.parametrize("uri", INVALID)
def test_a_uri_that_is_not_valid_is_refused_without_any_of_it(uri: str) -> None:
    error = refusal(uri)
    assert isinstance(error, Refused)
    assert "is not valid" in error.message
    assert PASSWORD not in told(error)
    assert error.__suppress_context__


@pytest.mark.parametrize("options", ["", "?tls=true", "?directConnection=true"])
def test_the_password_is_in_no_error_and_no_repr(server: MongoServer, silent: int, options: str) -> None:
    for port in (server.port, silent, free_port()):
        uri = f"mongodb://me:{PASSWORD}@{HOST}:{port}/windmill{options}"
        assert PASSWORD not in told(refusal(uri))
        with closing(Connection(uri)) as connection:
            assert PASSWORD not in f"{connection!r} {connection.place} {connection.database!r}"


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("mongodb://h", "mongodb://h/windmill"),
        ("mongodb://h:1,[::1]:2/?w=1", "mongodb://h:1,[::1]:2/windmill"),
        ("mongodb://me:p%40ss@h/own?authSource=admin", "mongodb://h/own"),
        ("mongodb+srv://me:p%2Fss@cluster.example.com/own", "mongodb+srv://cluster.example.com/own"),
    ],
)
def test_a_place_is_hosts_and_database(uri: str, place: str) -> None:
    with closing(Connection(uri)) as connection:
        assert connection.place == place


def test_writes_wait_for_the_disks_of_a_majority_unless_the_uri_says_otherwise() -> None:
    with closing(Connection("mongodb://h")) as usual, closing(Connection("mongodb://h/?w=2&journal=false")) as own:
        assert usual.client.write_concern.document == {"w": "majority", "j": True}
        assert own.client.write_concern.document == {"w": 2, "j": False}


def test_the_uri_may_give_a_slow_server_more_time() -> None:
    with closing(Connection("mongodb://h")) as usual, closing(Connection("mongodb://h/?timeoutms=9000")) as own:
        assert (usual.client.options.timeout, own.client.options.timeout) == (2.0, 9.0)


# What is there


def test_a_reader_writes_nothing(server: MongoServer) -> None:
    with closing(MongoStore(server.uri("untouched"), readonly=True)) as store:
        assert store.jobs() == []
        assert store.open_executions() == []
    with client(server.uri()) as beside:
        assert "untouched" not in beside.list_database_names()


def test_a_database_of_a_newer_windmill_is_refused_in_words(server: MongoServer) -> None:
    MongoStore(server.uri("newer")).close()
    with client(server.uri()) as beside:
        beside["newer"]["meta"].update_one({"_id": "schema"}, {"$set": {"version": VERSION + 1}})
    for readonly in (True, False):
        with pytest.raises(Refused, match="written by a newer WindMill: schema"):
            MongoStore(server.uri("newer"), readonly=readonly)


def test_indexes_that_were_lost_are_made_again(server: MongoServer) -> None:
    MongoStore(server.uri("restored")).close()
    with client(server.uri()) as beside:
        executions = beside["restored"]["executions"]
        before = executions.index_information()
        executions.drop_indexes()
        MongoStore(server.uri("restored")).close()
        assert executions.index_information() == before


def test_indexes_of_an_older_version_are_replaced_by_those_of_now(server: MongoServer) -> None:
    MongoStore(server.uri("older")).close()
    with client(server.uri()) as beside:
        executions, meta = beside["older"]["executions"], beside["older"]["meta"]
        before = executions.index_information()
        executions.drop_index("by_time")
        executions.create_index([("queued_at", 1), ("_id", 1), ("trigger", 1)], name="by_time")
        meta.update_one({"_id": "schema"}, {"$set": {"version": 2}})
        MongoStore(server.uri("older")).close()
        assert executions.index_information() == before
        assert meta.find_one() == {"_id": "schema", "version": VERSION}


@pytest.mark.parametrize("size", [16 << 20, 17 << 20, 48 << 20])
def test_a_document_that_is_too_large_is_refused_and_others_are_not(server: MongoServer, size: int) -> None:
    large = document(1, State.SUCCEEDED, params={"text": "x" * size})
    with closing(MongoStore(server.uri("large"))) as store:
        with pytest.raises(Refused, match="larger than"):
            store.write(Batch(executions=[large]))
        store.write(Batch(executions=[document(2)]))
        assert [one["id"] for one in store.open_executions()] == []
        assert store.execution(document(2)["id"]) is not None
