"""A store that fails at a chosen point, and is otherwise the real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from windmill.core.errors import Unavailable
from windmill.core.ports import Store


class Crash(BaseException):
    """The process ends here: nothing of the program may catch it."""


class Faults:
    """Raises `error` at step number `at`, counted from 0 over all stores; `met` says whether it came to that."""

    def __init__(self, at: int = -1, error: type[BaseException] = Unavailable) -> None:
        self.at = at
        self.error = error
        self.met = False
        self.count = 0

    def step(self, what: str) -> None:
        """Count one step."""
        self.count += 1
        if self.count - 1 == self.at:
            self.met = True
            raise self.error(f"made to fail {what}")


class FailingStore:
    """Every call is two steps: one before anything was done, one after everything was."""

    def __init__(self, inner: Store, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)
        if name == "close":
            return cast("Callable[..., Any]", method)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._faults.step(f"before {name}")
            result = method(*args, **kwargs)
            self._faults.step(f"after {name}")
            return result

        return call


def failing(inner: Store, faults: Faults) -> Store:
    """Return the store with these faults."""
    return cast("Store", FailingStore(inner, faults))
