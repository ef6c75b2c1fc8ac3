"""Print how full file systems are, and keep a snapshot of it in spool/ for later."""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

SPOOL = Path(__file__).parent / "spool"
BAR = 30  # characters


def measure(path: str) -> dict[str, object]:
    """Return the path with its file system's size and use in bytes and percent."""
    total, used, free = shutil.disk_usage(path)
    return {"path": path, "total": total, "used": used, "percent": round(100 * used / (used + free), 1)}


def in_words(row: dict[str, object]) -> str:
    percent = float(row["percent"])
    filled = round(BAR * percent / 100)
    gib = (int(row[key]) / 2**30 for key in ("used", "total"))
    return f"{row['path']:<20} [{'#' * filled:<{BAR}}] {percent:5.1f} %  {next(gib):8.1f} of {next(gib):.1f} GiB"


def keep(rows: list[dict[str, object]], name: str) -> None:
    """Write the snapshot whole or not at all."""
    SPOOL.mkdir(exist_ok=True)
    temporary = SPOOL / f".{name}.tmp"
    temporary.write_text(json.dumps(rows, indent=2) + "\n")
    temporary.replace(SPOOL / f"{name}.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", default=["/"])
    parser.add_argument("--fail-at", type=float, metavar="PERCENT", help="exit 1 when anything is fuller than that")
    asked = parser.parse_args()
    rows = [measure(path) for path in asked.paths]
    for row in rows:
        print(in_words(row))
    keep(rows, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    full = [row["path"] for row in rows if asked.fail_at is not None and float(row["percent"]) > asked.fail_at]
    if full:
        print(f"fuller than {asked.fail_at:g} %: {', '.join(map(str, full))}", file=sys.stderr)
    return 1 if full else 0


if __name__ == "__main__":
    sys.exit(main())
