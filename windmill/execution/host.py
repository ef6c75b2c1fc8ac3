"""What the executions of a runner share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from windmill.execution.charge import Charge
from windmill.execution.ledger import Ledger
from windmill.execution.loop import Loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The runner, as its executions see it."""

    loop: Loop
    ledger: Ledger
    home: str  # the home's name in cookies
    environ: Mapping[str, str]  # where the basics of a job's environment come from
    files: int  # soft limit of open files that jobs get
    now_ms: Callable[[], int]
    open: dict[str, Charge]  # by execution id; each takes itself out when its end is written
    leaders: set[int] = field(default_factory=set)  # entry points not reaped yet
    fed: set[Charge] = field(default_factory=set)  # those with output to flush
