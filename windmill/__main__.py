"""`python -m windmill`, and the command `windmill`."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from windmill.cli import main


def run() -> NoReturn:
    """Run the command that the arguments name, and leave with its exit status."""
    status = main()
    if "pymongo" in sys.modules:  # as the interpreter ends it waits half a second for threads that only sleep
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    run()
