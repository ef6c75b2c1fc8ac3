"""Which sign of life in the database is another home's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import NOON
from windmill.core.documents import to_text
from windmill.core.errors import Refused
from windmill.scheduler.neighbour import refuse_neighbour

OWN = {"host": "here", "home": "/srv/one"}


def seen(**facts: Any) -> dict[str, Any]:
    return OWN | {"at": to_text(NOON - timedelta(seconds=2)), "left": False} | facts


@pytest.mark.parametrize("other", [{"home": "/srv/two"}, {"host": "there"}])
def test_another_home_or_host_that_lives_is_refused_by_name(other: dict[str, str]) -> None:
    with pytest.raises(Refused, match=next(iter(other.values()))):
        refuse_neighbour(seen(**other), OWN, NOON)


def test_the_way_out_is_a_database_of_its_own() -> None:
    with pytest.raises(Refused, match=r"mongodb://\.\.\./other-name"):
        refuse_neighbour(seen(host="there"), OWN, NOON)


@pytest.mark.parametrize(
    "status",
    [
        None,
        seen(),
        seen(host="there", left=True),
        seen(host="there", at=to_text(NOON - timedelta(seconds=31))),
        {"at": to_text(NOON), "host": "there"},
    ],
    ids=["nobody", "ourselves", "one that has left", "one that is silent", "one of a version without homes"],
)
def test_these_are_no_neighbours(status: dict[str, Any] | None) -> None:
    refuse_neighbour(status, OWN, NOON)
