"""Hold the stores to their contract on every server there is, and print a table of servers and tests.

SQLite and SecantusDB (a process on loopback; part of the extra `test`) are always there. Name a MongoDB to be tried
as well in WINDMILL_TEST_MONGO_URI: every test makes a database of its own there, `windmill-test-...`, and drops it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from pymongo.errors import PyMongoError

from tests.support.servers import NAMES, opened

_TESTS: Final = Path(__file__).parent.parent / "store"
_MODULES: Final = (
    "test_sqlite.py",
    "test_mongo.py",
    "test_processes.py",
    "test_sqlite_plans.py",
    "test_mongo_plans.py",
)
_AREAS: Final = {  # by a part of the name of a test
    "_plans.py": "query plans",
    "nine_processes": "nine processes",
    "kill_of_the_writer": "kill -9 writer",
    "kill_of_the_server": "kill -9 server",
    "": "contract",
}


class Results:
    """What pytest tells, by server and area."""

    def __init__(self) -> None:
        self.outcomes: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.facts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count each test once: its call, or what kept it from being called."""
        name = report.nodeid
        server = next((server for server in NAMES if server in name), "")
        if not server or (report.when != "call" and report.passed):
            return
        area = next(area for part, area in _AREAS.items() if part in name)
        self.outcomes[server, area][report.outcome] += 1
        if report.user_properties:
            self.facts[server, area].append(", ".join(f"{what} {value}" for what, value in report.user_properties))
        if isinstance(report.longrepr, tuple):  # file, line and reason of what was skipped
            self.facts[server, area].append(report.longrepr[2].lower())


def titles() -> dict[str, str]:
    """Return what each server calls itself."""
    found = {}
    for name in NAMES:
        with TemporaryDirectory() as directory, opened(name, Path(directory)) as server:
            found[name] = server.title()
    return found


def table(results: Results, servers: dict[str, str]) -> Iterator[str]:
    """Yield the lines of the table, then what was counted, and why something was skipped."""
    areas = ["contract", "nine processes", "kill -9 writer", "kill -9 server", "query plans"]
    rows = [["server", *areas]]
    rows += [[title, *(_cell(results.outcomes[name, area]) for area in areas)] for name, title in servers.items()]
    if "elsewhere" not in servers:
        rows.append(["WINDMILL_TEST_MONGO_URI is not set", *["-"] * len(areas)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    for name, title in servers.items():
        yield from (f"{title}, {area}: {fact}" for area in areas for fact in results.facts[name, area])


def _cell(outcomes: Counter[str]) -> str:
    words = [f"{outcomes[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped") if outcomes[outcome]]
    return ", ".join(words) or "-"


def main(arguments: Sequence[str]) -> int:
    """Run the tests and print the table; return the exit status of pytest."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.contracts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--full", action="store_true", help="20 kills, 300 rounds of nine processes, 200,000 executions: some minutes"
    )
    options = parser.parse_args(arguments)
    try:
        servers, results = titles(), Results()
    except PyMongoError as error:
        parser.error(f"WINDMILL_TEST_MONGO_URI: {type(error).__name__}: is the server there, and the URI right?")
    marked = "long or not long" if options.full else "not long"
    modules = [str(_TESTS / module) for module in _MODULES]
    status = pytest.main(["-q", "-p", "no:cacheprovider", "-m", marked, *modules], plugins=[results])
    sys.stdout.writelines(f"{line}\n" for line in ("", *table(results, servers)))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
