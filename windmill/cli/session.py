"""What every verb is given: the global options, the home they name, and where text goes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from windmill.cli.text import clean_lines
from windmill.core.errors import Unavailable

if TYPE_CHECKING:
    from rich.console import Console

    from windmill.app.home import Home
    from windmill.core.model import Catalog
    from windmill.core.ports import Store


@dataclass
class Session:
    """One command's view of the world. Filled by the global options wherever on the line they stand."""

    home_option: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    known_all_the_same: dict[str, Any] = field(default_factory=dict)  # goes beside an error into its JSON

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment the command was started in."""
        return os.environ

    @property
    def now(self) -> datetime:
        """The wall clock, UTC."""
        from windmill.scheduler.clock import now

        return now()

    @cached_property
    def home(self) -> Home:
        """The home the command works on. Raises NotFound."""
        from windmill.app.home import Home, find_home

        return Home(find_home(self.home_option, self.environ), self.environ)

    @cached_property
    def store(self) -> Store:
        """The store, for reading."""
        return self.home.store(readonly=True)

    @cached_property
    def store_failure(self) -> Unavailable | None:
        """Why the store does not answer, or None; found out once."""
        try:
            self.store.status("scheduler")
        except Unavailable as error:
            return error
        return None

    @cached_property
    def requests(self) -> Store:
        """The store, for handing requests to the scheduler."""
        return self.home.store(readonly=False)

    @cached_property
    def catalog(self) -> Catalog:
        """All jobs as their files say now, and the files' problems."""
        return self.home.catalog()

    @cached_property
    def scheduler_alive(self) -> bool:
        """True when a scheduler ran for this home as the command began."""
        return self.home.scheduler_alive()

    @property
    def on_terminal(self) -> bool:
        """True when a person reads stdout."""
        return sys.stdout.isatty()

    @property
    def colored(self) -> bool:
        """True when stdout may carry colours: https://no-color.org, then --no-color, then what stdout is."""
        return self.on_terminal and not self.no_color and not self.environ.get("NO_COLOR")

    def console(self) -> Console:
        """Return a console on stdout for tables; plain text where colours are not wanted."""
        from rich.console import Console

        return Console(file=sys.stdout, color_system="auto" if self.colored else None, highlight=False, emoji=False)

    def say(self, message: str) -> None:
        """Write a message for the person to stderr, unless they asked for quiet."""
        if not self.quiet:
            print(clean_lines(message), file=sys.stderr, flush=True)

    def print_json(self, data: Any) -> None:
        """Write one JSON value to stdout, as ASCII so that no byte of it can steer a terminal."""
        print(json.dumps(data, indent=2, default=str))

    def close(self) -> None:
        """Release what was opened."""
        for name in ("store", "requests"):
            if name in self.__dict__:
                self.__dict__[name].close()
