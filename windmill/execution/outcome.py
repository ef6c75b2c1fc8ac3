"""From an exit status to a state and a reason in words. Pure."""

from __future__ import annotations

import signal
from collections.abc import Collection, Sequence
from typing import Any, Final

from windmill.core.model import State

NOT_STARTED: Final = "not_started"

_HINTS: Final = {
    "SIGKILL": ": SIGKILL, which often means that memory ran out",
    "SIGXCPU": ": SIGXCPU, the limit of processor time",
}


def outcome(
    status: int | None,
    *,
    cause: str,
    success_exit_codes: Collection[int],
    complained: bool = False,
    facts: Sequence[str] = (),
) -> dict[str, Any]:
    """Return state, reason, exit_code and signal of an ended execution, as its document has them.

    `status` is an exit code, or a negative signal number, or None when the process outlived KILL. `cause` is what
    `Ladder` says: "" (it ended by itself), "timeout", "stopped by ...". `complained` says that it wrote to stderr
    though a success must not. `facts` are appended to the reason.
    """
    name = _signal_name(-status) if status is not None and status < 0 else None
    state, word = _verdict(status, name, cause, success_exit_codes)
    if state is State.SUCCEEDED and complained:
        state, word = State.FAILED, "stderr"
    return {
        "state": str(state),
        "reason": "; ".join([word, *facts] if word else facts),
        "exit_code": status if status is not None and status >= 0 else None,
        "signal": name,
    }


def _verdict(status: int | None, name: str | None, cause: str, success: Collection[int]) -> tuple[State, str]:
    if cause:
        return (State.TIMED_OUT if cause == "timeout" else State.STOPPED), cause
    if name is not None:
        return State.FAILED, "signal" + _HINTS.get(name, f": {name}")
    return (State.SUCCEEDED, "") if status in success else (State.FAILED, "exit_code")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
