"""Scripts for jobs whose ends a test decides, and which witness what happened to them."""

from __future__ import annotations

from pathlib import Path

GATED = """
    import os, pathlib, time
    print("begun")
    while not pathlib.Path(os.environ["GATE"]).exists():
        time.sleep(0.02)
    print("ended")
"""


class Gate:
    """A file that GATED waits for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        self.path.touch()
