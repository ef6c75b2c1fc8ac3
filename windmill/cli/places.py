"""Where a command that needs no home works: in a home, or in a jobs repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from windmill.cli.session import Session
from windmill.core.errors import NotFound

if TYPE_CHECKING:
    from windmill.app.checkout import Checkout


def place_of(session: Session, paths: Sequence[Path], project: str | None) -> Checkout | None:
    """Return the jobs repository that the first path, or the current directory, lies in; None in a home.

    A home that is named counts before everything, else what is nearest. Raises NotFound where there is neither.
    """
    from windmill.app.checkout import find_checkout, no_place

    if session.home_option or session.environ.get("WINDMILL_HOME"):
        return None
    start = paths[0] if paths else Path.cwd()
    checkout = find_checkout(start, project)
    if checkout is None:
        try:
            _ = session.home
        except NotFound:
            raise no_place(start) from None
    return checkout
