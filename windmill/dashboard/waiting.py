"""Those who wait for a place, in words: how far before it is their turn, and what is full."""

from __future__ import annotations

from flask_babel import gettext

from windmill.core.line import Place, by_execution, line
from windmill.dashboard.context import store


def _(sentence: str, **names: object) -> str:
    return str(gettext(sentence, **names))


def in_line(place: Place) -> str:
    """Return where in line an execution stands, and for what."""
    if place.taken < place.cap:
        return _("Starts any moment")
    if place.group:
        full = {"group": place.group, "taken": place.taken, "cap": place.cap}
        if place.number == 1:
            return _("Next in line: group %(group)s is full (%(taken)d of %(cap)d)", **full)
        return _(
            "Number %(number)d in line: group %(group)s is full (%(taken)d of %(cap)d)", number=place.number, **full
        )
    if place.number == 1:
        return _("Next in line: all places are taken (%(cap)d)", cap=place.cap)
    return _("Number %(number)d in line: all places are taken (%(cap)d)", number=place.number, cap=place.cap)


def lines() -> dict[str, str]:
    """Return where each execution that waits stands, by its id, as far as the scheduler tells."""
    return {key: in_line(one) for key, one in by_execution(line(store().status("scheduler"))).items()}
