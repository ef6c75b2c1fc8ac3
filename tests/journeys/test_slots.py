"""What becomes of due jobs: overruns, retries, the cap, limits, and how the entry point is started."""

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.support.live import Live
from tests.support.scripts import Gate
from tests.support.waiting import until
from windmill.core.documents import Document

SLOW = "import time\ntime.sleep(0.7)\n"


def when(one: Document, name: str) -> datetime:
    return datetime.fromisoformat(one[name])


def ran_by_hand(live: Live, job: str) -> tuple[Document, str]:
    """Run the job without a scheduler; return its execution and its output as stored."""
    live.cli("run", job, check=False)
    done = live.executions(f"p/{job}")[-1]
    return done, live.output(done["id"]).decode()


def test_a_job_that_overruns_starts_again_as_soon_as_it_has_ended(live: Live) -> None:
    live.script("slow.py", SLOW)
    live.job("slow", "entry_point: slow.py\nschedule: {interval: 500ms}\n")
    live.up()
    until(lambda: len(live.ended()) >= 4)
    done = live.ended()[:4]
    firsts = [when(later, "coalesced_from" if later["coalesced"] else "slot") for later in done[1:]]
    assert all(first <= when(earlier, "ended_at") for first, earlier in zip(firsts, done[:-1], strict=True))
    assert {one["trigger"] for one in live.executions()} == {"schedule"}
    assert not any(one["state"] == "skipped" for one in live.executions())


def test_with_overrun_skip_it_waits_for_the_next_slot_and_the_others_say_why(live: Live) -> None:
    live.script("slow.py", SLOW)
    live.job("slow", "entry_point: slow.py\nschedule: {interval: 500ms, overrun: skip}\n")
    live.up()
    until(lambda: len(live.ended()) >= 3)
    done = live.ended()[:3]
    assert all(when(later, "slot") > when(earlier, "ended_at") for earlier, later in pairwise(done))
    assert {one["reason"] for one in live.executions() if one["state"] == "skipped"} == {"overrun"}


def test_a_failure_is_tried_again_so_often_and_each_attempt_names_the_one_before(live: Live) -> None:
    live.script("bad.py", "import os\nprint('attempt', os.environ['WINDMILL_ATTEMPT'])\nraise SystemExit(3)\n")
    live.job("bad", "entry_point: bad.py\nretry: {limit: 2, delay: 200ms, backoff: 2}\n")
    live.up()
    live.cli("run", "bad", check=False)
    until(lambda: len(live.ended()) == 3)
    first, second, third = live.ended()
    assert [one["attempt"] for one in (first, second, third)] == [1, 2, 3]
    assert [one["trigger"] for one in (first, second, third)] == ["manual", "retry", "retry"]
    assert (second["retry_of"], third["retry_of"]) == (first["id"], second["id"])
    assert when(second, "started_at") - when(first, "ended_at") >= timedelta(milliseconds=200)
    assert when(third, "started_at") - when(second, "ended_at") >= timedelta(milliseconds=400)
    assert live.output(third["id"]) == b"attempt 3\n"


def test_what_the_cap_holds_is_seen_as_queued_and_starts_in_the_order_it_became_due(live: Live, gate: Gate) -> None:
    (live.root / "windmill.toml").write_text("[scheduler]\nmax_running = 1\n")
    live.script("quick.py", "")
    for name in ("zebra", "ant", "bee"):
        live.job(name, "entry_point: quick.py\n")
    live.up()
    live.cli("run", "-d", "gated")
    for name in ("zebra", "ant", "bee"):
        live.cli("run", "-d", name)
    until(lambda: len(live.json("ps")) == 4)
    assert [(one["job"], one["state"]) for one in live.json("ps")] == [
        ("p/gated", "running"),
        ("p/zebra", "queued"),
        ("p/ant", "queued"),
        ("p/bee", "queued"),
    ]
    gate.open()
    until(lambda: len(live.ended()) == 4)
    assert [one["job"] for one in sorted(live.ended(), key=lambda one: str(one["started_at"]))] == [
        "p/gated",
        "p/zebra",
        "p/ant",
        "p/bee",
    ]


def test_an_execution_that_takes_too_long_is_ended_and_says_so(live: Live) -> None:
    live.script("long.py", "import time\nprint('begun')\ntime.sleep(600)\n")
    live.job("long", "entry_point: long.py\ntimeout: 500ms\n")
    done, output = ran_by_hand(live, "long")
    assert (done["state"], done["reason"], output) == ("timed_out", "timeout", "begun\n")


NOT_STARTED = {
    "a file that is not there": ("gone.py", None, "does not exist"),
    "a file that is not executable": ("plain.sh", "#!/bin/sh\n", "is not executable"),
    "a shebang that leads nowhere": ("lost.sh", "#!/no/such/interpreter\n", "names /no/such/interpreter"),
    "a script with Windows line endings": ("windows.sh", "#!/bin/sh\r\n", "Windows line endings"),
}


@pytest.mark.parametrize(("entry", "text", "words"), NOT_STARTED.values(), ids=NOT_STARTED)
def test_what_cannot_be_started_fails_with_the_reason_in_words(
    live: Live, entry: str, text: str | None, words: str
) -> None:
    if text is not None:
        live.script(entry, text)
        (live.root / "projects" / "p" / entry).chmod(0o644 if entry == "plain.sh" else 0o755)
    live.job("bad", f"entry_point: {entry}\n")
    done, _ = ran_by_hand(live, "bad")
    assert (done["state"], done["started_at"]) == ("failed", None)
    assert done["reason"].startswith("not_started: ")
    assert entry in done["reason"]
    assert words in done["reason"]


@pytest.mark.parametrize("source", ["from_env: LIVE_CANARY", "from_file: secret.txt"])
def test_a_secret_reaches_the_job_and_nothing_that_windmill_keeps(
    live: Live, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "c4nary-" + os.urandom(12).hex()
    monkeypatch.setenv("LIVE_CANARY", canary)
    (live.root / "projects" / "p" / "secret.txt").write_text(canary + "\n")
    live.script(
        "tell.py",
        """
        import base64, os, sys, time
        token = os.environ["TOKEN"]
        print("plain", token, "length", len(token))
        print("encoded", base64.b64encode(token.encode()).decode())
        sys.stdout.write(token[:9]); sys.stdout.flush(); time.sleep(0.3); print(token[9:], "in two pieces")
        print(token, file=sys.stderr)
        """,
    )
    live.job("tell", f"entry_point: tell.py\nsecrets: [{{name: TOKEN, {source}}}]\n")
    live.up()
    shown = live.cli("run", "tell")
    done = live.ended()[0]
    output = live.output(done["id"]).decode()
    assert f"plain *** length {len(canary)}" in output
    assert "encoded ***" in output
    assert "*** in two pieces" in output
    forms = [canary.encode(), base64.b64encode(canary.encode())]
    kept = {path: path.read_bytes() for path in (live.root / ".windmill").rglob("*") if path.is_file()}
    live.terminate()
    kept |= {path: path.read_bytes() for path in (live.root / ".windmill").rglob("*") if path.is_file()}
    assert [path for path, content in kept.items() if any(form in content for form in forms)] == []
    assert canary not in shown.stdout + shown.stderr + live.messages()


def test_a_terminal_is_there_for_programs_that_want_one(live: Live) -> None:
    live.script("tty.py", "import os, sys\nprint(sys.stdout.isatty(), *os.get_terminal_size())\n")
    live.job("tty", "entry_point: tty.py\nterminal: true\n")
    _, output = ran_by_hand(live, "tty")
    assert output.split() == ["True", "120", "24"]


def test_environment_folder_and_arguments_are_those_of_the_job_alone(live: Live) -> None:
    (live.root / "projects" / "p" / "data").mkdir()
    (live.root / "projects" / "p" / "job.env").write_text("FROM_FILE=one\nBOTH=file\n")
    live.script(
        "facts.py",
        """
        import os, sys
        print(os.getcwd(), sys.argv[1:], sys.stdin.read() == "")
        print(os.environ["FROM_FILE"], os.environ["BOTH"], "LIVE_HOME" in os.environ)
        """,
    )
    live.job(
        "facts",
        """
        entry_point: facts.py
        working_dir: data
        args: ["--id", "${execution}", "two words; $HOME"]
        env_file: [job.env]
        env: {BOTH: job}
        """,
    )
    done, output = ran_by_hand(live, "facts")
    folder = live.root / "projects" / "p" / "data"
    assert output.splitlines() == [
        f"{folder} {['--id', done['id'], 'two words; $HOME']} True",
        "one job False",
    ]


def test_memory_beyond_the_limit_is_refused_to_the_job(live: Live) -> None:
    live.script(
        "hungry.py",
        """
        try:
            bytearray(512 * 1024 * 1024)
        except MemoryError:
            print("refused")
        """,
    )
    live.job("hungry", "entry_point: hungry.py\nlimits: {memory: 256MiB}\n")
    _, output = ran_by_hand(live, "hungry")
    assert output == "refused\n"


def test_output_beyond_its_limit_keeps_both_ends_and_counts_the_cut(live: Live) -> None:
    live.script("flood.py", "print('first')\nprint('x' * 300_000)\nprint('last')\n")
    live.job("flood", "entry_point: flood.py\noutput: {max_size: 64KiB}\n")
    done, output = ran_by_hand(live, "flood")
    assert output.startswith("first\n")
    assert output.endswith("last\n")
    assert done["output_bytes"] == 300_012
    kept = done["output_bytes"] - done["cut_bytes"]
    assert kept <= len(output) < done["output_bytes"]  # a block that is only partly cut stays in the store
    assert kept <= 64 << 10
    assert f"{done['cut_bytes']:,}" in live.cli("logs", "flood").stdout.replace("_", ",")


def test_up_once_leaves_when_nothing_is_due(live: Live) -> None:
    live.script("quick.py", "print('quick')\n")
    live.job("quick", "entry_point: quick.py\nschedule: {interval: 1h, start_at: '2026-01-01T00:00:00Z'}\n")
    assert live.cli("up", "--once").returncode == 0
    assert live.executions() == []


def test_nobody_else_can_read_what_windmill_keeps(live: Live, gate: Gate) -> None:
    live.up()
    live.cli("run", "-d", "gated")
    until(live.executions)
    state = live.root / ".windmill"
    assert [
        path for path in (state, *state.rglob("*")) if path.lstat().st_mode & 0o077 and path.parent != state
    ] == []
    assert state.stat().st_mode & 0o777 == 0o700
