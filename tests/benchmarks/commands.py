"""The command line: how long a person waits."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator

from tests.benchmarks import bare, homes
from tests.benchmarks.table import Row
from tests.support.live import WINDMILL


def cli(times: int) -> Iterator[Row]:
    """Ask a home with some jobs that run every second."""
    with homes.home() as live:
        homes.jobs(live, 5, "entry_point: 'true'\nschedule: {interval: 1s, spread: 1s}")
        homes.up(live, 5)
        nothing = statistics.median(bare.elapsed([sys.executable, "-c", "pass"], count=times)) * 1000
        for words, budget in ((["--version"], 150), (["ps"], 250), (["ps", "-a"], 250)):
            found = bare.elapsed([*WINDMILL, "--home", str(live.root), *words], count=times)
            median = statistics.median(found) * 1000
            yield Row(
                measure=f"cli: windmill {' '.join(words)}, median",
                measured=f"{median:.0f} ms",
                budget=f"< {budget} ms",
                within=median < budget,
                ratio=f"{median / nothing:.1f} x python",
                remarks=f"max {max(found) * 1000:.0f}; python -c pass {nothing:.0f}",
            )
