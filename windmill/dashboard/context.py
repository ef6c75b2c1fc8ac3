"""What a request reaches: the facts, the time, and a store of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Final, cast

from flask import Flask, current_app, g

from windmill.core.errors import Refused, Unavailable
from windmill.core.ports import Store
from windmill.dashboard.facts import Facts

_KEY: Final = "windmill.facts"


def install(app: Flask, facts: Facts) -> None:
    """Make the facts known to every request of the application, and close what a request opened."""
    app.extensions[_KEY] = facts
    app.teardown_appcontext(_close)


def facts() -> Facts:
    """Return what the application was made with."""
    return cast(Facts, current_app.extensions[_KEY])


def now() -> datetime:
    """Return the instant of this request: the same whenever it is asked for."""
    if "now" not in g:
        g.now = facts().clock()
    return cast(datetime, g.now)


class OtherVersion(Unavailable):
    """The store is there, and this version of WindMill cannot read it; the message and the hint say why."""


def store(*, readonly: bool = True) -> Store:
    """Return this request's store, opened when first asked for. Raises Unavailable, also OtherVersion."""
    name = "reader" if readonly else "writer"
    if name not in g:
        try:
            setattr(g, name, facts().open_store(readonly))
        except Refused as error:
            raise OtherVersion(error.message, hint=error.hint) from error
    return cast(Store, getattr(g, name))


def _close(_: BaseException | None) -> None:
    for name in ("reader", "writer"):
        if (opened := g.pop(name, None)) is not None:
            opened.close()
