"""From a job's name as typed to the one job that is meant. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from windmill.core.errors import NotFound, Refused

SHOWN: Final = 5  # names listed in a message


def job_key(name: str, keys: Iterable[str]) -> str:
    """Return the one key that `name` means: project/name itself, or the name where only one project has it.

    Raises Refused listing the candidates of an ambiguous name, NotFound listing the nearest of an unknown one.
    """
    known = sorted(keys)
    if name in known:
        return name
    same = [key for key in known if key.rpartition("/")[2] == name]
    if len(same) == 1:
        return same[0]
    if same:
        raise Refused(f'"{name}" names {len(same)} jobs', hint="say which one: " + ", ".join(same[:SHOWN]))
    raise NotFound(f'no job is called "{name}"', hint=_nearest(name, known))


def _nearest(name: str, keys: list[str]) -> str:
    if not keys:
        return "there are no jobs yet; windmill validate says what jobs.d holds"
    spellings = {key: key for key in keys} | {key.rpartition("/")[2]: key for key in keys}
    near = dict.fromkeys(spellings[word] for word in difflib.get_close_matches(name, spellings, n=SHOWN))
    return "the nearest: " + ", ".join(near) if near else "windmill jobs lists all"
