from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from windmill import log

HOSTILE = 'a\nb\r{"level": "info"}\x1b[2J\u2028\u202e\x85'


Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def logger() -> Iterator[None]:
    """Afterwards nothing is set up any more."""
    logger = logging.getLogger("windmill")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def records(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


def test_a_record_has_time_level_logger_message_event_and_what_it_brings(capsys: Output) -> None:
    log.configure(logging.INFO, "json")
    logging.getLogger("windmill.scheduler").warning("%s failed", "p/a", extra={"event": "ended", "execution": "1"})
    (record,) = records(capsys.readouterr().err)
    assert record.pop("time").endswith("Z")
    assert list(record.items()) == [
        ("level", "warning"),
        ("logger", "windmill.scheduler"),
        ("message", "p/a failed"),
        ("event", "ended"),
        ("execution", "1"),
    ]


def test_a_record_without_an_event_says_so(capsys: Output) -> None:
    log.configure(logging.INFO, "json")
    logging.getLogger("windmill").info("hello")
    assert records(capsys.readouterr().err)[0]["event"] == ""


def test_no_text_can_pass_for_a_line(capsys: Output) -> None:
    log.configure(logging.INFO, "json")
    logging.getLogger("windmill").info("%s", HOSTILE, extra={"job": HOSTILE})
    log.say(HOSTILE)
    written = capsys.readouterr().err
    assert written.isascii()
    assert [record["message"] for record in records(written)] == [HOSTILE, HOSTILE]


def test_an_extra_cannot_take_the_place_of_a_field(capsys: Output) -> None:
    log.configure(logging.INFO, "json")
    logging.getLogger("windmill").info("hello", extra={"level": "error", "time": "never", "logger": "another"})
    (record,) = records(capsys.readouterr().err)
    assert (record["level"], record["logger"]) == ("info", "windmill")
    assert record["time"] != "never"


def test_an_exception_is_told_without_its_traceback(capsys: Output) -> None:
    log.configure(logging.INFO, "json")
    try:
        int("broken")
    except ValueError:
        logging.getLogger("windmill").exception("it failed", extra={"event": "x"})
    written = capsys.readouterr().err
    assert [(record["message"], record["error"]) for record in records(written)] == [
        ("it failed", "ValueError(\"invalid literal for int() with base 10: 'broken'\")")
    ]
    assert "Traceback" not in written


def test_records_of_another_process_are_passed_on_and_its_other_lines_become_records(capsys: Output) -> None:
    log.configure(logging.INFO, "json")
    log.pass_on('{"message": "mine"}')
    log.pass_on("Dashboard: http://127.0.0.1:5000")
    log.pass_on("[1, 2]")
    assert [record["message"] for record in records(capsys.readouterr().err)] == [
        "mine",
        "Dashboard: http://127.0.0.1:5000",
        "[1, 2]",
    ]


def test_text_is_the_default_and_has_one_line_a_record(capsys: Output) -> None:
    log.configure(logging.INFO)
    logging.getLogger("windmill").warning("%s", HOSTILE)
    (line,) = capsys.readouterr().err.splitlines()
    assert "warning: a b" in line
