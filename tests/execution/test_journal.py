from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import windmill
from tests.support.waiting import until
from windmill.core.errors import Refused
from windmill.core.ports import Frame, Kind, Position, Stream
from windmill.execution.frames import FRAME_SIZE, PAYLOAD_MAX, SEGMENT_SIZE, encode
from windmill.execution.journal import SCHEDULER, Reader, Writer

EXECUTION = "0123456789abcdef"
STREAM = "runner-1767225600000-7"
START = Position(0, 0)
BOOT_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


def output(sequence: int, payload: bytes = b"line\n") -> Frame:
    return Frame(Kind.OUTPUT, EXECUTION, sequence, Stream.STDOUT, 1767225600000 + sequence, payload)


def record(execution: int, kind: Kind = Kind.RECORD) -> Frame:
    return Frame(kind, f"{execution:016x}", 0, 0, 1, b'{"id": %d}' % execution)


def outputs(numbers: Iterable[int]) -> list[Frame]:
    return [output(number) for number in numbers]


def open_writer(
    directory: Path,
    stream: str = STREAM,
    *,
    boot_id: str = BOOT_ID,
    now_ms: Callable[[], int] = lambda: 5,
    checkpoint: Callable[[], Iterable[Frame]] = tuple,
    segment_size: int = 16 << 20,
) -> Writer:
    return Writer(
        directory,
        stream,
        boot_id=boot_id,
        now_ms=now_ms,
        checkpoint=checkpoint,
        segment_size=segment_size,
        reserve=64 << 10,
    )


@contextmanager
def writing(directory: Path, stream: str = STREAM, **options: object) -> Iterator[Writer]:
    writer = open_writer(directory, stream, **options)  # type: ignore[arg-type]  # options are open_writer's own
    try:
        yield writer
    finally:
        writer.close(settled=False)


def write(directory: Path, *appends: Sequence[Frame], stream: str = STREAM, segment_size: int = 16 << 20) -> None:
    with writing(directory, stream, segment_size=segment_size) as writer:
        for frames in appends:
            writer.append(frames)


def read_all(
    directory: Path, position: Position = START, *, limit: int = 4 << 20, stream: str = STREAM
) -> tuple[list[Frame], Position]:
    reader = Reader(directory)
    found: list[Frame] = []
    while True:
        frames, after = reader.read(stream, position, limit=limit)
        assert after >= position
        position = after
        if not frames:
            return found, position
        found += frames


def segment(directory: Path, number: int = 1) -> Path:
    return directory / STREAM / f"{number:08d}.seg"


# Writing and reading


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    frames = [record(1), output(1), output(2, b""), output(3, bytes(range(256))), record(1, Kind.END)]
    write(tmp_path, frames[:2], [], frames[2:])
    assert read_all(tmp_path)[0] == frames


def test_appended_frames_are_visible_before_they_are_committed(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.append(outputs([1]))
        assert read_all(tmp_path) == (outputs([1]), writer.position)


@pytest.mark.parametrize("limit", [1, FRAME_SIZE, 100, 4096])
def test_however_little_is_read_at_a_time_everything_is_read(tmp_path: Path, limit: int) -> None:
    frames = [output(number, b"x" * (number * 37 % 500)) for number in range(1, 60)]
    write(tmp_path, frames)
    assert read_all(tmp_path, limit=limit)[0] == frames


def test_reading_goes_on_from_a_position(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.append(outputs([1]))
        position = read_all(tmp_path)[1]
        writer.append(outputs([2]))
        assert read_all(tmp_path, position)[0] == outputs([2])


def test_a_payload_over_the_limit_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        with pytest.raises(ValueError, match="at most 1048576 bytes"):
            writer.append([output(1), output(2, bytes(PAYLOAD_MAX + 1))])
        writer.append([output(1, bytes(PAYLOAD_MAX))])
    assert read_all(tmp_path, limit=100)[0] == [output(1, bytes(PAYLOAD_MAX))]


def test_all_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with writing(tmp_path / "journal"):
            paths = [tmp_path / "journal", *(tmp_path / "journal").rglob("*")]
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
    finally:
        os.umask(old)
    folders = {"journal": 0o700, STREAM: 0o700}
    assert modes == folders | dict.fromkeys(("00000001.seg", "lock", "reserve"), 0o600)


def test_a_missing_journal_reads_as_empty(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "journal")
    assert (reader.streams(), reader.size()) == ([], 0)
    assert reader.first(STREAM) == Position(0, 0)
    assert reader.read(STREAM, Position(3, 7)) == ([], Position(3, 7))
    assert (reader.newest(STREAM), reader.boot_id(STREAM)) == ([], "")
    assert not reader.alive(STREAM)
    assert not reader.settled(STREAM)


def test_streams_are_named_the_schedulers_first_then_oldest_first(tmp_path: Path) -> None:
    for stream in ("runner-1767225600001-3", SCHEDULER, "runner-1767225600000-9"):
        write(tmp_path, stream=stream)
    (tmp_path / "stray").touch()
    assert Reader(tmp_path).streams() == [SCHEDULER, "runner-1767225600000-9", "runner-1767225600001-3"]


# Segments


def test_every_segment_begins_with_the_checkpoint(tmp_path: Path) -> None:
    executions = count(1)
    with writing(tmp_path, checkpoint=lambda: [record(next(executions))], segment_size=200) as writer:
        for number in range(1, 10):
            writer.append(outputs([number]))
        assert writer.position.segment > 2
    for number in range(1, writer.position.segment + 1):
        frames, after = Reader(tmp_path).read(STREAM, Position(number, 0))
        assert frames[0] == record(number)
        assert after.segment == number


def test_the_newest_segment_tells_what_is_open(tmp_path: Path) -> None:
    running = [record(1), record(2)]
    with writing(tmp_path, checkpoint=lambda: running, segment_size=300) as writer:
        for number in range(1, 10):
            writer.append(outputs([number]))
        running.pop()
        while writer.position.segment < 5:
            writer.append(outputs([0]))
        writer.append([record(3), output(1), record(3, Kind.END)])
        assert Reader(tmp_path).newest(STREAM) == [record(1), record(3), record(3, Kind.END)]


def test_a_record_that_rotates_stands_behind_the_checkpoint(tmp_path: Path) -> None:
    with writing(tmp_path, checkpoint=lambda: [record(1)], segment_size=1) as writer:
        writer.append([record(2)])
        assert Reader(tmp_path).newest(STREAM) == [record(1), record(2)]


def test_reading_crosses_segments(tmp_path: Path) -> None:
    write(tmp_path, *(outputs([number]) for number in range(1, 50)), segment_size=300)
    assert segment(tmp_path, 5).exists()
    assert read_all(tmp_path)[0] == outputs(range(1, 50))


def test_a_returning_writer_begins_a_new_segment(tmp_path: Path) -> None:
    write(tmp_path, outputs([1]))
    position = read_all(tmp_path)[1]
    write(tmp_path, outputs([2]))
    assert segment(tmp_path, 2).exists()
    assert read_all(tmp_path, position)[0] == outputs([2])


def test_an_unfinished_segment_is_no_segment(tmp_path: Path) -> None:
    write(tmp_path, outputs([1]))
    (tmp_path / STREAM / "segment.tmp").write_bytes(b"half")
    assert read_all(tmp_path)[0] == outputs([1])
    write(tmp_path, outputs([2]))
    assert not (tmp_path / STREAM / "segment.tmp").exists()


def test_an_unreadable_segment_is_passed_over(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path, outputs([number]))
    segment(tmp_path, 2).write_bytes(bytes(1000))
    assert read_all(tmp_path)[0] == outputs([1, 3])


def test_damage_to_any_byte_of_a_header_makes_the_segment_unreadable(tmp_path: Path) -> None:
    write(tmp_path, [record(1)])
    write(tmp_path, [record(2)])
    whole = segment(tmp_path, 2).read_bytes()
    for place in range(SEGMENT_SIZE):
        segment(tmp_path, 2).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert Reader(tmp_path).newest(STREAM) == [record(1)]


@pytest.mark.parametrize(("place", "other"), [(0, b"OTHERFIL"), (8, b"\2\0")])
def test_a_file_of_another_kind_or_version_is_no_segment(tmp_path: Path, place: int, other: bytes) -> None:
    write(tmp_path, [record(1)])
    header = bytearray(segment(tmp_path).read_bytes()[:SEGMENT_SIZE])
    header[place : place + len(other)] = other
    header[-4:] = crc32(header[:-4]).to_bytes(4, "little")
    segment(tmp_path).write_bytes(header + encode([record(1)]))
    assert read_all(tmp_path)[0] == []


def test_an_unreadable_newest_segment_leaves_the_one_before_to_tell_what_is_open(tmp_path: Path) -> None:
    write(tmp_path, [record(1)])
    write(tmp_path, [record(2)])
    segment(tmp_path, 2).write_bytes(b"")
    reader = Reader(tmp_path)
    assert (reader.newest(STREAM), reader.boot_id(STREAM)) == ([record(1)], BOOT_ID)


def test_the_boot_id_is_the_last_writers(tmp_path: Path) -> None:
    write(tmp_path)
    with writing(tmp_path, boot_id="other"):
        assert Reader(tmp_path).boot_id(STREAM) == "other"


def test_the_size_counts_all_segments_of_all_streams(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, outputs([1]))
    write(tmp_path, stream=SCHEDULER)
    assert Reader(tmp_path).size() == 3 * SEGMENT_SIZE + FRAME_SIZE + len(output(1).payload)


# Torn and damaged tails


def test_a_tail_torn_at_any_byte_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, outputs([1, 2]), outputs([3]))
    whole = segment(tmp_path).read_bytes()
    write(tmp_path, outputs([4]))
    for size in range(len(whole) - FRAME_SIZE - len(output(3).payload), len(whole)):
        segment(tmp_path).write_bytes(whole[:size])
        assert read_all(tmp_path)[0] == outputs([1, 2, 4])


def test_damage_to_any_byte_of_a_frame_hides_it(tmp_path: Path) -> None:
    write(tmp_path, outputs([1]), outputs([2]))
    whole = segment(tmp_path).read_bytes()
    write(tmp_path, outputs([3]))
    for place in range(len(whole) - FRAME_SIZE - len(output(2).payload), len(whole)):
        segment(tmp_path).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_all(tmp_path)[0] == outputs([1, 3])


def test_zeros_left_by_a_power_cut_are_no_frames(tmp_path: Path) -> None:
    write(tmp_path, outputs([1]))
    with segment(tmp_path).open("ab") as file:
        file.write(bytes(4096))
    assert read_all(tmp_path)[0] == outputs([1])


def test_an_unfinished_append_of_a_live_writer_is_not_read(tmp_path: Path) -> None:
    torn = encode(outputs([2, 3]))[:-1]
    with writing(tmp_path) as writer:
        writer.append(outputs([1]))
        with segment(tmp_path).open("ab") as file:
            file.write(torn)
        assert read_all(tmp_path) == (outputs([1]), writer.position)


def test_what_is_whole_of_a_dead_writers_unfinished_append_is_read(tmp_path: Path) -> None:
    write(tmp_path, outputs([1]))
    with segment(tmp_path).open("ab") as file:
        file.write(encode(outputs([2, 3]))[:-1])
    assert read_all(tmp_path)[0] == outputs([1, 2])


# Full disks


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writes beyond `size` are short, then fail with EFBIG, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_append_that_does_not_fit_leaves_nothing_and_the_stream_goes_on(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        writer.append(outputs([1]))
        before = writer.position
        with file_size_limit(before.offset + 150), pytest.raises(OSError, match="File too large"):
            writer.append(outputs(range(2, 100)))
        assert (writer.position, segment(tmp_path).stat().st_size) == (before, before.offset)
        writer.append(outputs([2]))
        assert read_all(tmp_path)[0] == outputs([1, 2])


def test_a_segment_that_cannot_be_begun_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    huge = output(0, bytes(PAYLOAD_MAX))
    with writing(tmp_path, checkpoint=lambda: [huge] if segment(tmp_path).exists() else [], segment_size=1) as writer:
        with file_size_limit(PAYLOAD_MAX):
            writer.append(outputs([1]))
        assert writer.position.segment == 1
        writer.append(outputs([2]))
        assert writer.position.segment == 2
    assert read_all(tmp_path)[0] == [output(1), huge, output(2)]


FULL_DISK = """
import errno, os, sys
from pathlib import Path
from windmill.core.ports import Frame, Kind, Position
from windmill.execution.journal import Reader, Writer

clock = [0]
disk = Path(sys.argv[1])
writer = Writer(disk, "s", boot_id="b", now_ms=lambda: clock[0], checkpoint=tuple, reserve=128 << 10)
block = Frame(Kind.OUTPUT, "0" * 16, 1, 1, 0, bytes(64 << 10))
end = Frame(Kind.END, "0" * 16, 0, 0, 0, b"{}" * 2000)
written = 0
def full(frames, **how):
    try:
        writer.append(frames, **how)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "written"
while full([block]) == "written":
    written += 1
# tmpfs gives whole pages: what the last page still takes is used up before the end must find no room
tiny = 0
while full([end]) == "written":
    tiny += 1
reserve = disk / "s" / "reserve"
print("reserve kept", reserve.exists())
print("end refused", full([end]))
print("urgent end", full([end], urgent=True))
print("reserve used", not reserve.exists())
clock[0] += 10_000
writer.commit()
print("reserve still missing", not reserve.exists())
(disk / "ballast").unlink()
clock[0] += 10_000
writer.commit()
print("reserve back", reserve.stat().st_size)
print("goes on", full([block]))
frames, at = [], Position(0, 0)
while (more := Reader(disk).read("s", at))[0]:
    frames += more[0]
    at = more[1]
kinds = [frame.kind for frame in frames]
print("all read", len(frames) - written - tiny - 2 in (0, 1), at == writer.position)
"""


def in_child(*command: str) -> list[str]:
    env = os.environ | {"PYTHONPATH": str(Path(windmill.__file__).parents[1])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def can_mount() -> bool:
    probe = ("unshare", "--map-root-user", "--mount", "true")
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace of its own")
def test_an_end_record_finds_room_on_a_full_disk(tmp_path: Path) -> None:
    script = tmp_path / "full_disk.py"
    script.write_text(FULL_DISK)
    disk = tmp_path / "disk"
    disk.mkdir()
    shell = 'mount -t tmpfs -o size=2m tmpfs "$1" && head -c 1000000 /dev/zero >"$1/ballast" && exec "$2" "$3" "$1"'
    said = in_child(
        "unshare", "--map-root-user", "--mount", "sh", "-c", shell, "sh", str(disk), sys.executable, str(script)
    )
    assert said == [
        "reserve kept True",
        "end refused ENOSPC",
        "urgent end written",
        "reserve used True",
        "reserve still missing True",
        "reserve back 131072",
        "goes on written",
        "all read True True",
    ]


# One writer


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with writing(tmp_path), pytest.raises(Refused, match=f"{STREAM} already has a writer"):
        open_writer(tmp_path)


def test_a_refused_writer_leaves_the_first_undisturbed(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        with pytest.raises(Refused):
            open_writer(tmp_path)
        writer.append(outputs([1]))
        assert Reader(tmp_path).alive(STREAM)
    assert not segment(tmp_path, 2).exists()


def test_asking_whether_a_writer_lives_takes_nothing_from_it(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    write(tmp_path)
    assert not reader.alive(STREAM)
    with writing(tmp_path):
        assert reader.alive(STREAM)
    assert not reader.alive(STREAM)


def test_a_process_started_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    with writing(tmp_path):
        child = subprocess.Popen(["/bin/sleep", "60"], close_fds=False)
    try:  # the kernel lets the parent go on a moment before it has closed what the program must not have
        until(lambda: not Reader(tmp_path).alive(STREAM), what="nobody holds the lock")
    finally:
        child.kill()
        child.wait()


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from windmill.core.ports import Frame, Kind
from windmill.execution.journal import Writer

directory, count = Path(sys.argv[1]), int(sys.argv[2])
mark = Frame(Kind.MARK, "0" * 16, 0, 0, 0, b"{}")
options = dict(boot_id="b", now_ms=lambda: 0, checkpoint=lambda: [mark], segment_size=100_000)
writer = Writer(directory, sys.argv[3], **options)
for number in range(1, count, 3):
    writer.append([Frame(Kind.OUTPUT, "0" * 16, n, 1, 0, bytes(n % 3000)) for n in range(number, number + 3)])
    writer.commit() if number % 30 == 1 else None
writer.close(settled=True)
"""


@contextmanager
def writing_child(directory: Path, frames: int) -> Iterator[subprocess.Popen[bytes]]:
    env = os.environ | {"PYTHONPATH": str(Path(windmill.__file__).parents[1])}
    child = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(directory), str(frames), STREAM], env=env)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def sequences(frames: Iterable[Frame]) -> list[int]:
    return [frame.sequence for frame in frames if frame.kind == Kind.OUTPUT]


def test_a_reader_follows_a_live_writer_and_misses_nothing(tmp_path: Path) -> None:
    reader, position, found = Reader(tmp_path), Position(0, 0), list[int]()
    with writing_child(tmp_path, 3000) as child:
        while child.poll() is None:
            frames, position = reader.read(STREAM, position, limit=50_000)
            found += sequences(frames)
            reader.release(STREAM, position)
    found += sequences(read_all(tmp_path, position)[0])
    assert found == list(range(1, 3001))
    assert child.returncode == 0


@pytest.mark.parametrize("reached", [1, 500, 3000, 9000])
def test_a_writer_killed_at_any_point_leaves_a_readable_stream(tmp_path: Path, reached: int) -> None:
    reader, position, found = Reader(tmp_path), Position(0, 0), list[int]()
    with writing_child(tmp_path, 1_000_000) as child:
        while child.poll() is None and len(found) < reached:
            frames, position = reader.read(STREAM, position)
            found += sequences(frames)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not reader.alive(STREAM)
    found += sequences(read_all(tmp_path, position)[0])
    assert found == list(range(1, len(found) + 1))
    write(tmp_path, outputs([0]))
    assert sequences(read_all(tmp_path)[0]) == [*found, 0]


# Settling and releasing


def test_releasing_deletes_what_lies_before_and_keeps_the_rest(tmp_path: Path) -> None:
    for number in (1, 2, 3, 4):
        write(tmp_path, outputs([number]))
    reader = Reader(tmp_path)
    reader.release(STREAM, Position(3, SEGMENT_SIZE))
    assert reader.first(STREAM) == Position(3, SEGMENT_SIZE)
    assert read_all(tmp_path, Position(1, SEGMENT_SIZE))[0] == outputs([3, 4])


def test_the_newest_segment_always_stays(tmp_path: Path) -> None:
    write(tmp_path, outputs([1]))
    Reader(tmp_path).release(STREAM, Position(9, 0))
    assert read_all(tmp_path)[0] == outputs([1])


def test_a_settled_stream_read_to_its_end_is_removed(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    writer.append(outputs([1, 2]))
    writer.close(settled=True)
    (tmp_path / STREAM / "cursor").write_text("x")
    reader = Reader(tmp_path)
    assert reader.settled(STREAM)
    reader.release(STREAM, reader.read(STREAM, Position(0, 0), limit=60)[1])
    assert reader.streams() == [STREAM]
    reader.release(STREAM, read_all(tmp_path)[1])
    assert list(tmp_path.iterdir()) == []


def test_a_settled_stream_with_a_torn_tail_is_removed_too(tmp_path: Path) -> None:
    write(tmp_path, outputs([1, 2]))
    os.truncate(segment(tmp_path), segment(tmp_path).stat().st_size - 1)
    reader = Reader(tmp_path)
    reader.mark_settled(STREAM)
    reader.release(STREAM, read_all(tmp_path)[1])
    assert reader.streams() == []


def test_half_a_removal_is_done_again(tmp_path: Path) -> None:
    open_writer(tmp_path).close(settled=True)
    segment(tmp_path).unlink()
    reader = Reader(tmp_path)
    reader.release(STREAM, Position(1, SEGMENT_SIZE))
    assert reader.streams() == []


def test_a_stream_that_is_not_settled_stays(tmp_path: Path) -> None:
    write(tmp_path, outputs([1]))
    reader = Reader(tmp_path)
    reader.release(STREAM, read_all(tmp_path)[1])
    assert reader.streams() == [STREAM]


def test_a_live_stream_cannot_be_settled_by_others(tmp_path: Path) -> None:
    with writing(tmp_path), pytest.raises(Refused, match="still being written"):
        Reader(tmp_path).mark_settled(STREAM)


def test_a_returning_writer_unsettles_its_stream(tmp_path: Path) -> None:
    open_writer(tmp_path).close(settled=True)
    reader = Reader(tmp_path)
    with writing(tmp_path):
        assert not reader.settled(STREAM)
    assert not reader.settled(STREAM)


def test_a_marker_beside_a_live_writer_settles_nothing(tmp_path: Path) -> None:
    with writing(tmp_path):
        (tmp_path / STREAM / "settled").touch()
        assert not Reader(tmp_path).settled(STREAM)


# Whatever happens


actions = st.one_of(
    st.tuples(st.just("append"), st.lists(st.integers(0, 400), min_size=1, max_size=5)),
    st.tuples(st.just("too much"), st.integers(1, 300)),
    st.tuples(st.just("crash"), st.integers(0, 200)),
    st.tuples(st.just("read"), st.integers(1, 2000)),
    st.tuples(st.just("release"), st.none()),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, max_size=40))
def test_a_reader_sees_each_appended_frame_once_and_in_order(happens: list[tuple[str, object]]) -> None:
    mark = Frame(Kind.MARK, "0" * 16, 0, 0, 0, b"{}")
    with TemporaryDirectory() as name:
        directory = Path(name)
        reader, position = Reader(directory), Position(0, 0)
        writer = open_writer(directory, checkpoint=lambda: [mark], segment_size=1000)
        sequence, found = 0, list[int]()
        for what, how in happens:
            match what, how:
                case "append", list(sizes):
                    writer.append([output(sequence + n, bytes(size)) for n, size in enumerate(sizes, 1)])
                    sequence += len(sizes)
                case "too much", int(room):
                    with (
                        file_size_limit(writer.position.offset + room),
                        pytest.raises(OSError, match="File too large"),
                    ):
                        writer.append([output(0, bytes(1000))] * 4)
                case "crash", int(torn):
                    writer.close(settled=False)
                    with segment(directory, writer.position.segment).open("ab") as file:
                        file.write(encode([output(0, bytes(200))])[:torn])
                    writer = open_writer(directory, checkpoint=lambda: [mark], segment_size=1000)
                case "read", int(limit):
                    frames, position = reader.read(STREAM, position, limit=limit)
                    found += sequences(frames)
                case _:
                    reader.release(STREAM, position)
        found += sequences(read_all(directory, position)[0])
        writer.close(settled=False)
    assert found == list(range(1, sequence + 1))
