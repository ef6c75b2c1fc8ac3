"""`ps`, `logs` and `stop`: what runs, what it wrote, and its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import rich_click as click

from windmill.cli.asking import ask, new_request
from windmill.cli.chains import in_line, line_of
from windmill.cli.errors import Exit
from windmill.cli.known import complete_job, execution_of, recorded_key
from windmill.cli.output import Follower, Printer, ended, last_lines
from windmill.cli.root import Verb
from windmill.cli.run import conclude, exit_status
from windmill.cli.session import Session
from windmill.cli.tables import Column, show
from windmill.cli.text import STATE_STYLES, one_line, relative, span, state_word
from windmill.cli.times import duration
from windmill.cli.told import progress
from windmill.cli.verdicts import trigger
from windmill.core.documents import Document, from_text
from windmill.core.errors import Refused, Unavailable
from windmill.core.line import Place
from windmill.core.model import State
from windmill.core.ports import ExecutionFilter, Stream

PAGE: Final = 200
STREAMS: Final = {"stdout": Stream.STDOUT, "stderr": Stream.STDERR}


@click.command(cls=Verb)
@click.option("-a", "--all", "everything", is_flag=True, help="All executions, newest first, not only open ones.")
@click.option("--job", shell_complete=complete_job, help="Only of this job.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in State]),
    help="Only in this state; repeatable.",
)
@click.option("--last", metavar="DURATION", help="Only the last 24h, 30m, 7d ...")
@click.option("--failure", metavar="FINGERPRINT", default="", help="Only what failed like this: see windmill show.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.pass_obj
def ps(
    session: Session,
    *,
    everything: bool,
    job: str | None,
    states: tuple[str, ...],
    last: str | None,
    failure: str,
    limit: int | None,
) -> None:
    """List what runs or waits to run; with -a or any filter, everything that ever did.

    Examples:
        windmill ps                              open executions, oldest first
        windmill ps -a --limit 20                the newest twenty
        windmill ps --state failed --last 24h    what failed since yesterday
        windmill ps --job nightly --json         one job's, as JSON

    Piped, the columns are separated by tabs: id, job, state, reason, trigger, slot, started_at, ended_at, exit_code,
    progress (0 to 1).
    While the store is away, open executions are listed from local files, and the exit status is 5.
    """
    if not (everything or job or states or last or failure or limit):
        _show_open(session)
        return
    wanted = ExecutionFilter(
        job=recorded_key(session, job) if job else "",
        states=frozenset(map(State, states)),
        since=session.now - duration(last) if last else None,
        failure=failure,
    )
    show(session, columns(session), _pages(session, wanted, limit), empty="no execution matches")


def _show_open(session: Session) -> None:
    try:
        found = session.store.open_executions()
    except Unavailable:
        _show_open_locally(session)
        raise
    places = line_of(session) if any(one["state"] == State.QUEUED for one in found) else {}
    rows = [one | {"line": place._asdict()} if (place := places.get(one["id"])) else one for one in found]
    show(session, columns(session, places), rows, empty=_nothing_open(session))


def _show_open_locally(session: Session) -> None:
    """Show what is open as far as this machine's files tell, before it is said that the store is away."""
    from windmill.app.local import open_executions

    found = open_executions(session.home)
    if session.json:
        session.known_all_the_same["executions"] = found
    else:
        session.say("from local files, as the store does not answer:")
        show(session, columns(session), found, empty="nothing is open")


def _pages(session: Session, wanted: ExecutionFilter, limit: int | None) -> Iterator[Document]:
    cursor, left = None, limit
    while left is None or left > 0:
        page = session.store.executions(wanted, limit=PAGE if left is None else min(PAGE, left), cursor=cursor)
        yield from page.items
        cursor = page.next
        left = None if left is None else left - len(page.items)
        if cursor is None:
            return


def _nothing_open(session: Session) -> str:
    if session.scheduler_alive:
        return "nothing runs now; windmill ps -a shows what did, windmill next what will"
    return "nothing runs, and no scheduler is running: windmill up starts one"


def columns(session: Session, places: Mapping[str, Place] | None = None) -> list[Column]:
    """Return the columns of a list of executions; of those in `places`, people read where in line they stand."""
    now, waits = session.now, {key: in_line(place) for key, place in (places or {}).items()}

    def ago(name: str) -> Column:
        return Column(
            title=name.removesuffix("_at"),
            value=lambda row: row[name],
            pretty=lambda row: relative(instant, now) if (instant := from_text(row[name])) else "",
        )

    return [
        Column(title="id", value=lambda row: row["id"]),
        Column(title="job", value=lambda row: row["job"]),
        Column(
            title="state",
            value=lambda row: row["state"],
            pretty=lambda row: state_word(row["state"]),
            style=lambda row: STATE_STYLES.get(row["state"], ""),
        ),
        Column(
            title="reason",
            value=lambda row: row["reason"],
            pretty=lambda row: waits.get(row["id"]) or one_line(row["reason"], width=40),
        ),
        Column(title="trigger", value=lambda row: row["trigger"], pretty=trigger),
        ago("slot"),
        ago("started_at"),
        Column(title="took", value=lambda row: row["ended_at"], pretty=lambda row: _took(session, row), right=True),
        Column(title="exit", value=lambda row: row["exit_code"], pretty=_exit, right=True),
        Column(title="progress", value=lambda row: (row.get("progress") or {}).get("value"), pretty=progress),
    ]


def _took(session: Session, row: Document) -> str:
    started, ended = from_text(row["started_at"]), from_text(row["ended_at"])
    return span((ended or session.now) - started) if started else ""


def _exit(row: Document) -> str:
    return row["signal"] or ("" if row["exit_code"] is None else str(row["exit_code"]))


@click.command(cls=Verb)
@click.argument("identity", metavar="ID|JOB", shell_complete=complete_job)
@click.option("-f", "--follow", is_flag=True, help="Go on until the execution ends.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Begin N lines before the end.")
@click.option("--stream", type=click.Choice(list(STREAMS)), help="Only what was written there.")
@click.option("-t", "--timestamps", is_flag=True, help="Begin each line with the instant it was written, in UTC.")
@click.option("--raw", is_flag=True, help="The bytes as they are, also on a terminal.")
@click.option("--exit-status", "own_status", is_flag=True, help="Leave with the job's exit code.")
@click.pass_obj
def logs(
    session: Session,
    identity: str,
    *,
    follow: bool,
    tail: int | None,
    stream: str | None,
    timestamps: bool,
    raw: bool,
    own_status: bool,
) -> int:
    """Print what an execution wrote; a job's name stands for its latest one.

    Examples:
        windmill logs hello              the latest execution of a job
        windmill logs -f hello           and go on while it runs
        windmill logs --tail 20 3f2a91   its last lines; first digits of an id do
        windmill logs hello > out.txt    the bytes as the job wrote them

    Both streams go to stdout in the order they were written. A terminal gets colours but no other control sequence,
    unless --raw is given. Where output was cut to its limit, a line says how much is missing.
    """
    known = execution_of(session, identity)
    only = STREAMS[stream] if stream else None
    printer = Printer(colors=session.colored, raw=raw, timestamps=timestamps, only=only)
    after = 0
    if tail is not None:
        after = session.store.last_sequence(known["id"])
        blocks = last_lines(session.store, known["id"], lines=tail, only=only)
        printer.print(blocks, cut_bytes=known["cut_bytes"], head=False)
        after = max([after, *(block.last for block in blocks)])
    execution = Follower(session.store, known["id"], printer, after=after).to_end(wait=follow)
    return exit_status(execution) if own_status else Exit.OK


@click.command(cls=Verb)
@click.argument("identity", metavar="ID|JOB", shell_complete=complete_job)
@click.pass_obj
def stop(session: Session, identity: str) -> int:
    """Stop a running execution, or take back a waiting one; a job's name stands for its latest one.

    Examples:
        windmill stop hello
        windmill stop 3f2a91

    Its processes are asked to end, and killed after the job's kill_grace. Returns when they are gone.
    """
    known = execution_of(session, identity)
    if not session.scheduler_alive:
        raise Refused("no scheduler is running that could stop it", hint="windmill up takes over what still runs")
    ask(session, new_request(session, "stop", execution=known["id"], job=known["job"]))
    session.say(f"stopping {known['id']} of {known['job']}")
    conclude(session, ended(session.store, known["id"]))
    return Exit.OK
