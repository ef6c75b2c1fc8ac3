"""Messages between scheduler and runner: JSON objects, one per line, over a unix stream socket.

Orders to the runner: {"order": "start", "plan": {...}, "busy": the id of the job's running execution or null},
{"order": "stop", "id", "by"}, {"order": "adopt", "streams": of dead runners, to answer for what they left},
{"order": "retire"} (take no starts any more, end when nothing is left).
Events from it: {"event": "hello", "version", "stream", "position", "retired", "running": {id: job}}, first of all;
{"event": "adopted", "streams", "running": {id: job}};
{"event": "started"|"ended", "document": {...}, "position": [segment, offset]}: a RECORD or END frame, announced.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from windmill.core.documents import from_document, to_document
from windmill.core.ports import ExecutorEventKind, Frame, Kind, Plan, Position

Message = dict[str, Any]

LISTENER: Final = 3  # the runner's listening socket
MESSAGE_MAX: Final = 16 << 20  # bytes; a plan is bounded by the kernel's limit for arguments and environment, 2 MiB
OUTBOX_MAX: Final = 64 << 20  # bytes waiting for a peer that does not read; it is let go then
SOCKET: Final = "sock"  # in the directory of the runner's stream
_BACKLOG: Final = 16
_READ: Final = 256 << 10
_READS_PER_TURN: Final = 16
_PLAIN: Final = tuple(field.name for field in fields(Plan) if field.name != "execution")
_MAPPINGS: Final = ("env", "secret_files")  # the fields of a plan that need not be a dict


class WireError(Exception):
    """What came over the socket is not a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a runner is told at its start."""

    journal: str  # directory
    stream: str  # the one it writes
    home: str  # the home's name in cookies
    version: str
    boot_id: str
    journal_max_size: int  # bytes

    def to_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Start:
        """Return what `to_text` wrote."""
        return cls(**json.loads(text))


def encode(message: Message) -> bytes:
    """Return the message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def from_plan(plan: Plan) -> Message:
    """Return the plan as a message body; `to_plan` reads it."""
    body = {name: getattr(plan, name) for name in _PLAIN}
    mappings = {name: dict(body[name]) for name in _MAPPINGS}
    return body | mappings | {"execution": to_document(plan.execution)}


def to_plan(body: Message) -> Plan:
    """Return the plan written by `from_plan`."""
    values: Message = {name: tuple(value) if isinstance(value, list) else value for name, value in body.items()}
    values["execution"] = from_document(body["execution"])
    return Plan(**values)


def announcement(frame: Frame, position: Position) -> bytes:
    """Return, as one line, the event that announces a RECORD or END frame."""
    kind = ExecutorEventKind.ENDED if frame.kind == Kind.END else ExecutorEventKind.STARTED
    start = f'{{"event":"{kind}","position":[{position.segment},{position.offset}],"document":'
    return start.encode() + frame.payload + b"}\n"


def decode(line: bytes) -> Message:
    """Return the message on a line. Raises WireError."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a message is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise WireError("a message is not a JSON object")
    return message


class Decoder:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages completed by `data`. Raises WireError for anything but JSON objects of bounded size."""
        searched = len(self._rest)
        self._rest += data
        end = self._rest.rfind(b"\n", searched)
        if end < 0:
            if len(self._rest) > MESSAGE_MAX:
                raise WireError("a message is longer than 16 MiB")
            return []
        lines = bytes(self._rest[:end]).split(b"\n")
        del self._rest[: end + 1]
        return [decode(line) for line in lines]


class Channel:
    """One end of a connection: never blocks, gathers what is sent until `flush`."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._decoder = Decoder()
        self._outbox = bytearray()
        self.ended = False  # the peer is gone, or what it says cannot be understood

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Queue the message."""
        self._outbox += encode(message)

    def send_line(self, line: bytes) -> None:
        """Queue a message that is encoded already."""
        self._outbox += line

    def flush(self) -> bool:
        """Send what is queued as far as the peer takes it; return True when nothing is left waiting."""
        try:
            while self._outbox and not self.ended:
                del self._outbox[: self._socket.send(self._outbox)]
        except BlockingIOError:
            self.ended = len(self._outbox) > OUTBOX_MAX
        except OSError:
            self.ended = True
        return not self._outbox or self.ended

    def receive(self) -> list[Message]:
        """Return the messages that have arrived, of a peer already gone too; sets `ended` at their end."""
        messages: list[Message] = []
        for _ in range(_READS_PER_TURN):
            try:
                data = self._socket.recv(_READ)
                messages += self._decoder.feed(data)
            except BlockingIOError:
                break
            except (OSError, WireError):
                data = b""
            if not data:
                self.ended = True
                break
        return messages

    def close(self) -> None:
        """Close the connection."""
        self.ended = True
        self._socket.close()


def listening(directory: Path) -> socket.socket:
    """Return a new socket that listens in the directory. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        with address(directory) as path:
            listener.bind(path)
            Path(path).chmod(0o600)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def address(directory: Path) -> Iterator[str]:
    """Yield an address for the socket in the directory: its own path may be longer than the 107 bytes allowed."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET}"
    finally:
        os.close(fd)
