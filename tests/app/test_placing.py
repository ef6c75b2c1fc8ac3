from __future__ import annotations

import hashlib
import os
import threading
from io import BytesIO
from pathlib import Path

import pytest

from windmill.app.placing import digest_in, put
from windmill.core.errors import Refused, Unavailable


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(directory: Path, content: bytes, *, replaces: str = "", name: str = "x.yaml") -> list[tuple[str, str]]:
    """Put the file, and return what was settled."""
    settled: list[tuple[str, str]] = []
    put(directory, name, BytesIO(content), replaces=replaces, settle=lambda *digests: settled.append(digests))
    return settled


def test_a_new_file_is_readable_by_everybody_who_works_on_the_home(tmp_path: Path) -> None:
    os.umask(0o077)
    assert write(tmp_path / "jobs.d", b"new") == [("", sha(b"new"))]
    assert (tmp_path / "jobs.d" / "x.yaml").read_bytes() == b"new"
    assert (tmp_path / "jobs.d" / "x.yaml").stat().st_mode & 0o777 == 0o644


def test_nothing_else_is_left_in_the_directory(tmp_path: Path) -> None:
    write(tmp_path, b"new")
    with pytest.raises(Refused):
        write(tmp_path, b"other")
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]


def test_a_file_is_replaced_by_who_names_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path, b"old")
    assert write(tmp_path, b"new", replaces=sha(b"old")) == [(sha(b"old"), sha(b"new"))]
    assert (tmp_path / "x.yaml").read_bytes() == b"new"


@pytest.mark.parametrize("replaces", ["", sha(b"somebody's"), "0"])
def test_a_file_that_was_not_looked_at_is_not_replaced(tmp_path: Path, replaces: str) -> None:
    write(tmp_path, b"old")
    with pytest.raises(Refused, match=r"x\.yaml (is there already|was changed since)"):
        write(tmp_path, b"new", replaces=replaces)
    assert (tmp_path / "x.yaml").read_bytes() == b"old"


def test_a_file_that_is_gone_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is gone"):
        write(tmp_path, b"new", replaces=sha(b"old"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["elsewhere", "missing"])
def test_a_link_is_not_written_through(tmp_path: Path, target: str) -> None:
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    (tmp_path / "jobs.d").mkdir()
    (tmp_path / "jobs.d" / "x.yaml").symlink_to(tmp_path / target)
    with pytest.raises(Refused, match="is a link"):
        write(tmp_path / "jobs.d", b"new", replaces=sha(b"theirs"))
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert not (tmp_path / "missing").exists()


def test_a_directory_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "jobs.d").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="is a link"):
        write(tmp_path / "jobs.d", b"new")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_pipe_in_its_place_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(Refused, match="no plain file"):
        write(tmp_path, b"new")


def test_nothing_is_written_when_it_cannot_be_recorded(tmp_path: Path) -> None:
    def away(_before: str, _after: str) -> None:
        raise Unavailable("the store is away")

    with pytest.raises(Unavailable, match="store"):
        put(tmp_path, "x.yaml", BytesIO(b"new"), replaces="", settle=away)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_at_the_last_moment_stays(tmp_path: Path) -> None:
    def meanwhile(_before: str, _after: str) -> None:
        (tmp_path / "x.yaml").write_bytes(b"theirs")

    with pytest.raises(Refused, match="appeared meanwhile"):
        put(tmp_path, "x.yaml", BytesIO(b"new"), replaces="", settle=meanwhile)
    assert (tmp_path / "x.yaml").read_bytes() == b"theirs"


def test_a_file_that_changes_at_the_last_moment_stays(tmp_path: Path) -> None:
    write(tmp_path, b"old")

    def meanwhile(_before: str, _after: str) -> None:
        (tmp_path / "x.yaml").write_bytes(b"theirs")

    with pytest.raises(Refused, match="was changed since"):
        put(tmp_path, "x.yaml", BytesIO(b"new"), replaces=sha(b"old"), settle=meanwhile)
    assert (tmp_path / "x.yaml").read_bytes() == b"theirs"


def test_of_many_at_once_who_looked_at_the_same_one_wins(tmp_path: Path) -> None:
    write(tmp_path, b"old")
    won: list[bytes] = []

    def try_to(content: bytes) -> None:
        try:
            write(tmp_path, content, replaces=sha(b"old"))
        except Refused:
            return
        won.append(content)

    threads = [threading.Thread(target=try_to, args=(f"new {number}".encode(),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [(tmp_path / "x.yaml").read_bytes()]


def test_who_comes_while_a_file_is_written_waits_and_finds_it_written(tmp_path: Path) -> None:
    refused: list[str] = []

    def second() -> None:
        try:
            write(tmp_path, b"second")
        except Refused as error:
            refused.append(error.message)

    thread = threading.Thread(target=second)

    def meanwhile(_before: str, _after: str) -> None:
        thread.start()
        thread.join(0.5)  # which is as long as it would take, did it not wait

    put(tmp_path, "x.yaml", BytesIO(b"first"), replaces="", settle=meanwhile)
    thread.join()
    assert (tmp_path / "x.yaml").read_bytes() == b"first"
    assert "is there already" in refused[0]


def test_the_digest_of_nothing_is_empty(tmp_path: Path) -> None:
    assert digest_in(tmp_path / "missing", "x") == digest_in(tmp_path, "x") == ""
