from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from tests.support.builders import NOON, a_running_execution, an_execution
from tests.support.dashboard import Site
from windmill.core.model import Cause, State, execution_id
from windmill.core.ports import Batch, Drop, OutputBlock
from windmill.dashboard.reading import LINES
from windmill.dashboard.streams import STREAMS_MAX

ID = "0" * 15 + "1"
API = f"/api/v1/executions/{ID}"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "windmill.db")


def output(*pieces: bytes, first: int = 1) -> list[OutputBlock]:
    return [OutputBlock(ID, number, number, 1, 0, data) for number, data in enumerate(pieces, first)]


def page(site: Site, identity: str = ID) -> str:
    """The text of the page, its white space as it is."""
    html = site.client.get(f"/executions/{identity}").get_data(as_text=True)
    return unescape(re.sub(r"<[^>]*>", "", html.partition("<main")[2]))


def words(site: Site, identity: str = ID) -> str:
    """The text of the page, its white space as a browser shows it."""
    return re.sub(r"\s+", " ", page(site, identity))


def events(site: Site, path: str = "", **headers: str) -> Iterator[str]:
    answer = site.client.get(f"{API}/output/stream{path}", headers=headers)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    yield from (event.decode() for event in answer.iter_encoded() if event != b"retry: 1000\n\n")


def test_a_failure_begins_with_its_reason_and_its_last_words(site: Site) -> None:
    failed = an_execution(state=State.FAILED, exit_code=1, reason="timeout of the database")
    site.put(Batch(executions=[failed], output=output(b"no route\nto the database\n\n")))
    shown = words(site)
    assert shown.index("Failed: timeout of the database") < shown.index("to the database") < shown.index("Started by")


def test_an_execution_is_among_the_executions(site: Site) -> None:
    site.put(Batch(executions=[an_execution()]))
    html = site.client.get(f"/executions/{ID}").get_data(as_text=True)
    assert re.search('<a href="/executions"[^>]* aria-current="true">Executions</a>', html)


def test_the_facts_of_an_execution_are_told(site: Site) -> None:
    facts = {"requested_by": "ann", "params": {"region": "BR"}, "subject": "Sum it up", "author": "Ana"}
    site.put(Batch(executions=[an_execution(revision="main@sha1:" + "3f2a91c0d4e5" * 3, output_bytes=2048, **facts)]))
    shown = page(site)
    for words in ("✓", "2 s", "5 min ago", "schedule, ann", "BR", "main@3f2a91c0d4e5", "Sum it up, Ana", "2.0 KiB"):
        assert words in shown


def test_how_long_it_usually_takes_stands_beside_how_long_it_took(site: Site) -> None:
    others = [
        an_execution(id=f"{number:016x}", queued_at=NOON - timedelta(hours=number), ended_at=NOON.replace(second=9))
        for number in range(2, 6)
    ]
    site.put(Batch(executions=[an_execution(), *others]))
    assert "usually 9 s" in page(site)


def test_the_executions_of_the_job_before_and_after_are_one_step_away(site: Site) -> None:
    numbers = {f"{number}" * 16: NOON + timedelta(minutes=number) for number in (1, 2, 3)}
    site.put(Batch(executions=[an_execution(id=identity, queued_at=at) for identity, at in numbers.items()]))
    html = site.client.get("/executions/" + "2" * 16).get_data(as_text=True)
    assert f'href="/executions/{"1" * 16}" rel="prev"' in html
    assert f'href="/executions/{"3" * 16}" rel="next"' in html


def test_output_is_text_as_a_terminal_would_show_it_at_last(site: Site) -> None:
    site.put(Batch(executions=[an_execution()], output=output(b"\x1b[31m10%\r", b"100% <b>\x1b[0m\n")))
    assert "1100% <b>\n" in page(site)  # the number of the line before it


def test_of_much_output_the_end_is_shown_from_the_beginning_of_a_line(site: Site) -> None:
    lines = b"".join(b"line %06d\n" % number for number in range(40_000))
    pieces = [lines[at : at + 100_000] for at in range(0, len(lines), 100_000)]
    site.put(Batch(executions=[an_execution()], output=output(*pieces)))
    shown = page(site)
    assert "This is not all of it." in shown
    assert "40000line 039999\n" in shown
    found = [line for line in shown.split("\n") if "line 0" in line]
    assert len(found) == LINES
    assert all(re.fullmatch(r"\d+line \d{6}", line) for line in found)


def test_what_was_cut_is_told_where_it_was(site: Site) -> None:
    site.put(Batch(executions=[an_execution(cut_bytes=7000)], output=output(b"a\n", b"b\n", b"c\n")))
    site.put(Batch(drops=[Drop(execution=ID, first=2, last=2)]))
    assert "1a\n2\n3[... 7,000 bytes cut ...]\n4c\n" in page(site)
    assert "[... 7,000 bytes cut ...]" in site.client.get(f"/executions/{ID}/output.txt").get_data(as_text=True)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"state": State.RUNNING, "ended_at": None}, "No output yet."),
        ({}, "The job wrote nothing."),
        ({"output_bytes": 5}, "Its output is not kept any more, or not stored yet."),
        ({"state": State.SKIPPED, "started_at": None, "reason": "overrun"}, "Nothing was started."),
    ],
    ids=["running", "silent", "gone", "skipped"],
)
def test_where_there_is_no_output_the_page_says_why(site: Site, facts: dict[str, object], words: str) -> None:
    site.put(Batch(executions=[an_execution(**facts)]))
    assert words in page(site)


@pytest.mark.parametrize("identity", ["2" * 16, "0", "x" * 16, "0" * 15 + "1g"])
@pytest.mark.parametrize("rest", ["", "/output.txt"])
def test_an_execution_that_is_not_there_is_not_found(site: Site, identity: str, rest: str) -> None:
    site.put(Batch(executions=[an_execution()]))
    answer = site.client.get(f"/executions/{identity}{rest}")
    assert (answer.status_code, "There is no execution with this number" in answer.text) == (404, True)


def test_everything_comes_as_plain_text_that_no_browser_takes_for_a_page(site: Site) -> None:
    site.put(Batch(executions=[an_execution()], output=output(b"<html>\xff", b"\x1b[31m\r\n")))
    answer = site.client.get(f"/executions/{ID}/output.txt")
    assert (answer.data, answer.content_type) == (b"<html>\xff\x1b[31m\r\n", "text/plain; charset=utf-8")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    saved = site.client.get(f"/executions/{ID}/output.txt?download=1")
    assert saved.headers["Content-Disposition"] == f"attachment; filename={ID}.txt"


def test_a_stream_brings_what_is_there_and_says_how_it_ended(site: Site) -> None:
    site.put(Batch(executions=[an_execution(state=State.FAILED)], output=output(b"a\r", b"\xe2\x82")))
    first, second = (base64.b64encode(data).decode() for data in (b"a\r", b"\xe2\x82"))
    assert list(events(site)) == [
        f"id: 1\ndata: 0 stdout {first}\n\n",
        f"id: 2\ndata: 0 stdout {second}\n\n",
        "event: end\ndata: failed\n\n",
    ]


@pytest.mark.parametrize(
    ("path", "headers"), [("?after=1", {}), ("", {"Last-Event-ID": "1"}), ("?after=0", {"Last-Event-ID": "1"})]
)
def test_a_stream_goes_on_where_the_viewer_was(site: Site, path: str, headers: dict[str, str]) -> None:
    site.put(Batch(executions=[an_execution()], output=output(b"a", b"b")))
    assert [event.partition("\n")[0] for event in events(site, path, **headers)] == ["id: 2", "event: end"]


def test_a_stream_follows_until_the_execution_ends(site: Site) -> None:
    site.put(Batch(executions=[a_running_execution()], output=output(b"a")))
    following = events(site)
    assert next(following).startswith("id: 1")
    site.put(Batch(executions=[an_execution()], output=output(b"b", first=2)))
    assert [event.partition("\n")[0] for event in following] == ["id: 2", "event: end"]


def test_a_stream_ends_with_the_store_so_that_the_browser_comes_again(site: Site) -> None:
    site.put(Batch(executions=[a_running_execution()], output=output(b"a")))
    answer = site.client.get(f"{API}/output/stream")
    site.database.unlink()
    assert list(answer.iter_encoded()) == [b"retry: 1000\n\n"]


def test_so_many_watch_and_no_more_until_one_leaves(site: Site) -> None:
    site.put(Batch(executions=[a_running_execution()]))
    assert site.client.head(f"{API}/output/stream").status_code == 200
    watching = [site.client.get(f"{API}/output/stream") for _ in range(STREAMS_MAX)]
    assert {answer.status_code for answer in watching} == {200}
    refused = site.client.get(f"{API}/output/stream")
    assert (refused.status_code, refused.headers["Retry-After"], refused.mimetype) == (503, "5", "application/json")
    watching.pop().close()
    assert site.client.get(f"{API}/output/stream").status_code == 200


def test_who_cannot_watch_asks_for_piece_after_piece(site: Site) -> None:
    site.put(Batch(executions=[a_running_execution()], output=output(b"a", b"b")))
    first = site.client.get(f"{API}/output?after=1")
    assert (first.data, first.headers["X-Output-Next"], first.headers["X-Output-State"]) == (b"b", "2", "running")
    assert site.client.get(f"{API}/output?after=2").headers["X-Output-Next"] == "2"


@pytest.mark.parametrize("after", ["-1", "x", "9" * 40, "%00"])
@pytest.mark.parametrize("path", ["", "/events"])
def test_a_place_that_is_none_is_the_beginning(site: Site, path: str, after: str) -> None:
    site.put(Batch(executions=[an_execution()], output=output(b"abc")))
    shown = site.client.get(f"/executions/{ID}{path}?after={after}").get_data(as_text=True)
    assert "abc" in shown or base64.b64encode(b"abc").decode() in shown


def test_a_page_holds_neither_script_nor_style_of_its_own_and_loads_what_is_there(site: Site) -> None:
    site.put(Batch(executions=[a_running_execution()], output=output(b"a")))
    html = site.client.get(f"/executions/{ID}").get_data(as_text=True)
    assert not re.search(r"<script(?! src)|<style|\sstyle=|\son\w+=|javascript:|https?://", html)
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', html):
        with site.client.get(path) as answer:
            assert answer.status_code == 200, path


TRACEBACK = b"""\
Traceback (most recent call last):
  File "/srv/projects/dw/etl/clean.py", line 88, in clean
    row["cpf"]
KeyError: 'cpf'
"""
COMMIT = {"commit": "a1b2c3d" * 5, "author": "Ana", "subject": "Rename <b>it</b>", "at": None, "touches": True}


def failures(site: Site, number: int, *, success: bool = True) -> None:
    """The execution failed, and so did those before it, after one that succeeded."""
    before = [
        an_execution(id=f"{n:016x}", queued_at=NOON - timedelta(hours=n), state=State.FAILED, exit_code=1)
        for n in range(2, number + 1)
    ]
    good = [an_execution(id="e" * 16, queued_at=NOON - timedelta(days=1))] if success else []
    failed = an_execution(state=State.FAILED, exit_code=1, reason="exit_code")
    site.put(Batch(executions=[failed, *before, *good], output=output(TRACEBACK)))


def test_a_failure_is_told_by_its_exception_and_its_place(site: Site) -> None:
    failures(site, 1)
    assert "Failed: exit code 1 — KeyError: 'cpf' at etl/clean.py:88 The execution before it succeeded" in words(site)


def test_failures_in_a_row_are_counted_since_the_commit_that_may_have_caused_them(tmp_path: Path) -> None:
    site = Site(tmp_path / "windmill.db", suspects=lambda _store, _execution: [COMMIT])
    failures(site, 3)
    assert "3 failures in a row since this commit: a1b2c3d Rename <b>it</b> Ana · touches this job" in words(site)


def test_of_many_suspects_the_first_are_named(tmp_path: Path) -> None:
    site = Site(tmp_path / "windmill.db", suspects=lambda _store, _execution: [COMMIT] * 9)
    failures(site, 1)
    assert "First failure since these commits" in words(site)
    assert "and 4 more commits" in words(site)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"state": State.FAILED, "reason": "not_started: no such file"}, "Nothing of it ran."),
        (
            {"state": State.FAILED, "reason": "signal: SIGKILL", "signal": "SIGKILL"},
            "give it more under limits.memory",
        ),
        ({"state": State.TIMED_OUT, "reason": "timeout"}, "give the job a longer timeout"),
        ({"state": State.LOST, "reason": "journal_gone"}, "nobody knows how it ended"),
        ({"state": State.STOPPED, "reason": "stopped: by ana"}, "What it did before that was not undone."),
        ({"state": State.SKIPPED, "reason": "overrun", "started_at": None}, "The job goes on with its next slot."),
    ],
)
def test_what_did_not_go_well_says_what_to_do_next(site: Site, facts: dict[str, object], said: str) -> None:
    site.put(Batch(executions=[an_execution(**{"exit_code": None} | facts)]))
    assert said in words(site)


def test_attempts_lead_to_each_other(site: Site) -> None:
    second = execution_id("p/hello", cause=Cause.RETRY, what=ID, attempt=2)
    retry = {"trigger": Cause.RETRY, "attempt": 2, "retry_of": ID}
    site.put(Batch(executions=[an_execution(state=State.FAILED), an_execution(id=second, **retry)]))
    for identity, other, said in ((ID, second, "1 of 2"), (second, ID, "2 of 2")):
        assert said in words(site, identity)
        assert f'href="/executions/{other}"' in site.client.get(f"/executions/{identity}").text


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (1, "about 3 min left"),
        (4, "should be over any moment"),
        (8, "2.0× slower than usual, which is 4 min"),
    ],
)
def test_what_runs_says_how_long_it_is_expected_to(site: Site, minutes: int, said: str) -> None:
    others = [
        an_execution(id=f"{n:016x}", queued_at=NOON - timedelta(hours=n), ended_at=NOON + timedelta(minutes=4))
        for n in range(2, 6)
    ]
    running = a_running_execution(started_at=NOON + timedelta(minutes=5 - minutes))
    site.put(Batch(executions=[running, *others]))
    assert said in words(site)


def test_only_errors_are_shown_and_when_they_were_written(site: Site) -> None:
    blocks = [OutputBlock(ID, 1, 1, 1, 0, b"one\n"), OutputBlock(ID, 2, 2, 2, 1_767_268_800_250, b"bad\n")]
    site.put(Batch(executions=[an_execution()], output=blocks))
    html = site.client.get(f"/executions/{ID}?stream=stderr&times=1").text
    assert re.findall(r'id="(L\d+)"', html) == ["L1"]
    assert "<time>12:00:00.250</time><span>bad\n</span>" in html
    assert f'href="/executions/{ID}?stream=stderr&amp;times=1#L1"' in html


def test_a_line_of_a_part_has_the_number_that_it_has_in_the_whole(site: Site) -> None:
    site.put(Batch(executions=[an_execution()], output=output(b"a\nb", b"c\nd\n")))
    html = site.client.get(f"/executions/{ID}?after=1").text
    assert re.findall(r'<div class="line" id="(L\d+)">.*?<span>(.*?)\n</span>', html) == [("L2", "c"), ("L3", "d")]
    assert f'href="/executions/{ID}?after=1#L2"' in html


def test_who_gets_no_stream_gets_the_same_events_at_once(site: Site) -> None:
    site.put(Batch(executions=[an_execution()], output=output(b"a")))
    assert site.client.get(f"/executions/{ID}/events").text == "id: 1\ndata: 0 stdout YQ==\n\n"
    assert site.client.get(f"/executions/{ID}/events?after=1").text == "event: end\ndata: succeeded\n\n"


def test_a_page_that_is_open_asks_again_for_all_but_the_output(site: Site) -> None:
    site.put(Batch(executions=[a_running_execution()], output=output(b"what it wrote")))
    html = site.client.get(f"/executions/{ID}", headers={"HX-Request": "true"}).text
    assert 'id="live"' in html
    assert "what it wrote" not in html


def test_only_this_page_lets_style_elements_count_and_only_its_own(site: Site) -> None:
    site.put(Batch(executions=[an_execution()]))
    policies = [site.client.get(f"/executions/{ID}").headers["Content-Security-Policy"] for _ in range(2)]
    assert policies[0] != policies[1]
    assert re.search(r"style-src 'self' 'nonce-[\w-]{22}';", policies[0])
    assert "unsafe" not in policies[0]
    assert "nonce" not in site.client.get("/").headers["Content-Security-Policy"]
