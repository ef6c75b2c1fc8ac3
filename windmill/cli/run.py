"""`run`: start a job now, show its output, leave with its exit code."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import rich_click as click

from windmill.cli.asking import ask, new_request
from windmill.cli.errors import Exit
from windmill.cli.known import complete_job, wanted_key
from windmill.cli.output import Follower, Printer
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.text import clean, one_line, span, state_word
from windmill.core import wishes
from windmill.core.documents import Document, from_text
from windmill.core.errors import Refused


@click.command(cls=Verb)
@click.argument("job", shell_complete=complete_job)
@click.option(
    "-p", "--param", "given", multiple=True, metavar="NAME=VALUE", help="Set a param of the job; repeatable."
)
@click.option("-d", "--detach", is_flag=True, help="Print the execution's id and leave at once.")
@click.option("--wait", is_flag=True, help="If the job runs already, start when that has ended.")
@click.pass_obj
def run(session: Session, job: str, given: tuple[str, ...], detach: bool, wait: bool) -> int:
    """Run a job now, show its output, and leave with its exit code.

    Examples:
        windmill run hello                        run and watch
        windmill run reports/nightly -p day=3     set a param
        windmill run -d hello                     start it, print the id, leave
        windmill run --wait hello                 once the present one has ended

    The first Ctrl-C stops the execution, the second leaves it running. A job killed by signal n gives 128+n; one that
    was stopped, lost or took too long gives 1. Without a running scheduler the job runs all the same, started from
    here, unless -d is given.
    """
    key = wanted_key(session, job)
    request = new_request(session, **wishes.run(key, dict(map(pair, given)), wait=wait))
    return start(session, request, detach=detach)


def pair(text: str) -> tuple[str, str]:
    """Return the name and value of NAME=VALUE. Raises BadParameter."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f'"{text}" is not NAME=VALUE', param_hint="-p")
    return name, value


def start(session: Session, request: Document, *, detach: bool, aside: bool = False) -> int:
    """Have the execution started that `request` asks for, show it to its end, and return the exit status.

    With `aside`, all it writes goes to stderr: it only prepares what was asked for.
    """
    printer = Printer(colors=session.colored, apart=True, aside=aside)
    if not session.scheduler_alive:
        return _run_alone(session, request, printer, detach=detach)
    progress = "waiting until the execution that runs now has ended" if request["wait"] else ""
    identity = str(ask(session, request, progress=progress)["execution"])
    if detach:
        if session.json:
            session.print_json({"execution": identity})
        else:
            print(identity)
        return Exit.OK
    session.say(f"{request['job']}: execution {identity}")
    return _attend(session, identity, printer)


def _run_alone(session: Session, request: Document, printer: Printer, *, detach: bool) -> int:
    from windmill.app.alone import run_alone

    if detach:
        raise Refused("nothing would run it on: no scheduler is running", hint="windmill up, or leave out -d")
    session.say("no scheduler is running: started from here")
    ended = run_alone(session.home, request, printer.print)
    printer.finish()
    return conclude(session, ended)


def _attend(session: Session, identity: str, printer: Printer) -> int:
    """Follow the execution to its end; the first Ctrl-C stops it, the second lets go of it."""
    follower = Follower(session.store, identity, printer)
    asked = False

    def stop_when_interrupted() -> None:
        nonlocal asked
        if interrupted() and not asked:
            asked = True
            session.say(f"stopping {identity}; Ctrl-C again leaves it to the scheduler")
            session.requests.add_request(new_request(session, "stop", execution=identity))

    with first_interrupt() as interrupted:
        status = conclude(session, follower.to_end(each_turn=stop_when_interrupted))
    return Exit.INTERRUPTED if asked else status


@contextlib.contextmanager
def first_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C inside the block into a fact to be asked for; the second one interrupts as usual.

    So nothing is printed twice or lost because the first one came in the middle of printing it.
    """
    came = False

    def note(*_: object) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)


def conclude(session: Session, execution: Document) -> int:
    """Say how the execution ended and return the exit status that tells it."""
    began, ended = from_text(execution.get("started_at")), from_text(execution.get("ended_at"))
    words = [state_word(execution["state"])]
    if execution.get("exit_code"):
        words.append(f"exit code {execution['exit_code']}")
    if execution.get("signal"):
        words.append(clean(execution["signal"]))
    if execution.get("reason"):
        words.append(one_line(execution["reason"], width=200))
    if began and ended:
        words.append(f"after {span(ended - began)}")
    message = f"{execution['id']} {clean(execution['job'])}: {', '.join(words)}"
    if execution["state"] == "succeeded":
        session.say(message)
    else:
        print(message, file=sys.stderr)
    return exit_status(execution)


def exit_status(execution: Document) -> int:
    """Return the job's own exit code, 128+n for a signal, 1 for every other end that is no success."""
    code: Any = execution.get("exit_code")
    if execution["state"] not in ("succeeded", "failed"):
        return Exit.FAILED
    if execution.get("signal") in signal.Signals.__members__:
        return 128 + signal.Signals[execution["signal"]]
    if code is None:
        return Exit.OK if execution["state"] == "succeeded" else Exit.FAILED
    return int(code) if code or execution["state"] == "succeeded" else Exit.FAILED
