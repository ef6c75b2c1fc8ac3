"""One list, three forms: a table on a terminal, tab-separated lines when piped, JSON when asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from windmill.cli.session import Session
from windmill.cli.text import clean
from windmill.core.documents import Document

Cell = Callable[[Document], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: `value` is what programs read, `pretty` what people see where that differs, `style` its colour."""

    title: str
    value: Cell
    pretty: Cell | None = None
    style: Callable[[Document], str] | None = None
    right: bool = False


def show(session: Session, columns: Sequence[Column], rows: Iterable[Document], *, empty: str = "") -> None:
    """Print the rows, as they come where a program reads them.

    `empty` is said on stderr where a person would face a table without rows.
    """
    if session.json:
        _print_array(rows)
    elif not session.on_terminal:
        for row in rows:
            print("\t".join(_plain(column.value(row)) for column in columns))
    elif found := list(rows):
        _print_table(session, columns, found)
    elif empty:
        session.say(empty)


def show_facts(session: Session, facts: Sequence[tuple[str, Any]]) -> None:
    """Print named values one per line; those that are None or empty are left out."""
    known = [(name, value) for name, value in facts if value not in (None, "")]
    if not session.on_terminal:
        for name, value in known:
            print(f"{name}\t{_plain(value)}")
        return
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        print(f"{name:<{width}}  {clean(value)}")


def _print_array(rows: Iterable[Document]) -> None:
    """Print the rows as one JSON array, a row per line."""
    before = "[\n"
    for row in rows:
        sys.stdout.write(before + json.dumps(row, default=str))
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def _plain(value: Any) -> str:
    return "" if value is None else clean(value)


def _print_table(session: Session, columns: Sequence[Column], rows: Sequence[Document]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *(
                Text(_plain((column.pretty or column.value)(row)), style=column.style(row) if column.style else "")
                for column in columns
            )
        )
    session.console().print(table)
