"""From exceptions to one message and an exit status."""

from __future__ import annotations

import sys
import traceback
from enum import IntEnum

import rich_click as click

from windmill.cli.session import Session
from windmill.cli.text import clean_lines
from windmill.core.errors import NotFound, Unavailable, WindmillError


class Exit(IntEnum):
    """What a command's exit status says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PROBLEMS = 3
    NOT_FOUND = 4
    UNREACHABLE = 5
    INTERRUPTED = 130


def run_guarded(arguments: list[str]) -> int:
    """Run the command the arguments name and return its exit status; see `windmill.cli.main`."""
    from windmill.cli.root import root

    session = Session()
    try:
        status = root.main(arguments, prog_name="windmill", standalone_mode=False, obj=session)
        return status if isinstance(status, int) else Exit.OK
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except Exception as error:
        return _report(error, session)
    finally:
        session.close()


def _report(error: Exception, session: Session) -> Exit:
    match error:
        case Unavailable():
            _report_away(error, session)
        case WindmillError():
            _complain(str(error))
        case OSError(strerror=str(reason), filename=str(name)):
            _complain(f"{name}: {reason}")
        case _ if session.verbose:
            traceback.print_exception(error)
        case _:
            _complain(
                f"internal error: {type(error).__name__}: {error}\n"
                "  hint: the same command with -v shows where; please report it"
            )
    if isinstance(error, NotFound):
        return Exit.NOT_FOUND
    return Exit.UNREACHABLE if isinstance(error, Unavailable) else Exit.FAILED


def _report_away(error: Unavailable, session: Session) -> None:
    from windmill.cli.outage import in_words, outage

    known = outage(session)
    message = in_words(session, error, known)
    if session.json:
        session.print_json({"error": message, "hint": error.hint, "store": known, **session.known_all_the_same})
    _complain(message + (f"\n  hint: {error.hint}" if error.hint else ""))


def _complain(message: str) -> None:
    print(f"windmill: {clean_lines(message)}", file=sys.stderr)
