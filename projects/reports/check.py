"""Check that every line of data/sales.csv is a sale and that no day is missing; exit 1 with the reason if not."""

import sys
from datetime import date, timedelta

from sales import read


def main() -> int:
    try:
        sales = list(read())
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    days = {date.fromisoformat(sale.day) for sale in sales}
    first, last = min(days), max(days)
    missing = [first + timedelta(n) for n in range((last - first).days) if first + timedelta(n) not in days]
    for day in missing:
        print(f"no sales on {day}", file=sys.stderr)
    print(f"{len(sales)} sales on {len(days)} days, {first} to {last}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
