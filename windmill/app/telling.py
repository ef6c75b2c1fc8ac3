"""What a message says beyond its alert, gathered from the store and from git."""

from __future__ import annotations

from typing import Final

from windmill.alerts.letters import Context
from windmill.alerts.rules import Alert, Rule
from windmill.app.home import Home
from windmill.app.suspects import suspects
from windmill.core.documents import Document
from windmill.core.errors import Unavailable
from windmill.core.failures import repeated
from windmill.core.ports import Store
from windmill.core.tracebacks import fault

TAIL: Final = 64 << 10  # bytes of output that are looked at
_WITH_OUTPUT: Final = frozenset({Rule.FAILED, Rule.LOST, Rule.SLOW})


def context_of(home: Home, store: Store, alert: Alert) -> Context:
    """Return what is known about the alert; less where something cannot be read. Raises Unavailable."""
    job = store.job(alert.about)
    owner = str(job.get("owner", "")) if job else ""
    execution = store.named([alert.execution]).get(alert.execution) if alert.execution else None
    if execution is None or alert.rule not in _WITH_OUTPUT:
        return Context(execution=execution, owner=owner)
    output = b"".join(block.data for block in store.output_tail(execution["id"], size=TAIL))[-TAIL:]
    tail = output.decode(errors="replace")
    return Context(
        execution=execution,
        fault=fault(tail),
        alike=repeated(execution, store),
        suspects=_suspects(home, store, execution),
        tail=tail,
        owner=owner,
    )


def _suspects(home: Home, store: Store, execution: Document) -> list[Document]:
    try:
        return suspects(home, store, execution)
    except Unavailable:
        raise
    except Exception:  # git, in whatever state it is: a message with less is better than none
        return []


def page_of(alert: Alert) -> str:
    """Return the path of the page that has more."""
    if alert.rule is Rule.SILENT:
        return "/"
    if alert.rule is Rule.SYNC:
        return f"/projects/{alert.about}"
    return f"/executions/{alert.execution}" if alert.execution else f"/jobs/{alert.about}"
