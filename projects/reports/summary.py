"""Print units and amount by region, with visible progress."""

import argparse
import time
from collections import defaultdict
from decimal import Decimal

from sales import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default="all", help="one region, or all")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds to linger on each region")
    asked = parser.parse_args()

    units: dict[str, int] = defaultdict(int)
    amount: dict[str, Decimal] = defaultdict(Decimal)
    for sale in read():
        units[sale.region] += sale.units
        amount[sale.region] += sale.amount
    regions = sorted(units) if asked.region == "all" else [asked.region]
    if unknown := set(regions) - units.keys():
        raise SystemExit(f"no sales in {', '.join(unknown)}; regions: {', '.join(sorted(units))}")

    for number, region in enumerate(regions, start=1):
        print(f"[{number}/{len(regions)}] {region}  {units[region]:>6} units  {amount[region]:>12,.2f}")
        time.sleep(asked.pause)
    print(f"total     {sum(units[r] for r in regions):>6} units  {sum(amount[r] for r in regions):>12,.2f}")


if __name__ == "__main__":
    main()
