"""Every route of the application, with something in place of its parts: for what holds for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from flask import Flask

FILLED: Final = {
    "project": "shop",
    "filename": "style.css",
    "name": "hello",
    "identity": "3f2a91c0",
    "wish": "0" * 32,
}
PART: Final = re.compile(r"<(?:(?P<kind>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")


class Route(NamedTuple):
    method: str
    path: str
    endpoint: str

    @property
    def safe(self) -> bool:
        return self.method in {"GET", "HEAD", "OPTIONS"}


def routes(app: Flask) -> Iterator[Route]:
    """Yield every method and path that is answered."""
    for rule in app.url_map.iter_rules():
        path = PART.sub(_filled, rule.rule)
        yield from (Route(method, path, rule.endpoint) for method in sorted(rule.methods or ()))


def _filled(part: re.Match[str]) -> str:
    return "1" if part["kind"] in {"int", "float"} else FILLED.get(part["name"], "x")
