"""Rows of results and the aligned table they are printed as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADINGS = ("measure", "measured", "budget", "", "ratio", "remarks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured value. `within` is None where no budget exists; `wrong` says what is functionally amiss."""

    measure: str
    measured: str
    budget: str = ""
    within: bool | None = None
    ratio: str = ""
    remarks: str = ""
    wrong: str = ""

    @property
    def verdict(self) -> str:
        """WRONG, ok, over, or nothing."""
        if self.wrong:
            return "WRONG"
        return {True: "ok", False: "over", None: ""}[self.within]


def lines(rows: Iterable[Row]) -> list[str]:
    """Return the table, its columns aligned."""
    cells: list[Sequence[str]] = [HEADINGS]
    for row in rows:
        remarks = "; ".join(filter(None, (row.wrong, row.remarks)))
        cells.append((row.measure, row.measured, row.budget, row.verdict, row.ratio, remarks))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]


def totals(rows: Sequence[Row]) -> str:
    """Return how many rows kept their budget, as one line."""
    count = [row.verdict for row in rows].count
    return f"{count('ok')} within budget, {count('over')} over, {count('WRONG')} wrong, {count('')} for comparison"
