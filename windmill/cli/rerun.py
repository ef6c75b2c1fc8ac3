"""`rerun`: run again what an earlier execution ran, or its job as it stands now."""

from __future__ import annotations

import rich_click as click

from windmill.cli.asking import new_request
from windmill.cli.errors import Exit
from windmill.cli.root import Verb
from windmill.cli.run import pair, start
from windmill.cli.session import Session
from windmill.core import wishes
from windmill.core.documents import Document
from windmill.core.errors import NotFound, Refused, WindmillError
from windmill.core.model import is_system


@click.command(cls=Verb)
@click.argument("identity", metavar="ID")
@click.option(
    "-p", "--param", "given", multiple=True, metavar="NAME=VALUE", help="Another value than then; repeatable."
)
@click.option("--head", is_flag=True, help="Run the job as it stands now, and not what that execution ran.")
@click.option("-d", "--detach", is_flag=True, help="Print the new execution's id and leave at once.")
@click.pass_obj
def rerun(session: Session, identity: str, given: tuple[str, ...], head: bool, detach: bool) -> int:
    """Run again exactly what an earlier execution ran.

    Examples:
        windmill rerun 3f2a91           first digits of an id do
        windmill rerun --head 3f2a91    the same params, but the job as it stands now
        windmill rerun 3f2a91 -p day=4  the same but for one param
        windmill rerun -d 3f2a91        start it, print the new id, leave

    That is the same commit with its environment, the same definition and the same params. A revision that is no
    longer on disk is made available again first. Files that are used in place count as they are now, and so do the
    values of secrets; how often a failure is tried again is what the job's file says now.
    """
    known = session.store.execution(identity)
    if known is None:
        raise NotFound(f'no execution has an id that begins with "{identity}"', hint="windmill ps -a lists all")
    asked = wishes.rerun(known) if head else _exactly(session, known)
    asked["params"] |= dict(map(pair, given))
    if "definition" in asked:
        _provide(session, known)
    return start(session, new_request(session, **asked), detach=detach)


def exact_rerun(session: Session, execution: Document) -> tuple[bool, str]:
    """Return whether the execution can be run again exactly, and what there is to say about it."""
    from windmill.app.exact import missing

    if is_system(execution["job"]):
        return False, "it is run as it is now"
    try:
        _exactly(session, execution)
        revision = missing(session.home.projects, execution)
    except WindmillError as error:
        return False, error.message
    if revision:
        return True, "its revision is made available again first"
    return True, "" if execution["revision"] else "its files are used in place, and count as they are now"


def _exactly(session: Session, execution: Document) -> Document:
    """Return what asks for what the execution ran. Raises Refused."""
    return wishes.rerun_exactly(execution, session.store.definition(execution["job_digest"]))


def _provide(session: Session, execution: Document) -> None:
    """Have the code of then on disk. Raises Refused where that cannot be."""
    from windmill.app.exact import missing

    project = execution["job"].partition("/")[0]
    if key := missing(session.home.projects, execution):
        session.say(f"revision {key} of {project} is not on disk: it is made available again")
        request = new_request(session, **wishes.provide(project, key))
        if start(session, request, detach=False, aside=True) != Exit.OK:
            raise Refused(f"revision {key} of {project} cannot be made available again", hint=wishes.HEAD)
    elif execution["revision"] is None:
        session.say(f"the files of {project} are used in place: what they were then is not known")
