"""The command line: arguments in, one call into the application, text or JSON and an exit status out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; a mistake becomes one message on stderr.

    0 ok, 1 failed, 2 usage, 3 problems found, 4 not found, 5 store unreachable, 130 interrupted; `run` and
    `logs --exit-status` return the job's own.
    """
    from windmill.cli.errors import run_guarded

    status = run_guarded(list(sys.argv[1:] if arguments is None else arguments))
    return _flush() or status


def _flush() -> int:
    """Return 1, as click does, when nobody reads our output any more; else 0."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        # Whatever is still buffered would raise again when the interpreter closes the streams.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return 1
    return 0
