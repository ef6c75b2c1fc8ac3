"""Homes as people see them on the dashboard: one in full work, one with nothing in it, one in trouble."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.support.executions import document
from tests.support.live import Live
from tests.support.stores import open_store
from tests.support.waiting import until
from windmill.core.documents import Document
from windmill.core.model import Cause, State
from windmill.core.ports import Batch, OutputBlock, Stream

PROBLEMS: Final = 3  # the exit status that says that there are some
SETTINGS: Final = """\
timezone = "America/Sao_Paulo"
[groups]
warehouse = 1
"""
TRACEBACK: Final = """\
reading customers.csv
cleaning 48210 rows
Traceback (most recent call last):
  File "/srv/windmill/projects/reports/clean.py", line 88, in <module>
    main()
  File "/srv/windmill/projects/reports/clean.py", line 61, in main
    row["document"] = digits(row["cpf"])
                             ~~~^^^^^^^
KeyError: 'cpf'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a job's past looks like: how often it was due, how long it takes, how often it fails."""

    project: str
    name: str
    text: str
    every: timedelta
    seconds: float
    fails: float = 0.0  # of its executions
    ends: State = State.SUCCEEDED  # its newest one
    days: int = 60
    at_most: int = 400


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PASTS: Final = (
    Past(project="reports", name="nightly-sales", every=DAY, seconds=840, fails=0.05, days=300, text="""
        description: |
          Builds the sales cube.

          When it fails, look at the extract first: `windmill show ingest/customers`.
        entry_point: sales.py
        schedule: 0 2 * * *
        timeout: 2h
        params:
          - {name: region, type: string, default: BR, enum: [BR, PT]}
          - {name: full, type: boolean, default: false}
        labels: {team: dataviz, tier: gold}
        owner: dataviz@example.com
        """),
    Past(project="reports", name="clean-data", every=4 * HOUR, seconds=95, fails=0.1, ends=State.FAILED, text="""
        description: Cleans the customers' file before it is joined
        entry_point: clean.py
        schedule: {interval: 4h}
        retry: {limit: 2, delay: 1m}
        labels: {team: dataviz}
        """),
    Past(project="reports", name="refresh-dashboard", every=HOUR, seconds=190, text="""
        description: Refreshes the figures that the branches see
        entry_point: refresh.py
        schedule: {interval: 1h}
        group: warehouse
        labels: {team: branches}
        """),
    Past(project="reports", name="join-customers", every=6 * HOUR, seconds=130, text="""
        description: Joins customers with their contracts
        entry_point: sales.py
        after: [{job: ingest/customers}]
        labels: {team: dataviz}
        """),
    Past(project="reports", name="publish-branches", every=6 * HOUR, seconds=20, text="""
        description: Publishes the branches' figures
        entry_point: sales.py
        after: [{job: join-customers}, {job: ingest/rates, when: any}]
        labels: {team: branches}
        """),
    Past(project="reports", name="rebuild-index", every=DAY, seconds=70, text="""
        description: Rebuilds the index of documents
        entry_point: refresh.py
        schedule: 0 1 * * *
        group: warehouse
        """),
    Past(project="reports", name="month-end", every=30 * DAY, seconds=5400, days=360, text="""
        description: Closes the month
        entry_point: sales.py
        schedule: 0 5 1 * *
        labels: {team: finance, tier: gold}
        """),
    Past(project="ingest", name="customers", every=6 * HOUR, seconds=47, fails=0.02, text="""
        description: Fetches customers from the warehouse
        entry_point: customers.py
        schedule: {interval: 6h}
        labels: {team: ingest}
        """),
    Past(project="ingest", name="rates", every=timedelta(minutes=30), seconds=3, fails=0.01, text="""
        description: Exchange rates of the central bank
        entry_point: rates.py
        schedule: "*/30 * * * *"
        labels: {team: ingest}
        """),
    Past(project="ingest", name="card-events", every=timedelta(minutes=15), seconds=610, text="""
        description: Card events, as fast as they come
        entry_point: cards.py
        schedule: {interval: 15m}
        labels: {team: cards, tier: gold}
        """),
    Past(project="risk", name="exposure", every=DAY, seconds=1500, fails=0.1, ends=State.TIMED_OUT, days=99, text="""
        description: Exposure of the book, for the morning's meeting
        entry_point: exposure.py
        schedule: 30 6 * * 1-5
        timeout: 25m
        group: warehouse
        labels: {team: risk}
        """),
    Past(project="risk", name="backtest", every=7 * DAY, seconds=9000, days=360, text="""
        description: Tests last week's model against what happened
        entry_point: exposure.py
        enabled: false
        schedule: 0 8 * * 6
        """),
    Past(project="housekeeping", name="tidy", every=DAY, seconds=0.4, text="""
        entry_point: tidy.py
        schedule: 0 4 * * *
        """),
)  # fmt: skip
BROKEN: Final = """\
name: fraud-score
project: risk
entry_point: exposure.py
schedule:
  interval: 15 minutos
  start_at: 2026-13-01
timeot: 1h
"""
LIVELY: Final = """\
import sys, time
print("\\x1b[1mrefreshing\\x1b[0m 60 figures")
for figure in range(60):
    for step in range(21):
        print(f"\\r  figure {figure + 1:2d}  |{'#' * step:<20}| {step * 5:3d} %", end="", file=sys.stderr)
        time.sleep(0.2)
    print(file=sys.stderr)
    print(f"\\x1b[32mok\\x1b[0m figure {figure + 1}")
"""


def full(live: Live) -> None:
    """Give the home four projects and a dozen jobs with a past: some follow others, some wait for their group.

    One runs, one failed, one is paused, a file is broken.
    """
    (live.root / "windmill.toml").write_text(SETTINGS)
    for past in PASTS:
        project = live.root / "projects" / past.project
        project.mkdir(exist_ok=True)
        for name in ("sales", "clean", "refresh", "customers", "rates", "cards", "exposure", "tidy"):
            (project / f"{name}.py").write_text(LIVELY if name == "refresh" else "print('done')\n")
        live.job(past.name, f"project: {past.project}\n{textwrap.dedent(past.text)}")
    remember(live)
    live.up("--port", "0")
    live.cli("pause", "tidy", "--until", "2h", "--note", "the disk is being moved")
    live.cli("run", "customers")
    for name in ("refresh-dashboard", "rebuild-index", "exposure"):
        live.cli("run", "-d", name)
    live.job("fraud-score", BROKEN)
    until(lambda: live.cli("problems", check=False).returncode == PROBLEMS, what="the broken file is known")


def empty(live: Live) -> None:
    """Let the home have nothing in it yet."""
    live.up("--port", "0")


def failing(live: Live) -> None:
    """Let everything go wrong: every file is broken, every execution failed, and the scheduler was killed."""
    live.script("clean.py", "print('reading')\nraise KeyError('cpf')\n")
    for name in ("clean", "join", "publish"):
        live.job(name, "entry_point: clean.py\nschedule: {interval: 1h}\n")
    live.up("--port", "0")
    for name in ("clean", "join", "publish"):
        live.cli("run", name, check=False)
        live.job(name, BROKEN)
    until(lambda: live.cli("problems", check=False).returncode == PROBLEMS, what="the broken files are known")


def remember(live: Live) -> None:
    """Put into the home's store what its jobs did until a few minutes ago."""
    chance, now = random.Random(7), datetime.now(UTC)  # noqa: TID251 - a home that is looked at now
    (live.root / ".windmill").mkdir(mode=0o700)
    with closing(open_store(live.store_uri or str(live.root / ".windmill" / "windmill.db"))) as store:
        for number, past in enumerate(PASTS):
            executions = list(_executions(past, now - timedelta(minutes=4), chance, number * 100_000))
            store.write(Batch(executions=executions, output=[_output(one) for one in executions]))


def _executions(past: Past, until_now: datetime, chance: random.Random, first: int) -> Iterator[Document]:
    count = min(int(timedelta(days=past.days) / past.every), past.at_most)
    for back in range(count):
        due = (until_now - past.every * back).replace(second=0, microsecond=0) - timedelta(seconds=past.seconds)
        state = past.ends if back == 0 else State.FAILED if chance.random() < past.fails else State.SUCCEEDED
        seconds = past.seconds * chance.uniform(0.8, 1.25) * (0.3 if state is State.FAILED else 1)
        failed = {"exit_code": 1, "reason": "exit_code"} if state is State.FAILED else {"exit_code": 0}
        yield document(
            first + back,
            state,
            seconds=seconds,
            job=f"{past.project}/{past.name}",
            trigger=Cause.AFTER if "after:" in past.text else Cause.SCHEDULE,
            slot=due,
            queued_at=due,
            output_bytes=len(TRACEBACK),
            **(failed if state is not State.TIMED_OUT else {"signal": "SIGTERM", "reason": "timeout"}),
        )


def _output(execution: Document) -> OutputBlock:
    text = TRACEBACK if execution["state"] == "failed" else f"reading\n{execution['job']}: done, 48210 rows\n"
    return OutputBlock(execution["id"], 1, 1, Stream.STDOUT, 1_767_268_800_000, text.encode())
