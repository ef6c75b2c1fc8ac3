"""Remove all but the newest snapshots from spool/, the one folder this project owns."""

import argparse
from pathlib import Path

SPOOL = Path(__file__).parent / "spool"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=int, default=100, help="how many snapshots stay")
    asked = parser.parse_args()
    snapshots = sorted(SPOOL.glob("*.json"), key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    for path in snapshots[asked.keep :]:
        path.unlink()
        print(f"removed {path.name}")
    print(f"{min(len(snapshots), asked.keep)} of {len(snapshots)} snapshots stay")


if __name__ == "__main__":
    main()
