"""Opens the stores of a home for the threads of one process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from windmill.app.home import Home
from windmill.core.ports import Store

if TYPE_CHECKING:
    from windmill.store.mongo_schema import Connection


class Stores:
    """Stores in a database server share one connection, made when first needed; a file is opened anew each time.

    A store belongs to one thread, what it shares does not. The connection lasts as long as the process.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._connections: dict[str, Connection] = {}  # by URI: settings may name another while we run

    def open(self, readonly: bool) -> Store:
        """Return a store, which the caller closes. Raises Unavailable and Refused as `Home.store` does."""
        return self._home.store(readonly=readonly, shared=self._connection)

    def close(self) -> None:
        """Let go of servers; no store is used afterwards."""
        with self._lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()

    def _connection(self, uri: str) -> Connection:
        from windmill.store.mongo_schema import Connection  # noqa: PLC0415 - most homes need no driver

        with self._lock:
            if uri not in self._connections:
                self._connections[uri] = Connection(uri)
            return self._connections[uri]
