"""How late the loop comes to what is due: the first sign of a machine, or a loop, that has too much to do."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import Final

KEPT: Final = 1000  # of an idle loop, ten minutes


class Lateness:
    """The delays of the timers that ran last."""

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=KEPT)

    def note(self, delay: timedelta) -> None:
        """Take note of one."""
        self._delays.append(delay.total_seconds())

    def summary(self) -> dict[str, float]:
        """Return the delay in seconds that one of a hundred exceeds, and the longest; nothing while there is none."""
        delays = sorted(self._delays)
        return {"p99": delays[(len(delays) - 1) * 99 // 100], "max": delays[-1]} if delays else {}
