"""Jobs whose slots and lines can be counted: what must be in the store afterwards is known beforehand."""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from windmill.core.documents import to_text

STEP: Final = timedelta(seconds=1)
LAST: Final = timedelta(milliseconds=900)  # after the last slot: it may start a little late

# Every line names its execution and its number; what was written is noted beside, out of WindMill's sight.
SCRIPTS: Final = {
    "quick": """
        #!/bin/sh
        seq -f "$WINDMILL_EXECUTION %.0f" 1 20
        echo 20 > "$WITNESS/$WINDMILL_EXECUTION"
        """,
    "steady": """
        #!/bin/sh
        for number in 1 2 3 4 5 6; do
            echo "$WINDMILL_EXECUTION $number"
            sleep 0.1
        done
        echo 6 > "$WITNESS/$WINDMILL_EXECUTION"
        """,
    "bulk": """
        #!/bin/sh
        seq -f "$WINDMILL_EXECUTION %.0f" 1 10000
        echo 10000 > "$WITNESS/$WINDMILL_EXECUTION"
        """,
}
KINDS: Final = ("quick", "quick", "quick", "quick", "steady", "steady", "bulk")


class Workload:
    """Jobs that are due at every second from `first` on, `count` times, in the home at `root`."""

    def __init__(self, root: Path, *, first: datetime, count: int) -> None:
        self.witness = root / "witness"
        self._first = first
        self._count = count
        self._jobs = [f"{kind}-{number}" for number, kind in enumerate(KINDS)]
        self._write(root)

    def due(self) -> set[tuple[str, datetime]]:
        """Return every slot that must have a verdict: key of the job and instant."""
        slots = [self._first + number * STEP for number in range(self._count)]
        return {(f"p/{job}", slot) for job in self._jobs for slot in slots}

    def written(self) -> dict[str, int]:
        """Return how many lines each execution wrote that came to its end, by id."""
        found = ((path.name, path.read_text()) for path in self.witness.iterdir())
        return {name: int(text) for name, text in found if text}

    def _write(self, root: Path) -> None:
        self.witness.mkdir()
        for kind, text in SCRIPTS.items():
            script = root / "projects" / "p" / f"{kind}.sh"
            script.write_text(textwrap.dedent(text).lstrip())
            script.chmod(0o755)
        end = self._first + (self._count - 1) * STEP + LAST
        schedule = f"{{interval: 1s, start_at: {to_text(self._first)}, end_at: {to_text(end)}}}"
        for job, kind in zip(self._jobs, KINDS, strict=True):
            (root / "jobs.d" / f"{job}.yaml").write_text(
                f"entry_point: {kind}.sh\nenv: {{WITNESS: {self.witness}}}\nschedule: {schedule}\n"
            )
