"""Two homes on one database by mistake: told apart by the sign of life that a scheduler leaves there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from windmill.core.documents import Document, from_text
from windmill.core.errors import Refused

FRESH: Final = timedelta(seconds=30)  # heartbeats come every two; clocks further apart than this hide a neighbour


def refuse_neighbour(seen: Document | None, own: Document, now: datetime) -> None:
    """Raise Refused when `seen`, the status of the scheduler that wrote last, is of another home and fresh.

    `own` names our `host` and `home`. A scheduler that has left is no neighbour.
    """
    if seen is None or seen.get("left") or "home" not in seen:
        return
    beat = from_text(seen["at"])
    if (seen["host"], seen["home"]) == (own["host"], own["home"]) or beat is None or abs(now - beat) > FRESH:
        return
    raise Refused(
        f"the scheduler of another home uses this database: {seen['home']} on {seen['host']}, seen {seen['at']}",
        hint="give each home a database of its own: mongodb://.../other-name",
    )
