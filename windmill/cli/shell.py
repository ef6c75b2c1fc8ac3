"""`completion` and `version`."""

from __future__ import annotations

import platform
import sys

import rich_click as click
from click.shell_completion import get_completion_class

from windmill import __version__
from windmill.cli.root import Verb
from windmill.cli.session import Session


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes verbs, options and job names.

    Examples:
        eval "$(windmill completion bash)"     in ~/.bashrc
        eval "$(windmill completion zsh)"      in ~/.zshrc
        windmill completion fish > ~/.config/fish/completions/windmill.fish

    It is in effect in the next shell.
    """
    from windmill.cli.root import root

    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f'no completion for "{shell}"')
    print(kind(root, {}, "windmill", "_WINDMILL_COMPLETE").source())


@click.command(cls=Verb)
@click.pass_obj
def version(session: Session) -> None:
    """Print the versions of WindMill, Python and the kernel.

    Examples:
        windmill version
        windmill version --json

    To see whether they fit together: windmill doctor.
    """
    facts = {"windmill": __version__, "python": platform.python_version(), "kernel": platform.release()}
    if session.json:
        session.print_json(facts | {"executable": sys.executable})
    else:
        print("  ".join(f"{name} {value}" for name, value in facts.items()))
