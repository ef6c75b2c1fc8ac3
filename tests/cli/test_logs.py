from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.builders import a_running_execution, an_execution
from tests.support.command import remember, windmill
from windmill.core.model import State
from windmill.core.ports import OutputBlock, Stream

ID = "0" * 15 + "1"
AT = 1_767_268_800_000  # noon


def block(first: int, data: bytes, *, stream: Stream = Stream.STDOUT, last: int | None = None) -> OutputBlock:
    return OutputBlock(ID, first, last or first, stream, AT + first, data)


@pytest.fixture
def spoken(home: Path) -> Path:
    """Return the home with an execution that wrote three lines, the second to stderr."""
    remember(
        home,
        executions=[an_execution(id=ID, state=State.FAILED, exit_code=3, output_bytes=14)],
        output=[block(1, b"one\n"), block(2, b"two\n", stream=Stream.STDERR), block(3, b"three\n")],
    )
    return home


def test_both_streams_come_in_the_order_they_were_written(spoken: Path) -> None:
    assert windmill(spoken, "logs", ID).out == "one\ntwo\nthree\n"


def test_the_first_digits_of_an_id_are_enough(spoken: Path) -> None:
    assert windmill(spoken, "logs", "00000000").out == "one\ntwo\nthree\n"


def test_a_job_stands_for_its_latest_execution(spoken: Path) -> None:
    assert windmill(spoken, "logs", "hello").out == "one\ntwo\nthree\n"


def test_one_stream_can_be_asked_for(spoken: Path) -> None:
    assert windmill(spoken, "logs", ID, "--stream", "stderr").out == "two\n"


@pytest.mark.parametrize(
    ("lines", "text"), [("0", ""), ("1", "three\n"), ("2", "two\nthree\n"), ("9", "one\ntwo\nthree\n")]
)
def test_a_tail_has_so_many_lines(spoken: Path, lines: str, text: str) -> None:
    assert windmill(spoken, "logs", ID, "--tail", lines).out == text


def test_a_tail_of_one_stream_counts_its_lines_only(spoken: Path) -> None:
    assert windmill(spoken, "logs", ID, "--tail", "2", "--stream", "stdout").out == "one\nthree\n"


def test_a_tail_reaches_back_over_blocks_that_hold_no_line_end(home: Path) -> None:
    blocks = [block(1, b"a\nb"), *(block(number, b"x" * 1000) for number in range(2, 100)), block(100, b"\nlast")]
    remember(home, executions=[an_execution(id=ID)], output=blocks)
    assert windmill(home, "logs", ID, "--tail", "2").out == "b" + "x" * 98_000 + "\nlast"


def test_timestamps_stand_before_each_line_once(home: Path) -> None:
    remember(home, executions=[an_execution(id=ID)], output=[block(1, b"on"), block(2, b"e\ntwo\n")])
    assert windmill(home, "logs", "-t", ID).out == ("2026-01-01T12:00:00.001Z one\n2026-01-01T12:00:00.002Z two\n")


def test_bytes_go_into_a_pipe_unchanged(home: Path) -> None:
    remember(home, executions=[an_execution(id=ID)], output=[block(1, b"\x1b[2J\x1b[31mred\x07\n")])
    assert windmill(home, "logs", ID).out == "\x1b[2J\x1b[31mred\x07\n"


def test_more_than_one_answer_of_the_store_comes_whole(home: Path) -> None:
    blocks = [block(number, b"x" * (256 << 10)) for number in range(1, 21)]
    remember(home, executions=[an_execution(id=ID)], output=blocks)
    assert len(windmill(home, "logs", ID).out) == 20 * (256 << 10)


def test_a_cut_is_shown_with_what_is_missing(home: Path) -> None:
    remember(
        home,
        executions=[an_execution(id=ID, cut_bytes=123456)],
        output=[block(1, b"head"), block(9, b"tail\n", last=10)],
    )
    assert windmill(home, "logs", ID).out == "head\n[... 123,456 bytes cut ...]\ntail\n"


def test_a_tail_that_begins_after_a_cut_shows_no_cut(home: Path) -> None:
    remember(home, executions=[an_execution(id=ID, cut_bytes=9)], output=[block(1, b"head\n"), block(9, b"tail\n")])
    assert windmill(home, "logs", ID, "--tail", "1").out == "tail\n"


def test_the_exit_status_is_the_jobs_only_when_asked_for(spoken: Path) -> None:
    assert windmill(spoken, "logs", ID).status == 0
    assert windmill(spoken, "logs", ID, "--exit-status").status == 3


def test_without_follow_a_running_execution_gives_what_there_is(home: Path) -> None:
    remember(home, executions=[a_running_execution(id=ID)], output=[block(1, b"begun\n")])
    assert windmill(home, "logs", ID).out == "begun\n"


def test_follow_ends_when_the_execution_has_ended_and_all_is_printed(home: Path) -> None:
    remember(home, executions=[a_running_execution(id=ID)], output=[block(1, b"one\n")])

    def go_on() -> None:
        remember(home, output=[block(2, b"two\n")])
        remember(home, executions=[an_execution(id=ID)], output=[block(3, b"three\n")])

    later = threading.Timer(0.2, go_on)
    later.start()
    try:
        assert windmill(home, "logs", "-f", ID).out == "one\ntwo\nthree\n"
    finally:
        later.join()


def test_a_follow_from_the_tail_repeats_nothing(spoken: Path) -> None:
    assert windmill(spoken, "logs", "-f", "--tail", "1", ID).out == "three\n"


def test_an_unknown_name_is_not_found(spoken: Path) -> None:
    outcome = windmill(spoken, "logs", "helo")
    assert (outcome.status, "the nearest: p/hello" in outcome.err) == (4, True)


def test_a_job_without_an_execution_says_how_to_run_it(home: Path) -> None:
    outcome = windmill(home, "logs", "hello")
    assert (outcome.status, "windmill run p/hello" in outcome.err) == (4, True)


def test_a_project_that_was_never_synced_is_told_with_what_syncs_it(home: Path) -> None:
    (home / "windmill.toml").write_text('[projects.reports]\ngit = "/nowhere"\n')
    outcome = windmill(home, "logs", "reports/@sync")
    assert (outcome.status, "windmill sync reports" in outcome.err) == (4, True)
