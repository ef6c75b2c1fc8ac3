"""`import`: job files out of the files of other schedulers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from windmill.cli.errors import Exit
from windmill.cli.root import Verb
from windmill.cli.session import Session
from windmill.cli.text import count, one_line
from windmill.core.errors import NotFound, Refused

if TYPE_CHECKING:
    from windmill.app.migration.model import Found, Left, Reading

MAX_BYTES: Final = 1 << 20
SYSTEM: Final = ("/etc/crontab", "/etc/cron.d/")
_DRY = click.option("--dry-run", is_flag=True, help="Only say what would be written.")


@click.group(cls=click.RichGroup, name="import")
def import_() -> None:
    """Make job files out of a crontab, or out of files of Dagu or yacron.

    Examples:
        crontab -l | windmill import crontab -
        windmill import crontab /etc/crontab
        windmill import dagu ~/dags/*.yaml

    Each job gets jobs.d/NAME.yaml and a shell script with its command. Nothing that exists is overwritten. What
    could not be turned is listed with the reason, and the exit status is then 3.
    """


@import_.command(cls=Verb)
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--users/--no-users", default=None, help="Whether a user's name stands before each command.")
@click.option("--project", default="crontab", show_default=True, help="Where the scripts go, under projects/.")
@_DRY
@click.pass_obj
def crontab(session: Session, file: str, users: bool | None, project: str, dry_run: bool) -> int:
    """Turn every entry of a crontab into a job.

    Examples:
        crontab -l | windmill import crontab -
        windmill import crontab --dry-run /etc/cron.d/reports

    /etc/crontab and the files of /etc/cron.d name a user before each command. Environment lines, CRON_TZ, % and
    comments are kept; each command starts in $HOME, as with cron.
    """
    from windmill.app.migration.crontab import read

    named = str(Path(file).absolute()).startswith(SYSTEM) if users is None else users
    return _import(session, read(_text(file), users=named), project=project, write=not dry_run)


@import_.command(cls=Verb)
@click.argument("files", type=click.Path(), nargs=-1, required=True)
@click.option("--project", default="dagu", show_default=True, help="Where the scripts go, under projects/.")
@_DRY
@click.pass_obj
def dagu(session: Session, files: tuple[str, ...], project: str, dry_run: bool) -> int:
    """Turn workflows of Dagu into jobs, one each: its steps run one after another.

    Examples:
        windmill import dagu ~/.config/dagu/dags/*.yaml
    """
    from windmill.app.migration import dagu as theirs

    return _import(session, _read(files, theirs.read), project=project, write=not dry_run)


@import_.command(cls=Verb)
@click.argument("files", type=click.Path(), nargs=-1, required=True)
@click.option("--project", default="yacron", show_default=True, help="Where the scripts go, under projects/.")
@_DRY
@click.pass_obj
def yacron(session: Session, files: tuple[str, ...], project: str, dry_run: bool) -> int:
    """Turn the jobs of yacron into jobs.

    Examples:
        windmill import yacron /etc/yacron.d/*.yaml
    """
    from windmill.app.migration import yacron as theirs

    return _import(session, _read(files, theirs.read), project=project, write=not dry_run)


def _read(files: tuple[str, ...], read: Callable[..., Reading]) -> Reading:
    """Return what all the files hold. Raises Refused for one that is not YAML."""
    import yaml

    from windmill.app.migration.model import Names, Reading

    whole, names = Reading(), Names()
    for file in files:
        try:
            documents = list(yaml.safe_load_all(_text(file)))
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise Refused(f"{file} is not YAML: {one_line(str(error), width=200)}") from None
        for document in documents:
            reading = read(document, stem=Path(file).stem, names=names)
            whole.found += reading.found
            whole.left += reading.left
    return whole


def _text(file: str) -> str:
    """Return what the file holds; - is standard input. Raises NotFound, and Refused for one that is too large."""
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
            content = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise Refused(f"{file} is too large", hint="at most 1 MiB is read")
    return content.decode("utf-8", "replace")


def _import(session: Session, reading: Reading, *, project: str, write: bool) -> int:
    from windmill.app.migration.place import place
    from windmill.core.paths import mistake_in

    if mistake_in(project) or "/" in project or project.startswith("."):
        raise Refused(f'"{project}" cannot be a project', hint="--project takes a plain name, as legacy")
    placed = place(session.home, reading.found, project=project, write=write)
    left = sorted([*reading.left, *placed.left], key=lambda one: one.line)
    if session.json:
        made = [_made(session, *files) for files in placed.files.values()]
        session.print_json({"jobs": made, "left": [_left(one) for one in left], "written": write})
        return Exit.PROBLEMS if left else Exit.OK
    for found, path, script in placed.files.values():
        print(f"{session.home.shown(path)}\t{session.home.shown(script)}\t{'; '.join(found.remarks)}".rstrip())
    for one in left:
        where = f"line {one.line}: " if one.line else ""
        session.say(f"left out: {where}{one_line(one.text, width=100)}\n  {one.why}")
    done = "written" if write else "not written, as asked"
    session.say(f"{count(len(placed.files), 'job')} {done}, {count(len(left), 'thing')} left out")
    return Exit.PROBLEMS if left else Exit.OK


def _made(session: Session, found: Found, path: Path, script: Path) -> dict[str, Any]:
    return {
        "name": found.name,
        "line": found.line or None,
        "file": session.home.shown(path),
        "script": session.home.shown(script),
        "remarks": list(found.remarks),
    }


def _left(left: Left) -> dict[str, Any]:
    return {"line": left.line or None, "text": left.text, "why": left.why}
