"""A mail server on loopback that keeps what it is given, and refuses it as long as a test says."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread


class MailServer:
    """Use as a context manager. While it `refuses`, no recipient is good enough."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuses = False
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def channel(self) -> str:
        """The URL of a channel that mails to it."""
        port = self._server.server_address[1]
        return f"mailto://127.0.0.1:{port}/?from=windmill@example.com&to=ops@example.com&mode=insecure"

    def __enter__(self) -> MailServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, office: MailServer) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.office = office


class _Conversation(StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 loopback")
        while line := self.rfile.readline():
            if not self._answer(line.decode(errors="replace").strip().upper()):
                return

    def _answer(self, command: str) -> bool:
        if command.startswith("DATA"):
            self._say("354 go on")
            mail = email.message_from_bytes(self._data(), policy=email.policy.default)
            self._say("250 kept")
            self.server.office.mails.append(mail)
        elif command.startswith("RCPT") and self.server.office.refuses:
            self._say("451 not now")
        elif command.startswith("QUIT"):
            self._say("221 bye")
            return False
        else:
            self._say("250 good")
        return True

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
