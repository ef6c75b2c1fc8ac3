"""What waits for the store: for the loop, in the log, and in a file for those whom the store cannot tell."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from windmill.core.documents import Document, from_text, to_text

_LOG: Final = logging.getLogger(__name__)
_FILE: Final = "store.json"
_FILE_MAX: Final = 16 << 10
_EVERY: Final = timedelta(seconds=2)  # between writings that tell no more than how much waits


def read(state: Path) -> Document | None:
    """Return what the recorder of a home's state directory said last, None when everything is as it should be.

    {"bytes": waiting in the journal, "away_since": text or None, "error": sentence or None, "full": output is being
    cut, "rejected": how many documents were set aside, "at": text}. A recorder that was killed leaves it behind.
    """
    try:
        with (state / _FILE).open("rb") as file:
            known = json.loads(file.read(_FILE_MAX))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and known.keys() >= _nothing().keys() else None


class Backlog:
    """Keeps `document`, logs when it begins or ceases to be bad, and keeps `store.json` in `state` while it is.

    `failures` counts the rounds that failed since the last one that did not.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / _FILE
        self._told: Document = {}  # as written
        self._told_at: datetime | None = None
        self._behind = False  # the store was away, and not everything from then is stored yet
        self.document = _nothing()
        self.failures = 0

    def failed(self, error: str, now: datetime, *, waiting: int, full: bool, rejected: int) -> None:
        """Take note of a round that failed."""
        self.failures += 1
        self._behind = True
        away_since = self.document["away_since"] or to_text(now)
        self._become({"bytes": waiting, "away_since": away_since, "error": error}, full, rejected, now)

    def succeeded(self, now: datetime, *, waiting: int, full: bool, rejected: int) -> None:
        """Take note of a round that did not fail; `waiting` is 0 when it was the last one for now."""
        if since := from_text(self.document["away_since"]):
            _LOG.info("the store is back after %s", timedelta(seconds=(now - since) // timedelta(seconds=1)))
        if self._behind and not waiting:
            self._behind = False
            _LOG.info("what waited in the journal is stored")
        self.failures = 0
        self._become({"bytes": waiting, "away_since": None, "error": None}, full, rejected, now)

    def close(self) -> None:
        """Leave nothing behind that would be believed when nobody keeps it true."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _become(self, facts: Document, full: bool, rejected: int, now: datetime) -> None:
        if full and not self.document["full"]:
            _LOG.warning("the journal has reached its size limit: output of jobs is cut, and counted")
        elif self.document["full"] and not full:
            _LOG.warning("the journal has room again: output of jobs is kept again")
        self.document = facts | {"full": full, "rejected": rejected}
        with suppress(OSError):  # it only informs
            self._tell(now)

    def _tell(self, now: datetime) -> None:
        document = self.document
        if not (document["away_since"] or document["full"] or document["rejected"]):
            if self._told_at is None or self._told:
                self._path.unlink(missing_ok=True)
            self._told, self._told_at = {}, now
            return
        if document == self._told:
            return
        urgent = {**self._told, "bytes": document["bytes"]} != document
        if urgent or self._told_at is None or now >= self._told_at + _EVERY or now < self._told_at:
            temporary = self._path.with_suffix(".tmp")
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(json.dumps(document | {"at": to_text(now)}))
            temporary.rename(self._path)
            self._told, self._told_at = document, now


def _nothing() -> Document:
    return {"bytes": 0, "away_since": None, "error": None, "full": False, "rejected": 0}
