"""`openapi`: the contract of the API, for those who write programs against it."""

from __future__ import annotations

import rich_click as click

from windmill.cli.root import Verb
from windmill.cli.session import Session


@click.command(cls=Verb)
@click.pass_obj
def openapi(session: Session) -> None:
    """Print the OpenAPI document of the dashboard's API.

    Examples:
        windmill openapi > windmill.openapi.json

    A running dashboard answers with the same at /api/v1/openapi.json.
    """
    from windmill import __version__
    from windmill.dashboard.api import contract

    session.print_json(contract(__version__))
