from __future__ import annotations

import hashlib
import io
import os
import resource
import stat
import struct
import threading
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windmill.core.errors import Refused, Unavailable
from windmill.projects import archive
from windmill.projects.archive import digest, unpack


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    return target


def zipped(path: Path, files: dict[str, str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return path


def special(path: Path, name: str, mode: int, text: str = "x") -> Path:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("main.py", "x")
        made.writestr(entry, text)
    return path


def refusal(path: Path, target: Path) -> str:
    with pytest.raises(Refused) as caught:
        unpack(path, target)
    return caught.value.message


def names(target: Path) -> set[str]:
    return {str(path.relative_to(target)) for path in target.rglob("*")}


def test_the_digest_is_the_sha256_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(b"abc")
    assert digest(tmp_path / "x.py") == hashlib.sha256(b"abc").hexdigest()


def test_a_single_file_is_copied(tmp_path: Path, target: Path) -> None:
    (tmp_path / "report.py").write_text("print(1)")
    unpack(tmp_path / "report.py", target)
    assert (target / "report.py").read_text() == "print(1)"


def test_what_is_no_file_is_refused(tmp_path: Path, target: Path) -> None:
    os.mkfifo(tmp_path / "report.py")
    assert refusal(tmp_path / "report.py", target) == "report.py is no file"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_laid_out(tmp_path: Path, target: Path, method: int) -> None:
    unpack(zipped(tmp_path / "x.zip", {"main.py": "x", "lib/ç.py": "y"}, method), target)
    assert names(target) == {"main.py", "lib", "lib/ç.py"}


def test_a_zipped_folder_is_laid_out_without_it(tmp_path: Path, target: Path) -> None:
    unpack(zipped(tmp_path / "x.zip", {"reports/": "", "reports/main.py": "x", "reports/lib/y.py": "y"}), target)
    assert names(target) == {"main.py", "lib", "lib/y.py"}


def test_what_a_mac_adds_is_left_out(tmp_path: Path, target: Path) -> None:
    unpack(zipped(tmp_path / "x.zip", {"reports/main.py": "x", "__MACOSX/reports/._main.py": "y"}), target)
    assert names(target) == {"main.py"}


def test_a_file_beside_a_folder_keeps_the_folder(tmp_path: Path, target: Path) -> None:
    unpack(zipped(tmp_path / "x.zip", {"reports/main.py": "x", "README": "y"}), target)
    assert names(target) == {"reports", "reports/main.py", "README"}


def test_an_empty_zip_is_an_empty_project(tmp_path: Path, target: Path) -> None:
    unpack(zipped(tmp_path / "x.zip", {}), target)
    assert names(target) == set()


@pytest.mark.parametrize(("mode", "expected"), [(0o755, 0o700), (0o644, 0o600), (0o6777, 0o700)])
def test_only_the_owner_may_use_the_files(tmp_path: Path, target: Path, mode: int, expected: int) -> None:
    unpack(special(tmp_path / "x.zip", "run.sh", stat.S_IFREG | mode), target)
    assert stat.S_IMODE((target / "run.sh").stat().st_mode) == expected


@pytest.mark.parametrize(
    "name",
    [
        "../evil.py",
        "a/../../evil.py",
        "/etc/evil.py",
        "//evil.py",
        "..\\evil.py",
        "C:\\evil.py",
        "~/evil.py",
        "-evil.py",
        "a//evil.py",
        "./evil.py",
        "a/./evil.py",
        "..",
        "/",
        "a/..",
        "evil\n.py",
        "evil\x1b.py",
        "x" * 300,
        "x/" * 600 + "y",
    ],
)
def test_a_path_with_no_place_in_a_project_is_refused_by_name(tmp_path: Path, target: Path, name: str) -> None:
    message = refusal(zipped(tmp_path / "x.zip", {"main.py": "x", name: "evil"}), target)
    assert f"the entry {name[:200]!r}" in message
    assert names(target) == set()


def test_a_name_with_a_hidden_end_is_refused(tmp_path: Path, target: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"main.py": "x", "evil.py?.txt": "y"})
    path.write_bytes(path.read_bytes().replace(b"evil.py?", b"evil.py\0"))
    assert "control character" in refusal(path, target)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (stat.S_IFLNK, "symbolic link"),
        (stat.S_IFCHR, "device"),
        (stat.S_IFBLK, "device"),
        (stat.S_IFIFO, "device"),
        (stat.S_IFSOCK, "device"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, target: Path, kind: int, word: str) -> None:
    message = refusal(special(tmp_path / "x.zip", "evil", kind | 0o777, "/etc/passwd"), target)
    assert "'evil'" in message
    assert word in message


def test_an_encrypted_entry_is_refused(tmp_path: Path, target: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"secret.py": "x"})
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    path.write_bytes(data)
    assert "'secret.py' is encrypted" in refusal(path, target)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path: Path, target: Path, method: int) -> None:
    assert "other than deflate" in refusal(zipped(tmp_path / "x.zip", {"main.py": "x" * 99}, method), target)


def test_one_name_twice_is_refused(tmp_path: Path, target: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as made:
        made.writestr("main.py", "x")
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("main.py", "y")
    assert "'main.py' is there twice" in refusal(tmp_path / "x.zip", target)


@pytest.mark.parametrize("entries", [["a", "a/b"], ["a/b", "a"], ["a", "a/"], ["a/", "a"], ["a/b/c", "a/b", "d"]])
def test_a_name_is_a_file_or_a_directory(tmp_path: Path, target: Path, entries: list[str]) -> None:
    refusal(zipped(tmp_path / "x.zip", dict.fromkeys(entries, "x")), target)
    assert names(target) == set()


def test_too_many_files_are_refused(tmp_path: Path, target: Path) -> None:
    files = {f"{number}": "" for number in range(archive.MAX_FILES + 1)}
    assert "more than 20,000 files" in refusal(zipped(tmp_path / "x.zip", files), target)
    assert names(target) == set()


def test_a_list_of_entries_without_end_is_not_read(tmp_path: Path, target: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"main.py": "x"})
    data = bytearray(path.read_bytes())
    entry = data[data.index(b"PK\x01\x02") : data.index(b"PK\x05\x06")]
    start, listing = data.index(b"PK\x01\x02"), bytes(entry) * 200_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(listing), start, 0)
    path.write_bytes(bytes(data[:start]) + listing + end)
    assert "list of entries is too long" in refusal(path, target)


def test_a_bomb_is_stopped_by_its_ratio(tmp_path: Path, target: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as made, made.open("bomb", "w") as file:
        for _ in range(100):
            file.write(bytes(1 << 20))
    assert "'bomb'" in refusal(tmp_path / "x.zip", target)
    assert (target / "bomb").stat().st_size <= 64 << 20


def test_a_bomb_that_lies_about_its_size_is_stopped(tmp_path: Path, target: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"bomb": "\0" * 100_000})
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(signature) + place
        data[start : start + 4] = struct.pack("<L", 10)
    path.write_bytes(data)
    refusal(path, target)
    assert (target / "bomb").stat().st_size <= 10


def test_bytes_are_counted_over_all_files(tmp_path: Path, target: Path) -> None:
    path = zipped(tmp_path / "x.zip", {f"{number}": "x" * 300 for number in range(4)}, zipfile.ZIP_STORED)
    with pytest.raises(Refused, match="'3'"):
        archive.unpack(path, target, max_bytes=1000)  # half a gigabyte takes too long


@pytest.mark.parametrize("kept", [0, 10, 60, 0.5, 0.9])
def test_a_file_that_is_half_copied_says_so(tmp_path: Path, target: Path, kept: float) -> None:
    path = zipped(tmp_path / "x.zip", {"main.py": "x" * 500, "b.py": os.urandom(500).hex()})
    data = path.read_bytes()
    path.write_bytes(data[: int(kept if kept > 1 else kept * len(data))])
    with pytest.raises(Refused, match="still being copied"):
        unpack(path, target)


def test_a_damaged_content_is_refused(tmp_path: Path, target: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"main.py": os.urandom(500).hex()})
    data = bytearray(path.read_bytes())
    data[100:110] = bytes(10)
    path.write_bytes(data)
    assert "no whole zip file" in refusal(path, target)


def test_a_file_that_changes_while_it_is_read_is_read_later(tmp_path: Path, target: Path) -> None:
    path = zipped(tmp_path / "x.zip", {f"{number}": "x" for number in range(500)})
    done = threading.Event()

    def touch() -> None:
        while not done.is_set():
            os.utime(path)

    writer = threading.Thread(target=touch)
    writer.start()
    try:
        with pytest.raises(Unavailable, match="changed while it was read"):
            unpack(path, target)
    finally:
        done.set()
        writer.join()


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400), place=st.integers(0, 400))
def test_whatever_the_bytes_it_ends_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, place: int
) -> None:
    directory = tmp_path_factory.mktemp("any")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/main.py", "x" * 50)
        made.writestr("a/b.py", "y" * 50)
    whole = bytearray(buffer.getvalue())
    whole[place : place + min(len(data), 8)] = data[:8]
    (directory / "x.zip").write_bytes(whole)
    (directory / "target").mkdir()
    with suppress(Refused):
        unpack(directory / "x.zip", directory / "target")
    assert {entry.name for entry in directory.iterdir()} == {"x.zip", "target"}


def test_memory_stays_small_whatever_is_unpacked(tmp_path: Path, target: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_STORED) as made, made.open("big", "w") as file:
        for _ in range(60):
            file.write(os.urandom(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unpack(tmp_path / "x.zip", target)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10
