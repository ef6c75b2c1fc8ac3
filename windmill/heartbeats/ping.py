"""What a monitoring service is told, in the two dialects that such services speak."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from windmill.core.model import Execution, State
from windmill.heartbeats.address import Url

BODY_MAX: Final = 10_000  # bytes
MESSAGE_MAX: Final = 1000  # characters of a query
_EXIT_CODES: Final = range(1, 256)


class Signal(StrEnum):
    """What happened; the values are Cronitor's names of states."""

    ALIVE = ""
    START = "run"
    SUCCESS = "complete"
    FAILURE = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """One signal about an execution, or with no execution about WindMill itself."""

    signal: Signal
    execution: str = ""
    exit_code: int | None = None
    reason: str = ""

    @property
    def final(self) -> bool:
        """True for the end of an execution, which has output to show."""
        return self.signal in {Signal.SUCCESS, Signal.FAILURE}


class Request(NamedTuple):
    """An HTTP request; `target` is path and query."""

    method: str
    target: str
    body: bytes


def ping_of(execution: Execution) -> Ping:
    """Return what is to be told of an execution as it stands; any end but success is a failure."""
    if execution.state is State.RUNNING:
        return Ping(signal=Signal.START, execution=execution.id)
    good = execution.state is State.SUCCEEDED
    return Ping(
        signal=Signal.SUCCESS if good else Signal.FAILURE,
        execution=execution.id,
        exit_code=execution.exit_code,
        reason="" if good else ", ".join(filter(None, (execution.state, execution.reason))),
    )


def request(url: Url, ping: Ping, output: bytes = b"") -> Request:
    """Return the request that tells it; `output` is the end of what the execution wrote.

    Cronitor's are the URLs of the host cronitor.link and those with a path /p/KEY/MONITOR; all others are those
    of Healthchecks.
    """
    return _cronitor(url, ping, output) if _is_cronitor(url) else _healthchecks(url, ping, output)


def _is_cronitor(url: Url) -> bool:
    parts = url.path.strip("/").split("/")
    return url.host.lower() == "cronitor.link" or (len(parts) == len(("p", "KEY", "MONITOR")) and parts[0] == "p")


def _healthchecks(url: Url, ping: Ping, output: bytes) -> Request:
    match ping.signal:
        case Signal.START:
            end = "/start"
        case Signal.FAILURE:
            end = f"/{ping.exit_code}" if ping.exit_code in _EXIT_CODES else "/fail"
        case _:
            end = ""
    fields = {"rid": str(UUID(int=int(ping.execution, 16)))} if ping.execution else {}
    return Request("POST", _target(url, end, fields), _body(ping, output) if ping.final else b"")


def _cronitor(url: Url, ping: Ping, output: bytes) -> Request:
    fields = {"state": str(ping.signal), "series": ping.execution} if ping.execution else {}
    if ping.final and ping.exit_code is not None:
        fields["status_code"] = str(ping.exit_code)
    if ping.final and (text := _body(ping, output).decode(errors="replace").strip()):
        fields["message"] = text[-MESSAGE_MAX:]
    return Request("GET", _target(url, "", fields), b"")


def _target(url: Url, end: str, fields: dict[str, str]) -> str:
    path = url.path.rstrip("/") + end if end else url.path
    query = "&".join(filter(None, (url.query, urlencode(fields))))
    return f"{path}?{query}" if query else path


def _body(ping: Ping, output: bytes) -> bytes:
    """Return the reason and whole last lines of the output, BODY_MAX bytes at most."""
    head = ping.reason.encode()[: BODY_MAX // 2] + b"\n" if ping.reason else b""
    room = BODY_MAX - len(head)
    if len(output) <= room:
        return head + output
    tail = output[-room:]
    return head + tail[tail.find(b"\n") + 1 :]
