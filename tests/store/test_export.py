from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import bson
import pytest

from tests.contracts.store import block, dumps, everything, fill
from tests.support.executions import document, identity
from tests.support.mongo import MongoServer
from tests.support.stores import open_store
from windmill.core.errors import NotFound, Refused, Unavailable
from windmill.core.ports import COLLECTIONS, Batch, Store
from windmill.store.export import export
from windmill.store.restore import LARGEST, restore
from windmill.store.sqlite import SqliteStore
from windmill.store.version import VERSION

FILES = {f"{name}.{kind}" for name in (*COLLECTIONS, "meta") for kind in ("bson", "metadata.json")}

Opening = Callable[[str], Store]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store that holds odd things."""
    with closing(SqliteStore(tmp_path / "odd.db")) as opened:
        fill(opened)
        yield opened


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "empty.db")) as opened:
        yield opened


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


# Files


@pytest.mark.parametrize(("packed", "ending"), [(False, ""), (True, ".gz")])
def test_a_dump_has_the_files_of_mongodump_for_every_collection(
    store: SqliteStore, tmp_path: Path, packed: bool, ending: str
) -> None:
    export(store, tmp_path / "dump", database="windmill", packed=packed)
    assert names(tmp_path / "dump") == {"windmill"}
    assert names(tmp_path / "dump" / "windmill") == {name + ending for name in FILES}


def test_a_dump_is_for_its_owner_alone_whatever_the_umask(store: SqliteStore, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        export(store, tmp_path / "dump", database="windmill")
    finally:
        os.umask(before)
    modes = {
        path.is_dir(): path.stat().st_mode & 0o777 for path in [tmp_path / "dump", *(tmp_path / "dump").rglob("*")]
    }
    assert modes == {True: 0o700, False: 0o600}


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_holds_the_documents_of_a_collection_one_after_the_other(
    store: SqliteStore, tmp_path: Path, packed: bool
) -> None:
    counts = export(store, tmp_path / "dump", database="windmill", packed=packed)
    for name, documents in dumps(store).items():
        content = (tmp_path / "dump" / "windmill" / f"{name}.bson{'.gz' if packed else ''}").read_bytes()
        assert (gzip.decompress(content) if packed else content) == b"".join(documents)
        assert counts[name] == len(documents)


def test_metadata_names_the_collection_and_the_index_that_every_collection_has(
    store: SqliteStore, tmp_path: Path
) -> None:
    export(store, tmp_path / "dump", database="windmill")
    # as in mongorestore/testdata/coll_without_index/test/foo.metadata.json of github.com/mongodb/mongo-tools
    assert json.loads((tmp_path / "dump" / "windmill" / "jobs.metadata.json").read_bytes()) == {
        "indexes": [{"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}}, "name": "_id_"}],
        "collectionName": "jobs",
        "type": "collection",
    }


def test_a_dump_carries_the_version_of_its_data(store: SqliteStore, tmp_path: Path) -> None:
    export(store, tmp_path / "dump", database="windmill")
    meta = (tmp_path / "dump" / "windmill" / "meta.bson").read_bytes()
    assert bson.decode_all(meta) == [{"_id": "schema", "version": VERSION}]


def test_an_empty_directory_is_taken_and_one_that_is_not_is_refused(store: SqliteStore, tmp_path: Path) -> None:
    directory = tmp_path / "dump"
    directory.mkdir()
    export(store, directory, database="one")
    with pytest.raises(Refused, match="is not empty"):
        export(store, directory, database="two")
    assert names(directory) == {"one"}


def test_a_dump_that_fails_leaves_nothing_behind(store: SqliteStore, tmp_path: Path) -> None:
    store.write(Batch(output=[block(identity(1), 2000, b"x" * 200_000)]))
    store.close()
    file = tmp_path / "odd.db"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2 :] = b"\xa5" * (len(damaged) - len(damaged) // 2)
    file.write_bytes(damaged)
    (tmp_path / "mine").mkdir()
    with closing(SqliteStore(file, readonly=True)) as broken:
        for directory in (tmp_path / "dump", tmp_path / "mine"):
            with pytest.raises(Unavailable, match="damaged"):
                export(broken, directory, database="windmill")
    assert not (tmp_path / "dump").exists()
    assert names(tmp_path / "mine") == set()


# There and back


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with MongoServer(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opening]:
    """Opens an empty store of the kind that is named."""
    with ExitStack() as stores:

        def opening(kind: str) -> Store:
            number = len(list(tmp_path.iterdir()))
            address = str(tmp_path / f"{number}-{kind}")
            if kind == "mongodb":
                Path(address).touch()
                server: MongoServer = request.getfixturevalue("server")
                address = server.uri(f"{tmp_path.name[-30:]}-{number}")
            return stores.enter_context(closing(open_store(address)))

        yield opening


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "way", [("sqlite", "sqlite"), ("sqlite", "mongodb", "sqlite"), ("mongodb", "sqlite", "mongodb")], ids="-".join
)
def test_nothing_is_lost_on_the_way(opened: Opening, tmp_path: Path, way: tuple[str, ...], packed: bool) -> None:
    first, *others = (opened(kind) for kind in way)
    fill(first)
    before = first
    for number, after in enumerate(others):
        export(before, tmp_path / f"dump{number}", database="windmill", packed=packed)
        counts = restore(after, tmp_path / f"dump{number}")
        assert {name: (done.read, done.added) for name, done in counts.items()} == {
            name: (len(documents), len(documents)) for name, documents in dumps(first).items()
        }
        assert dumps(after) == dumps(first)
        assert everything(after) == everything(first)
        before = after


# Restoring


def test_the_directory_of_the_database_is_a_dump_too(store: SqliteStore, empty: SqliteStore, tmp_path: Path) -> None:
    export(store, tmp_path / "dump", database="windmill")
    restore(empty, tmp_path / "dump" / "windmill")
    assert dumps(empty) == dumps(store)


@pytest.mark.parametrize("packed", [False, True])
def test_a_dump_of_mongodump_is_read(store: SqliteStore, empty: SqliteStore, tmp_path: Path, packed: bool) -> None:
    """It holds other databases, files that say more than ours, and none for a collection that was never written."""
    dump, ending = tmp_path / "dump", ".gz" if packed else ""
    export(store, dump, database="teams-jobs", packed=packed)
    (dump / "teams-jobs" / f"requests.bson{ending}").unlink()
    (dump / "teams-jobs" / f"requests.metadata.json{ending}").unlink()
    (dump / "teams-jobs" / f"executions.metadata.json{ending}").write_bytes(b"anything")
    (dump / "teams-jobs" / f"prelude.json{ending}").write_bytes(b"{}")
    (dump / "admin").mkdir()
    (dump / "admin" / f"system.version.bson{ending}").write_bytes(b"")
    (dump / "oplog.bson").write_bytes(b"")
    assert restore(empty, dump)["requests"] == (0, 0)
    assert dumps(empty) == dumps(store) | {"requests": []}


def test_restoring_again_adds_nothing(store: SqliteStore, empty: SqliteStore, tmp_path: Path) -> None:
    export(store, tmp_path / "dump", database="windmill")
    first, again = restore(empty, tmp_path / "dump"), restore(empty, tmp_path / "dump")
    assert {name: (done.read, 0) for name, done in first.items()} == again


def test_a_restore_that_was_interrupted_is_completed_by_another(
    store: SqliteStore, empty: SqliteStore, tmp_path: Path
) -> None:
    export(store, tmp_path / "dump", database="windmill")
    file = tmp_path / "dump" / "windmill" / "output.bson"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused):
        restore(empty, tmp_path / "dump")
    file.write_bytes(whole)
    assert restore(empty, tmp_path / "dump")["executions"].added == 0
    assert dumps(empty) == dumps(store)


def test_a_directory_without_a_dump_is_said_to_be_one(empty: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no executions\.bson"):
        restore(empty, tmp_path)


def test_a_dump_that_is_not_finished_is_none(store: SqliteStore, empty: SqliteStore, tmp_path: Path) -> None:
    export(store, tmp_path / "dump", database="windmill")
    (tmp_path / "dump" / "windmill").rename(tmp_path / "dump" / ".unfinished")
    with pytest.raises(NotFound):
        restore(empty, tmp_path / "dump")


def test_of_several_dumps_one_must_be_named(store: SqliteStore, empty: SqliteStore, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export(store, tmp_path / f"dump-{name}", database=name)
        (tmp_path / f"dump-{name}" / name).rename(tmp_path / "dump-one" / name)
    with pytest.raises(Refused, match=r"several databases: .*/one, .*/two"):
        restore(empty, tmp_path / "dump-one")


def test_a_dump_of_a_newer_version_is_refused_and_nothing_of_it_stored(
    store: SqliteStore, empty: SqliteStore, tmp_path: Path
) -> None:
    export(store, tmp_path / "dump", database="windmill")
    (tmp_path / "dump" / "windmill" / "meta.bson").write_bytes(bson.encode({"_id": "schema", "version": 999}))
    with pytest.raises(Refused, match="newer WindMill: schema 999"):
        restore(empty, tmp_path / "dump")
    assert set(map(len, dumps(empty).values())) == {0}


# Damage

SECOND = len(bson.encode({"_id": "p/a", "n": 1}))
GOOD = [bson.encode({"_id": name, "n": 1}) for name in ("p/a", "p/b")]
DAMAGES = [
    (GOOD[0] + GOOD[1][:-1], SECOND, "the file ends after 24 of a document's 25 bytes"),
    (GOOD[0] + GOOD[1][:3], SECOND, "cannot be|the file ends"),
    (GOOD[0] + b"\0\0\0\0", SECOND, "a document of 0 bytes cannot be"),
    (GOOD[0] + b"\xff\xff\xff\xff" + GOOD[1], SECOND, "a document of 4294967295 bytes cannot be"),
    (GOOD[0] + (LARGEST + 1).to_bytes(4, "little"), SECOND, "cannot be"),
    (GOOD[0] + GOOD[1].replace(b"_id", b"_ie"), SECOND, "its _id is not text"),
    (GOOD[0] + GOOD[1].replace(b"_id", b"\xff\xff\xff"), SECOND, "no document of jobs"),
    (b"it is all text and no documents", 0, "cannot be"),
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("damage", DAMAGES, ids=[reason for _, _, reason in DAMAGES])
def test_damage_is_named_by_file_and_offset(
    store: SqliteStore, empty: SqliteStore, tmp_path: Path, damage: tuple[bytes, int, str], packed: bool
) -> None:
    content, offset, reason = damage
    export(store, tmp_path / "dump", database="windmill", packed=packed)
    file = tmp_path / "dump" / "windmill" / ("jobs.bson.gz" if packed else "jobs.bson")
    file.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(Refused, match=rf"jobs\.bson.* is damaged at its.* byte {offset}: .*({reason})"):
        restore(empty, tmp_path / "dump")


UNPACKABLE: list[Callable[[bytes], bytes]] = [
    lambda good: good[:-9],
    lambda good: good[:10] + b"\xff" + good[11:],  # no such kind of block
    lambda good: good[:-8] + b"\0" + good[-7:],  # the checksum
    lambda _: b"text",
]


@pytest.mark.parametrize("damage", UNPACKABLE)
def test_a_packed_file_that_cannot_be_unpacked_is_named(
    store: SqliteStore, empty: SqliteStore, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    export(store, tmp_path / "dump", database="windmill", packed=True)
    file = tmp_path / "dump" / "windmill" / "output.bson.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(Refused, match=r"output\.bson\.gz is damaged at its unpacked byte \d+: it cannot be unpacked"):
        restore(empty, tmp_path / "dump")


# Size


class Watched(SqliteStore):
    """Remembers how much each load carried."""

    loads: list[int]

    def load(self, collection: str, documents: Sequence[bytes]) -> int:
        self.loads.append(sum(map(len, documents)))
        return super().load(collection, documents)


def test_memory_and_batches_stay_small_however_large_the_store(tmp_path: Path) -> None:
    with closing(Watched(tmp_path / "large.db")) as large, closing(Watched(tmp_path / "new.db")) as new:
        for number in range(40):
            one = identity(number)
            data = [block(one, first, os.urandom(256 << 10)) for first in (1, 2, 3, 4)]
            large.write(Batch(executions=[document(number)], output=data))
        new.loads = []
        tracemalloc.start()
        try:
            export(large, tmp_path / "dump", database="windmill")
            restore(new, tmp_path / "dump")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (tmp_path / "dump" / "windmill" / "output.bson").stat().st_size > 40 << 20
    assert most < 8 << 20
    assert max(new.loads) <= 1 << 20
