from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

import pytest

from tests.support.journals import AT, record
from tests.support.site import Site, site
from tests.support.waiting import until
from windmill.core.errors import Refused
from windmill.core.model import State
from windmill.core.ports import Frame, Kind, Position
from windmill.execution.frames import SEGMENT_SIZE, VERSION
from windmill.execution.journal import Reader, Writer

LIMIT = 64 << 10
STREAM = "runner-1"
EXECUTION = "0123456789abcdef"
STORED = Path(__file__).parent / "data"


class Clock:
    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> int:
        return self.ms


class Place:
    """A journal of at most 64 KiB with writers under one clock."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reader = Reader(directory)
        self.clock = Clock()
        self.opened = ExitStack()
        self.sequence = 0
        self.writer = self.new_writer(STREAM)

    def new_writer(self, stream: str) -> Writer:
        writer = Writer(
            self.directory,
            stream,
            boot_id="b" * 36,
            now_ms=self.clock,
            checkpoint=tuple,
            reserve=4096,
            max_size=LIMIT,
        )
        self.opened.callback(writer.close, settled=False)
        return writer

    def output(self) -> Frame:
        self.sequence += 1
        return Frame(Kind.OUTPUT, EXECUTION, self.sequence, 1, AT, bytes(1000))

    def takes_output(self) -> bool:
        try:
            self.writer.append([self.output()])
        except OSError as error:
            if error.errno == errno.EDQUOT:
                return False
            raise
        return True

    def fill(self) -> int:
        """Write output until it is refused; return how many frames found room."""
        written = 0
        while self.takes_output():
            written += 1
        return written

    def ship(self) -> None:
        """Let go of everything but the newest segment of each stream."""
        for stream in self.reader.streams():
            self.reader.release(stream, Position(1 << 30, 0))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "home" / "journal")
    with place.opened:
        yield place


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()


def kinds(place: Place) -> list[int]:
    position, found = Position(0, 0), list[int]()
    while True:
        frames, position = place.reader.read(STREAM, position)
        if not frames:
            return found
        found += [frame.kind for frame in frames]


# The limit


def test_output_is_refused_before_the_journal_is_larger_than_its_limit(place: Place) -> None:
    assert place.fill() > 50
    assert LIMIT - 2000 < place.reader.size() <= LIMIT


def test_everything_but_output_finds_room_in_a_full_journal(place: Place) -> None:
    place.fill()
    others = [record(1), record(1, State.FAILED), Frame(Kind.STATE, EXECUTION, 0, 0, AT, bytes(9000))]
    for frame in others:
        place.writer.append([frame])
    assert kinds(place)[-3:] == [Kind.RECORD, Kind.END, Kind.STATE]


def test_output_that_is_refused_takes_what_comes_with_it_along(place: Place) -> None:
    place.fill()
    before = place.writer.position
    with pytest.raises(OSError, match="size limit"):
        place.writer.append([record(1), place.output()])
    assert place.writer.position == before


def test_all_streams_count(place: Place) -> None:
    place.new_writer("scheduler").append([Frame(Kind.STATE, EXECUTION, 0, 0, AT, bytes(LIMIT // 2))])
    assert place.fill() < 40


def test_output_is_taken_again_once_the_journal_was_shipped(place: Place) -> None:
    place.fill()
    place.ship()
    place.clock.ms += 1000
    assert place.fill() > 40


def test_a_full_journal_is_not_measured_for_every_refusal(place: Place) -> None:
    place.fill()
    place.ship()
    place.clock.ms += 999
    assert not place.takes_output()


def test_a_little_room_does_not_end_being_full(place: Place) -> None:
    place.fill()
    oldest = place.directory / STREAM / "00000001.seg"
    os.truncate(oldest, oldest.stat().st_size - 4000)
    place.clock.ms += 1000
    assert not place.takes_output()
    oldest.unlink()
    place.clock.ms += 1000
    assert place.takes_output()


def test_readers_see_that_it_is_full_and_that_it_is_over(place: Place) -> None:
    assert not place.reader.full()
    place.fill()
    assert place.reader.full()
    place.ship()
    place.clock.ms += 1000
    place.writer.look()
    assert not place.reader.full()


def test_a_dead_writers_journal_is_not_full(place: Place) -> None:
    place.fill()
    place.opened.close()
    assert not place.reader.full()


def test_a_flood_into_a_full_journal_is_cut_and_counted_and_its_end_recorded(tmp_path: Path) -> None:
    with site(tmp_path / "home") as flooded:
        flooded.arrive(journal_max_size=(limit := 1 << 20))
        end = flooded.run("echo begin; head -c 8000000 /dev/zero; echo end", output_max=64 << 20)
        other = flooded.run("echo too late")
        check_nothing_but_output_is_missing(flooded, end.id, other.id)
        assert (end.state, end.output_bytes) == (State.SUCCEEDED, 8_000_010)
        assert end.output_bytes - end.cut_bytes <= limit
        assert flooded.output(end.id).startswith(b"begin\n")
        assert flooded.journal.full()


def check_nothing_but_output_is_missing(flooded: Site, *executions: str) -> None:
    for execution in executions:
        end = flooded.end_of(execution)
        assert len(flooded.output(execution)) + end.cut_bytes == end.output_bytes
        found = [frame.kind for frame in flooded.frames(execution) if frame.kind in {Kind.RECORD, Kind.END}]
        assert (found[0], found[-1], found.count(Kind.END)) == (Kind.RECORD, Kind.END, 1)


# The version


def test_a_journal_of_the_first_version_is_read(tmp_path: Path) -> None:
    shutil.copytree(STORED / "journal-1", tmp_path / "journal")
    reader = Reader(tmp_path / "journal")
    reader.check()
    frames, position = reader.read("runner-1", Position(0, 0))
    assert [(frame.kind, frame.sequence, frame.stream, frame.at, len(frame.payload)) for frame in frames] == [
        (Kind.RECORD, 0, 0, AT, 490),
        (Kind.OUTPUT, 1, 1, AT + 1, 7),
        (Kind.OUTPUT, 2, 2, AT + 2, 256),
        (Kind.DROP, 0, 0, AT, 23),
        (Kind.STATE, 0, 0, AT, 2),
        (Kind.MARK, 0, 0, AT, 2),
        (Kind.END, 0, 0, AT, 514),
    ]
    assert (reader.boot_id("runner-1"), position.offset) == ("b" * 36, reader.size())


def newer(path: Path) -> None:
    header = bytearray(path.read_bytes()[:SEGMENT_SIZE])
    header[8] = VERSION + 1
    header[-4:] = crc32(header[:-4]).to_bytes(4, "little")
    path.write_bytes(header + b"a form nobody knows yet")


def test_a_journal_of_a_newer_version_is_refused_in_words(place: Place) -> None:
    newer(place.directory / STREAM / "00000001.seg")
    with pytest.raises(Refused, match=r"newer WindMill: version 2, this one reads 1 .*\n  hint: upgrade"):
        place.reader.check()


def test_no_runner_is_started_beside_a_newer_journal(tmp_path: Path) -> None:
    with site(tmp_path / "home") as here:
        here.run("true")
        here.close()
        stream = here.journal.streams()[0]
        newer(here.state / "journal" / stream / "00000001.seg")
        with pytest.raises(Refused, match="newer WindMill"):
            here.arrive()
        assert here.runners() == []


# A journal that somebody deletes


def test_a_deleted_journal_is_written_again_from_its_newest_segment_on(place: Place) -> None:
    place.writer.append([record(1)])
    shutil.rmtree(place.directory)
    place.writer.append([record(2)])
    place.clock.ms += 1000
    place.writer.append([record(3)])
    assert [frame.execution for frame in place.reader.newest(STREAM)] == [record(n).execution for n in (1, 2, 3)]
    assert place.reader.alive(STREAM)
    assert (place.directory / STREAM / "reserve").exists()


def test_a_journal_is_written_again_although_nothing_is_appended(place: Place) -> None:
    place.writer.append([record(1)])
    shutil.rmtree(place.directory)
    place.clock.ms += 1000
    place.writer.look()
    assert len(place.reader.newest(STREAM)) == 1


def test_a_home_that_was_deleted_stays_deleted(place: Place) -> None:
    shutil.rmtree(place.directory.parent)
    place.clock.ms += 1000
    place.writer.append([record(1)])
    assert not place.directory.parent.exists()


def test_a_scheduler_finds_the_runner_again_after_its_journal_was_deleted(tmp_path: Path) -> None:
    with site(tmp_path / "home") as here:
        execution = here.start("echo begun; while [ ! -e go ]; do sleep 0.05; done; echo done")
        here.until_it_wrote(execution, b"begun\n")
        stream = here.journal.streams()[0]
        shutil.rmtree(here.state / "journal")
        until((here.state / "journal" / stream / "sock").exists, what="the runner's socket")
        here.vanish()
        here.arrive()
        assert execution in here.executor.running()
        (here.project / "go").touch()
        assert here.end_of(execution).state is State.SUCCEEDED
        assert here.output(execution) == b"begun\ndone\n"
        assert len(here.runners()) == 1
