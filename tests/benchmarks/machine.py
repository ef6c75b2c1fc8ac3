"""What the machine is, and what processes take of it, from /proc."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from windmill import __version__

TICKS = os.sysconf("SC_CLK_TCK")
SOURCES = Path(__file__).parents[2]


def facts(directory: Path) -> list[str]:
    """Return what results depend on, `directory` being where the homes are."""
    asked = ["git", "-C", str(SOURCES), "describe", "--always", "--dirty"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    load = " ".join(f"{one:.2f}" for one in os.getloadavg())
    return [
        f"WindMill {__version__}, commit {commit}, Python {platform.python_version()}",
        f"{os.cpu_count()} cores, Linux {platform.release()}, {_file_system(directory)}, load {load}",
    ]


def _file_system(directory: Path) -> str:
    asked = ["stat", "--file-system", "--format=%T", str(directory)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since a process began, its children not counted, and of these its main thread's."""

    total: float
    main: float

    def __sub__(self, before: Usage) -> Usage:
        return Usage(self.total - before.total, self.main - before.main)

    @property
    def others(self) -> float:
        """What the other threads took."""
        return self.total - self.main


def usage(pid: int) -> Usage:
    """Return what the process has used, in steps of 10 ms as a rule."""
    return Usage(_cpu(Path(f"/proc/{pid}/stat")), _cpu(Path(f"/proc/{pid}/task/{pid}/stat")))


def _cpu(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int, what: str = "VmRSS") -> float:
    """Return the MiB of resident memory now, or with "VmHWM" at most so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"process {pid} tells no {what}")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
