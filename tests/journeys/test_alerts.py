"""People hear of what happens on a home that serves, by HTTP and by mail."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.live import Live
from tests.support.mail import MailServer
from tests.support.scripts import Gate
from tests.support.sink import Sink
from tests.support.waiting import until

FAILS = """
    import os
    print("reads the table")
    def load():
        raise ValueError("no data for BR")
    if not os.path.exists(os.environ["LIVE_GOOD"]):
        load()
"""
PATIENCE = 60.0  # seconds for a message on a busy machine


class Told(NamedTuple):
    subject: str
    body: str


def told(sink: Sink) -> list[Told]:
    """What an HTTP channel was told, without the tag that all subjects begin with."""
    documents = [json.loads(one.body) for one in sink.asked]
    return [Told(one["title"].removeprefix("[WindMill] "), one["message"]) for one in documents]


def subjects(sink: Sink) -> list[str]:
    return [one.subject for one in told(sink)]


def channels(live: Live, *, more: str = "", **urls: str) -> None:
    """Give the home channels by name."""
    text = more
    for name, url in urls.items():
        (live.root / f"{name}.url").write_text(url)
        text += f'[channels.{name}]\nurl = {{from_file = "{name}.url"}}\n'
    (live.root / "windmill.toml").write_text(text)


def hook(sink: Sink, secret: str = "x") -> str:
    return f"json://me:{secret}@127.0.0.1:{sink.port}/{secret}"


def fails(live: Live, name: str, rules: str, *, good: Path | None = None) -> None:
    """A job that fails until the file `good` is there."""
    live.script("fails.py", FAILS)
    live.job(name, f'entry_point: fails.py\nenv: {{LIVE_GOOD: "{good or live.root / "never"}"}}\n{rules}')


def runs(live: Live, job: str, times: int = 1) -> None:
    for _ in range(times):
        live.cli("run", job, check=False)


def senders(live: Live) -> list[int]:
    """The pids of the processes that send messages."""
    found = []
    for pid in live.processes():
        with suppress(OSError):
            if b"\0notify\0watch\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def listening(live: Live) -> None:
    """Wait until somebody looks: what happened before that is not told."""
    until((live.root / ".windmill" / "alerts.lock").exists, timeout=PATIENCE)
    until(lambda: live.cli("notify", "list", "--json", check=False).returncode == 0, timeout=PATIENCE)
    until(lambda: "cursor" in (status(live) or {}), timeout=PATIENCE, what="it has looked")


def status(live: Live) -> dict[str, object] | None:
    with suppress(Exception):
        store = live._store()
        try:
            return store.status("alerts")
        finally:
            store.close()
    return None


def known(live: Live, count: int) -> None:
    until(lambda: len(live.json("jobs")) == count, timeout=PATIENCE, what="the jobs are known")


def test_a_failure_after_its_last_attempt_is_one_message_that_says_what_there_is_to_say(live: Live) -> None:
    with Sink() as sink, MailServer() as mail:
        channels(live, team=hook(sink, "HUSH"), post=mail.channel)
        fails(live, "bad", "retry: {limit: 1, delay: 0}\nnotify: {on_failure: [team, post]}\n")
        live.up()
        listening(live)
        runs(live, "bad")
        until(lambda: sink.asked and mail.mails, timeout=PATIENCE, what="both channels are told")
        (message,) = told(sink)
        (letter,) = mail.mails
    execution = live.ended("p/bad")[-1]
    assert (message.subject, execution["attempt"]) == ("p/bad failed", 2)
    for words in (
        "What: exit code 1, after 2 attempts",
        "Error: ValueError: no data for BR at fails.py:5 in load",
        "  reads the table",
        f"http://127.0.0.1:5000/executions/{execution['id']}",
    ):
        assert words in message.body
    assert letter["Subject"] == "[WindMill] p/bad failed"
    assert "HUSH" not in live.messages() + live.cli("notify", "list").stdout + str(status(live)) + message.body


def test_some_failures_in_a_row_and_the_recovery_are_told(live: Live) -> None:
    good = live.root / "good"
    with Sink() as sink:
        channels(live, team=hook(sink))
        fails(live, "bad", "notify: {on_failure: [team], after_failures: 2, on_recovery: [team]}\n", good=good)
        live.up()
        listening(live)
        runs(live, "bad", times=3)
        good.touch()
        runs(live, "bad")
        until(lambda: len(sink.asked) == 2, timeout=PATIENCE)
        assert subjects(sink) == ["p/bad failed, 2 times in a row", "p/bad works again"]


def test_late_and_too_old_jobs_are_told(live: Live, gate: Gate) -> None:
    with Sink() as sink:
        channels(live, more="[scheduler]\nmax_running = 1\n", team=hook(sink))
        rules = "notify: {on_late: [team]}\n"
        live.job("late", f"entry_point: gated.py\nschedule: {{interval: 1}}\nexpect: {{late_after: 2}}\n{rules}")
        live.job("old", f"entry_point: gated.py\nexpect: {{max_age: 3}}\n{rules}")
        live.up()
        known(live, 3)
        live.cli("run", "-d", "gated")
        until(lambda: len(sink.asked) >= 2, timeout=PATIENCE)
        gate.open()
        assert sorted(subjects(sink)[:2]) == ["p/late is late", "p/old has not succeeded for too long"]


def test_a_dead_channel_is_told_once_when_it_is_back_through_kills_of_everything(live: Live) -> None:
    with Sink() as sink:
        url = hook(sink, "HUSH")
    channels(live, team=url)
    fails(live, "bad", "notify: {on_failure: [team]}\n")
    live.up()
    listening(live)
    runs(live, "bad")
    until(lambda: "was not told" in live.messages(), timeout=PATIENCE)
    for pid in senders(live):
        os.kill(pid, signal.SIGKILL)
    until(lambda: live.messages().count("No messages are sent at the moment") == 1, timeout=PATIENCE)
    live.kill()
    live.up()
    until(lambda: senders(live), timeout=PATIENCE)
    with Sink() as sink:
        (live.root / "team.url").write_text(hook(sink, "HUSH"))
        until(lambda: sink.asked, timeout=PATIENCE)
        until(lambda: [one["outcome"] for one in live.json("notify", "list")] == ["sent"], timeout=PATIENCE)
        assert subjects(sink) == ["p/bad failed"]
    assert "HUSH" not in live.messages()


def test_what_failed_while_nobody_could_tell_is_told_later(live: Live) -> None:
    with Sink() as sink:
        channels(live, team=hook(sink))
        fails(live, "bad", "notify: {on_failure: [team]}\n")
        live.up()
        listening(live)
        live.terminate()
        runs(live, "bad")  # with a scheduler of its own
        assert sink.asked == []
        live.up()
        until(lambda: sink.asked, timeout=PATIENCE)
        live.kill()
        live.up()
        listening(live)
        runs(live, "bad")
        live.terminate()
        assert subjects(sink) == ["p/bad failed"]


def test_a_flood_of_failures_is_ten_messages_that_tell_of_all(live: Live) -> None:
    with Sink() as sink:
        channels(live, team=hook(sink))
        live.script("good.py", "")
        live.script("bad.py", "raise SystemExit(1)")
        live.job("first", "entry_point: good.py\n")
        for number in range(200):
            live.job(f"bad{number}", "entry_point: bad.py\nafter: [{job: first}]\nnotify: {on_failure: [team]}\n")
        live.up()
        listening(live)
        known(live, 201)
        runs(live, "first")
        until(lambda: len(sink.asked) == 10, timeout=PATIENCE)
        waiting = [one for one in live.json("notify", "list") if one["outcome"] == "waiting"]
        live.terminate()
        *singles, last = told(sink)
        assert all(one.subject.endswith(" failed") for one in singles)
        assert last.subject.endswith("more alerts")
        assert int(last.subject.split()[0]) + len(singles) + len(waiting) == 200


def test_a_channel_can_be_tried(live: Live) -> None:
    with Sink(answers=(200, 500)) as sink:
        channels(live, team=hook(sink, "HUSH"))
        good, bad, unknown = (live.cli("notify", "test", name, check=False) for name in ("team", "team", "tem"))
    assert [one.returncode for one in (good, bad, unknown)] == [0, 1, 4]
    assert "team took the message" in good.stderr
    assert "the server answered with status 500" in bad.stderr
    assert "HUSH" not in good.stdout + good.stderr + bad.stdout + bad.stderr


def test_without_a_channel_nothing_runs_beside_the_scheduler(live: Live) -> None:
    fails(live, "bad", "notify: {on_failure: [team]}\n")
    live.up()
    known(live, 1)
    assert senders(live) == []
    assert 'there is no channel "team"' in live.cli("validate", check=False).stdout
