"""The root command: its verbs, loaded one at a time, and the options all of them know."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

import rich_click as click

from windmill.cli.session import Session

# Verb -> where its command is, in the order of the help. A module is imported only when its verb is called.
VERBS: Final = {
    "init": "init:init",
    "import": "import_:import_",
    "up": "up:up",
    "dashboard": "dashboard:dashboard",
    "sign-in": "sign_in:sign_in",
    "run": "run:run",
    "rerun": "rerun:rerun",
    "stop": "executions:stop",
    "pause": "pause:pause",
    "resume": "pause:resume",
    "ps": "executions:ps",
    "logs": "executions:logs",
    "jobs": "jobs:jobs",
    "next": "jobs:next_starts",
    "show": "show:show",
    "validate": "check:validate",
    "problems": "check:problems",
    "plan": "plan:plan",
    "schedule": "schedule:schedule",
    "schema": "schedule:schema",
    "openapi": "openapi:openapi",
    "doctor": "doctor:doctor",
    "projects": "projects:projects",
    "sync": "projects:sync",
    "env": "env:env",
    "notify": "notify:notify",
    "purge": "purge:purge",
    "export": "export:export",
    "restore": "restore:restore",
    "completion": "shell:completion",
    "version": "shell:version",
}
GROUPS: Final = {
    "Begin": ["init", "import", "up", "dashboard"],
    "Run": ["run", "rerun", "stop", "pause", "resume"],
    "See": ["ps", "logs", "jobs", "next", "show"],
    "Check": ["validate", "problems", "plan", "schedule", "schema", "openapi", "doctor"],
    "Tell": ["notify"],
    "Projects": ["projects", "sync", "env"],
    "Keep": ["purge", "export", "restore"],
    "Shell": ["completion", "version"],
}


HELP: Final = {
    "command_groups": {"windmill": [{"name": name, "commands": verbs} for name, verbs in GROUPS.items()]},
    "max_width": 110,
    "text_paragraph_linebreaks": "\n\n",
    "padding_helptext_first_line": (0, 0, 1, 0),
    "commands_before_options": True,
}


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        setattr(context.ensure_object(Session), str(parameter.name), value)


def global_options(*, hidden: bool = False) -> list[click.Parameter]:
    """Return the options that may stand before or after any verb; they fill the Session."""

    def option(*names: str, text: str, **more: Any) -> click.Parameter:
        return click.RichOption(names, help=text, expose_value=False, callback=_remember, hidden=hidden, **more)

    return [
        option("home_option", "--home", text="The home to work on.", type=click.Path(path_type=Path), metavar="DIR"),
        option("json", "--json", text="Print JSON instead of a table.", is_flag=True),
        option("quiet", "-q", "--quiet", text="Say nothing on stderr but errors.", is_flag=True),
        option("verbose", "-v", "--verbose", text="Show where an internal error happened.", is_flag=True),
        option("no_color", "--no-color", text="No colours; NO_COLOR=1 does the same.", is_flag=True),
    ]


class Verb(click.RichCommand):
    """A command that also knows the global options, so that `windmill ps --json` works as it reads."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.params.extend(global_options(hidden=True))


class Verbs(click.RichGroup):
    """A group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb's command, or None for an unknown verb."""
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"windmill.cli.{module}"), attribute)
        return command


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from windmill import __version__

        print(f"windmill {__version__}")
        context.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "rich_help_config": HELP})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def root() -> None:
    """Run Python scripts on a schedule, from files in git.

    Examples:
        windmill init demo && cd demo     make a home with an example job
        windmill up                       run its jobs until Ctrl-C
        windmill ps                       what runs now
        windmill logs -f hello            follow a job's output
        windmill run hello                run a job now and wait for it

    The options --home, --json, -q, -v and --no-color may stand before or after any verb.

    A home is a directory with windmill.toml, jobs.d/ and projects/. It is found from --home, WINDMILL_HOME, or the
    nearest parent directory that holds windmill.toml.

    Exit status: 0 ok, 1 failed, 2 usage, 3 problems found, 4 not found, 5 store unreachable, 130 interrupted.
    """


root.params.extend(global_options())
