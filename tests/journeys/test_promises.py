"""The promises of the README, held from outside: by files, signals, verbs, and what the jobs themselves saw."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.live import Live
from tests.support.scripts import Gate
from tests.support.waiting import until
from windmill.core.documents import Document, from_text, to_text
from windmill.scheduler import clock

INTERVAL = timedelta(milliseconds=500)
JOBS = ("a", "b", "c")

WITNESS = """
    import os, random, sys, time
    facts = " ".join(os.environ.get("WINDMILL_" + name, "-") for name in ("EXECUTION", "TRIGGER", "SLOT", "ATTEMPT"))
    witness = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(witness, f"start {facts}\\n".encode())
    for number in range(10):
        print("line", number)
        time.sleep(random.uniform(0, 0.05))
    os.write(witness, f"end {facts}\\n".encode())
    sys.exit(int(facts.split()[0], 16) % 3 == 0 and facts.endswith(" 1"))
"""
LINES = b"".join(b"line %d\n" % number for number in range(10))


def witness_job(live: Live, name: str, version: int = 0) -> str:
    """The job as text: cut anywhere it is no job, and versions differ in nothing that moves a slot."""
    return (
        f"schedule: {{interval: 500ms, start_at: '2026-01-01T00:00:00Z', catch_up: last}}\n"
        "retry: {limit: 1, delay: 100ms}\n"
        f"env: {{WITNESS: '{live.root}/{name}.witness'}}\n"
        f"owner: version-{version}\n"
        "entry_point: witness.py\n"
    )


def witnessed(live: Live, name: str) -> list[list[str]]:
    """The lines [start or end, execution, trigger, slot, attempt] that the job's executions wrote, in order."""
    path = live.root / f"{name}.witness"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def settle(live: Live) -> None:
    """Take the jobs away and wait until nothing is open any more."""
    for path in (live.root / "jobs.d").iterdir():
        path.unlink()
    until(lambda: not live.json("ps") and not live.json("jobs"), timeout=60)


class Hands:
    """What people do to a home while it works; each method is one deed on the job of that name."""

    def __init__(self, live: Live, chance: random.Random) -> None:
        self._live = live
        self._chance = chance
        self._version = 0

    def deeds(self) -> list[Callable[[str], None]]:
        return [
            self.renames,
            self.writes_in_place,
            self.writes_halfway,
            self.breaks_and_repairs,
            self.claims_its_name,
            self.starts_it,
            self.starts_it_after_this_one,
            self.asks_to_reload,
            self.kills_the_scheduler,
            self.restarts_the_scheduler,
        ]

    def renames(self, name: str) -> None:
        self._live.job(name, self._text(name))

    def writes_in_place(self, name: str) -> None:
        self._path(name).write_text(self._text(name))

    def writes_halfway(self, name: str) -> None:
        text = self._text(name)
        self._path(name).write_text(text[: self._chance.randrange(len(text) - 20)])
        self._pause()
        self._path(name).write_text(text)

    def breaks_and_repairs(self, name: str) -> None:
        self._path(name).write_text("entry_point: [\n")
        self._pause()
        self.renames(name)

    def claims_its_name(self, name: str) -> None:
        rival = self._live.job("rival", f"name: {name}\n{self._text(name)}")
        self._pause()
        rival.unlink()

    def starts_it(self, name: str) -> None:
        self._live.cli("run", "-d", name, check=False)

    def starts_it_after_this_one(self, name: str) -> None:
        self._live.cli("run", "-d", "--wait", name, check=False)

    def asks_to_reload(self, _: str) -> None:
        assert self._live.scheduler is not None
        self._live.scheduler.send_signal(signal.SIGHUP)

    def kills_the_scheduler(self, _: str) -> None:
        self._live.kill()
        self._pause()
        self._live.up()

    def restarts_the_scheduler(self, _: str) -> None:
        self._live.terminate()
        self._live.up()

    def _text(self, name: str) -> str:
        self._version += 1
        return witness_job(self._live, name, self._version)

    def _path(self, name: str) -> Path:
        return self._live.root / "jobs.d" / f"{name}.yaml"

    def _pause(self) -> None:
        time.sleep(self._chance.uniform(0.0, 0.4))  # any moment will do


@pytest.fixture
def lived(live: Live) -> tuple[Live, dict[str, datetime], datetime]:
    """A home that people worked on for a while; when each job was first seen, and when they took the jobs away."""
    chance = random.Random(20261123)
    live.script("witness.py", WITNESS)
    for name in JOBS:
        live.job(name, witness_job(live, name))
    live.up()
    until(lambda: all(witnessed(live, name) for name in JOBS))
    hands = Hands(live, chance)
    for deed in chance.sample(hands.deeds() * 3, k=30):
        deed(chance.choice(JOBS))
    first_seen = {job["name"]: datetime.fromisoformat(job["first_seen"]) for job in live.json("jobs")}
    taken_away = clock.now()
    settle(live)
    return live, first_seen, taken_away


def slots_of(one: Document) -> list[str]:
    """Every slot that the record settles, by its own words."""
    first, last = (from_text(one[name] or one["slot"]) for name in ("coalesced_from", "coalesced_to"))
    assert first is not None
    assert last is not None
    found = grid(first, last)
    assert len(found) == one["coalesced"] + 1
    return found


def grid(first: datetime, last: datetime) -> list[str]:
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    begin, end = -((epoch - first) // INTERVAL), (last - epoch) // INTERVAL
    return [str(to_text(epoch + number * INTERVAL)) for number in range(begin, end + 1)]


def test_while_people_work_on_a_home_its_jobs_keep_every_promise(
    lived: tuple[Live, dict[str, datetime], datetime],
) -> None:
    live, first_seen, taken_away = lived
    for name in JOBS:
        lines = witnessed(live, name)
        words = [line[0] for line in lines]
        assert words == ["start", "end"] * (len(words) // 2), "never beside itself"
        assert [line[1] for line in lines[::2]] == [line[1] for line in lines[1::2]]

        known = live.executions(f"p/{name}")
        verdicts = Counter(
            slot for one in known if one["trigger"] in ("schedule", "catch_up") for slot in slots_of(one)
        )
        due = grid(first_seen[name] + timedelta(milliseconds=1), taken_away)
        assert [slot for slot in due if slot not in verdicts] == [], "every slot has a verdict"
        assert [slot for slot, times in verdicts.items() if times > 1] == [], "and only one"

        attempts = Counter((line[3], line[4]) for line in lines[::2] if line[2] != "manual")
        assert [attempt for attempt, times in attempts.items() if times > 1] == [], "one start per attempt"

        started = {one["id"]: one for one in known if one["started_at"]}
        assert {line[1] for line in lines} == set(started)
        assert {one["state"] for one in started.values()} <= {"succeeded", "failed"}
        assert [identity for identity in started if live.output(identity) != LINES] == []
    assert {one["trigger"] for one in live.executions()} >= {"schedule", "retry", "manual"}


def test_a_killed_scheduler_does_not_touch_running_jobs_and_the_next_one_rules_them(live: Live, gate: Gate) -> None:
    live.up()
    identity = live.cli("run", "-d", "gated").stdout.strip()
    until(lambda: live.output(identity))
    pids = [pid for pid in live.processes() if "gated.py" in command(pid)]
    live.kill()
    live.up()
    assert [pid for pid in live.processes() if "gated.py" in command(pid)] == pids
    assert [one["id"] for one in live.json("ps")] == [identity]
    assert live.cli("run", "gated", check=False).returncode == 1
    live.cli("stop", identity)
    assert [(one["id"], one["state"]) for one in live.ended()] == [(identity, "stopped")]


def test_a_start_that_waited_is_over_with_its_end_whatever_becomes_of_the_scheduler(live: Live, gate: Gate) -> None:
    journal = live.root / ".windmill" / "journal"
    live.up()
    first = live.cli("run", "-d", "gated").stdout.strip()
    until(lambda: live.output(first))
    with live.terminal("run", "--wait", "gated") as waiting:
        until(lambda: any(b'"waiting"' in path.read_bytes() for path in journal.glob("scheduler/*.seg")))
        gate.open()
        until(lambda: len(live.executions()) == 2)
        live.kill()
        live.up()
        assert waiting.wait(20) == 0
    assert live.cli("run", "gated").stdout == "begun\nended\n"
    assert len(live.ended()) == 3


@contextmanager
def kept_from_writing(live: Live) -> Iterator[None]:
    """Nobody else can write the store inside the block."""
    if live.server is not None:
        live.server.freeze()
        yield
        live.server.thaw()
        return
    store = live.root / ".windmill" / "windmill.db"
    with closing(sqlite3.connect(store, isolation_level=None, timeout=20)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_what_jobs_wrote_and_how_they_ended_outlasts_a_store_that_is_away(live: Live) -> None:
    live.script("witness.py", WITNESS)
    live.job("a", witness_job(live, "a"))
    live.up()
    until(lambda: live.ended("p/a"))

    def ends() -> int:
        return sum(line[0] == "end" for line in witnessed(live, "a"))

    with kept_from_writing(live):
        stored, before = len(live.ended()), ends()
        until(lambda: ends() >= before + 3)
        live.kill()
        live.up()
        until(lambda: ends() >= before + 6)
        assert len(live.ended()) <= stored + 1  # one may have been on its way
    settle(live)

    def ended() -> set[str]:
        return {one["id"] for one in live.ended()}

    until(lambda: ended() >= {line[1] for line in witnessed(live, "a")}, timeout=60)  # the recorder backs off to 5 s
    assert ended() == {line[1] for line in witnessed(live, "a")}
    assert [identity for identity in ended() if live.output(identity) != LINES] == []


BROKEN = {
    "a word that is no key": ("entry_point: witness.py\nshedule: {interval: 500ms}\n", 2, "schedule"),
    "a value of the wrong kind": ("entry_point: witness.py\nschedule: {interval: soon}\n", 2, "interval"),
    "no YAML at all": ("entry_point: witness.py\nschedule: {interval: 500ms\nowner: x\n", 3, ""),
}


@pytest.mark.parametrize(("text", "line", "word"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_stops_nothing_is_shown_with_its_place_and_is_forgotten_when_repaired(
    live: Live, text: str, line: int, word: str
) -> None:
    live.script("witness.py", WITNESS)
    path = live.job("a", witness_job(live, "a"))
    live.up()
    until(lambda: live.ended("p/a"))
    path.write_text(text)
    until(lambda: problems(live))
    assert [(one["file"], one["line"]) for one in problems(live)] == [("jobs.d/a.yaml", line)]
    assert word in problems(live)[0]["message"] + problems(live)[0]["hint"]
    goes_on(live)
    live.terminate()
    live.up()
    until(lambda: problems(live))
    goes_on(live)
    live.job("a", witness_job(live, "a", 2))
    until(lambda: not problems(live))
    until(lambda: live.json("show", "a")["job"]["owner"] == "version-2")
    goes_on(live)


def problems(live: Live) -> list[Document]:
    found: list[Document] = json.loads(live.cli("problems", "--json", check=False).stdout)
    return found


def goes_on(live: Live) -> None:
    """The job is started again, and again."""
    before = len(live.ended("p/a"))
    until(lambda: len(live.ended("p/a")) >= before + 2)


def test_of_two_files_that_claim_one_name_neither_counts_and_what_ran_goes_on(live: Live) -> None:
    live.script("witness.py", WITNESS)
    live.job("a", witness_job(live, "a", 1))
    live.up()
    until(lambda: live.ended("p/a"))
    rival = live.job("rival", "name: a\n" + witness_job(live, "a", 2))
    until(lambda: {one["file"] for one in problems(live)} == {"jobs.d/a.yaml", "jobs.d/rival.yaml"})
    goes_on(live)
    assert live.json("show", "a")["job"]["owner"] == "version-1"
    rival.unlink()
    until(lambda: not problems(live))
    goes_on(live)


TREE = """
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    deaf = [sys.executable, "-c", code, os.environ["MARK"]]

    def forked_twice(command):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp(command[0], command)
            os._exit(0)
        os.wait()

    subprocess.Popen(deaf)
    subprocess.Popen(deaf, start_new_session=True)
    subprocess.Popen(["env", "-i", "setsid", *deaf])
    forked_twice(deaf)
    forked_twice(["env", "-i", "setsid", *deaf])
    print("planted")
    time.sleep(600)
"""
PLANTED = 5


@pytest.mark.parametrize("how", ["stop", "timeout"])
def test_after_stop_or_timeout_no_process_of_the_execution_is_left(live: Live, how: str) -> None:
    mark = f"{live.root}/mark"
    live.script("tree.py", TREE)
    timeout = "timeout: 3s\n" if how == "timeout" else ""
    live.job("tree", f"entry_point: tree.py\nenv: {{MARK: '{mark}'}}\nkill_grace: 200ms\n{timeout}")

    def planted() -> list[int]:
        return [pid for pid in live.processes() if mark in command(pid) and "sleep(600)" in command(pid)]

    live.up()
    live.cli("run", "-d", "tree")
    until(lambda: len(planted()) == PLANTED)
    if how == "stop":
        live.cli("stop", "tree")
    until(live.ended)
    assert planted() == []
    assert [one["state"] for one in live.ended()] == ["stopped" if how == "stop" else "timed_out"]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
