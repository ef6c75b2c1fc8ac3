"""Reading data/sales.csv."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

FILE = Path(__file__).parent / "data" / "sales.csv"


@dataclass(frozen=True)
class Sale:
    """One line of the file."""

    day: str
    region: str
    product: str
    units: int
    price: Decimal

    @property
    def amount(self) -> Decimal:
        return self.units * self.price


def read() -> Iterator[Sale]:
    """Yield every sale. Raises ValueError naming the line that is wrong."""
    with FILE.open(newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            try:
                yield Sale(row["day"], row["region"], row["product"], int(row["units"]), Decimal(row["price"]))
            except (ArithmeticError, KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{FILE.name}:{reader.line_num}: not a sale: {row}") from error
