"""`python -m tests.benchmarks core`: every budget that a real `windmill up` on a temporary home can be held to.

`python -m tests.benchmarks pages`: every page of the dashboard, and what they ask of an embedded store of 1,000,000
executions of 2,000 jobs.

`python -m tests.benchmarks viewers`: how soon a hundred people who watch an execution see what it prints.

Values are compared with the budgets of the design and, as a ratio, with what the machine does without WindMill in
the same minute. Nothing is asserted on time; the exit status is 1 when something is functionally wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import gettempdir

from tests.benchmarks import commands, files, outputs, pages, starts, switching, viewers
from tests.benchmarks.machine import facts
from tests.benchmarks.table import Row, lines, totals

Measure = Callable[[], Iterable[Row]]


def core(*, seconds: int, quick: bool) -> Mapping[str, Measure]:
    """Return the measures by name; `quick` ones do the same on little."""
    return {
        "spread": partial(starts.spread, seconds),
        "same-second-100": partial(starts.together, 100, 47, seconds),
        "same-second-1000": partial(starts.together, 1000, 456, seconds),
        "alone": partial(starts.alone, seconds),
        "throughput": partial(starts.throughput, seconds),
        "output": partial(outputs.flood, 32 if quick else 1024),
        "line": partial(outputs.line, 20 if quick else 200),
        "save": partial(files.save, 3 if quick else 20),
        "many": partial(files.many, 300 if quick else 10_000, 2 if quick else 60),
        "switch": partial(switching.switches, *((300, 2, 3) if quick else (10_000, 4, 15))),
        "cli": partial(commands.cli, 3 if quick else 15),
    }


def suites(*, seconds: int, quick: bool) -> Mapping[str, Mapping[str, Measure]]:
    """Return the measures of every suite."""
    return {
        "core": core(seconds=seconds, quick=quick),
        "pages": {"pages": partial(pages.pages, 3_000 if quick else 1_000_000, 3 if quick else 40)},
        "viewers": {"viewers": partial(viewers.viewers, 5 if quick else 100, 3 if quick else 20)},
    }


def measured(names: Iterable[str], measures: Mapping[str, Measure]) -> Iterator[Row]:
    """Run the measures; one that fails is a row that says so, and the others go on."""
    for name in names:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {name}\n")
        try:
            yield from measures[name]()
        except Exception as error:
            yield Row(measure=name, measured="failed", wrong=f"{type(error).__name__}: {error}")


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("suite", choices=["core", "pages", "viewers"])
    parser.add_argument("--only", action="append", metavar="NAME", help="one of the measures; may be repeated")
    parser.add_argument("--quick", action="store_true", help="see that everything works; the values mean little")
    parser.add_argument("--seconds", type=int, help="how long starts are watched (20)")
    options = parser.parse_args(arguments)
    seconds = options.seconds or (3 if options.quick else 20)
    measures = suites(seconds=seconds, quick=options.quick)[options.suite]
    if unknown := set(options.only or ()) - measures.keys():
        parser.error(f"no measure {', '.join(sorted(unknown))}; there are {', '.join(measures)}")
    print(*facts(Path(gettempdir())), sep="\n")
    rows = list(measured(options.only or measures, measures))
    print("", *lines(rows), "", totals(rows), sep="\n")
    return int(any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
