from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import PROGRAM, make_home, remember, windmill
from tests.support.executions import document, identity
from windmill.app.home import Home
from windmill.core.ports import OutputBlock
from windmill.scheduler.lock import HomeLock

COLLECTIONS = ["executions", "output", "jobs", "status", "requests", "definitions"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that has run two executions."""
    made = make_home(tmp_path / "home", {})
    remember(made, executions=[document(1), document(2)])
    return made


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return make_home(tmp_path / "other", {})


def test_export_says_how_many_documents_it_wrote_and_where(home: Path, tmp_path: Path) -> None:
    done = windmill(home, "export", str(tmp_path / "dump"))
    assert done.status == 0
    assert done.out.splitlines() == [f"{name}\t{2 if name == 'executions' else 0}" for name in COLLECTIONS]
    assert done.err == f"2 documents in {tmp_path}/dump/windmill\n"


def test_export_into_a_directory_that_is_not_empty_is_refused(home: Path, tmp_path: Path) -> None:
    done = windmill(home, "export", str(home))
    assert done.status == 1
    assert "is not empty" in done.err


def test_a_disk_that_is_full_is_said_in_words_and_nothing_is_left_of_the_dump(home: Path, tmp_path: Path) -> None:
    blocks = [OutputBlock(identity(1), first, first, 1, 0, b"x" * 50_000) for first in range(1, 20)]
    remember(home, output=blocks)
    limited = ["sh", "-c", 'ulimit -f 500; exec "$@"', "sh", *PROGRAM]  # blocks of 512 bytes for any one file
    command = [*limited, "--home", str(home), "export", str(tmp_path / "dump")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == f"windmill: the dump cannot be written into {tmp_path}/dump: File too large\n"
    assert not (tmp_path / "dump").exists()


def test_export_beside_a_scheduler_says_what_is_left_out(home: Path, tmp_path: Path) -> None:
    with closing(HomeLock(home / ".windmill" / "lock", holder={})):
        done = windmill(home, "export", str(tmp_path / "dump"))
    assert done.status == 0
    assert "a scheduler is running: what it records from now on is not in the dump" in done.err


def test_restore_says_what_it_read_added_and_knew(home: Path, other: Path, tmp_path: Path) -> None:
    windmill(home, "export", "--gzip", str(tmp_path / "dump"))
    remember(other, executions=[document(2)])
    done = windmill(other, "restore", str(tmp_path / "dump"))
    assert done.status == 0
    assert done.out.splitlines()[:2] == ["executions\t2\t1\t1", "output\t0\t0\t0"]
    assert done.err == "1 document added\n"
    assert windmill(other, "ps", "-a").out == windmill(home, "ps", "-a").out


def test_both_speak_json(home: Path, other: Path, tmp_path: Path) -> None:
    exported = windmill(home, "--json", "export", str(tmp_path / "dump")).json
    restored = windmill(other, "--json", "restore", str(tmp_path / "dump")).json
    assert exported[0] == {"collection": "executions", "documents": 2}
    assert restored[0] == {"collection": "executions", "read": 2, "added": 2, "known": 0}


def test_restore_is_refused_while_a_scheduler_holds_the_home_and_names_it(home: Path, tmp_path: Path) -> None:
    windmill(home, "export", str(tmp_path / "dump"))
    holder = {"pid": 4711, "host": "here", "started_at": "2026-01-01T00:00:00.000Z"}
    with closing(HomeLock(home / ".windmill" / "lock", holder=holder)):
        done = windmill(home, "restore", str(tmp_path / "dump"))
    assert done.status == 1
    assert "process 4711 on here" in done.err


def test_restore_lets_the_home_go_again(home: Path, tmp_path: Path) -> None:
    windmill(home, "export", str(tmp_path / "dump"))
    windmill(home, "restore", str(tmp_path / "dump"))
    HomeLock(home / ".windmill" / "lock", holder={}).close()


def test_a_directory_without_a_dump_is_not_found(home: Path) -> None:
    done = windmill(home, "restore", str(home))
    assert done.status == 4
    assert "holds no dump of WindMill" in done.err


def test_a_damaged_dump_is_named_without_a_traceback(home: Path, other: Path, tmp_path: Path) -> None:
    windmill(home, "export", str(tmp_path / "dump"))
    file = tmp_path / "dump" / "windmill" / "executions.bson"
    file.write_bytes(file.read_bytes()[:-1])
    done = windmill(other, "restore", str(tmp_path / "dump"))
    assert done.status == 1
    assert done.err.startswith(f"windmill: {file} is damaged at its byte ")


def test_the_dump_is_named_as_the_database_of_the_uri(home: Path) -> None:
    uri = "mongodb://ann:secret@localhost:1/teams-jobs?authSource=admin"
    assert Home(home, {"WINDMILL_STORE_URI": uri}).database == "teams-jobs"
    assert Home(home, {"WINDMILL_STORE_URI": "mongodb://localhost:1"}).database == "windmill"
    assert Home(home, {}).database == "windmill"
