"""What runs beside the scheduler in processes of its own: the dashboard, and what sends messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from windmill.alerts.channels import available
from windmill.app.home import Home
from windmill.app.leashed import LeashedProcess

Say = Callable[[str], None]


def dashboard_process(home: Home, options: list[str], say: Say) -> LeashedProcess:
    """Return the dashboard of the home as a process."""
    trouble = "The dashboard is not up; jobs run all the same, and it is tried again."
    return LeashedProcess(home.root, ["dashboard", "--leashed", *options], say, trouble=trouble)


def alerts_process(home: Home, options: list[str], say: Say) -> LeashedProcess | None:
    """Return what sends the messages of the home as a process; None where there is no channel, or no apprise."""
    if not home.settings.channels or not available():
        return None
    trouble = "No messages are sent at the moment; jobs run all the same, and it is tried again."
    return LeashedProcess(home.root, ["notify", "watch", "--leashed", *options], say, trouble=trouble)


@contextmanager
def together(processes: Iterable[AbstractContextManager[object] | None]) -> Iterator[None]:
    """Enter all of them that there are."""
    with ExitStack() as entered:
        for process in filter(None, processes):
            entered.enter_context(process)
        yield
