"""A job's bytes made fit for a person's terminal: colours stay, everything else that steers it goes."""

from __future__ import annotations

import codecs
import re
from typing import Final

COLOR: Final = re.compile(r"\x1b\[[0-9;:]*m")
# One alternative per kind of sequence (ECMA-48): strings (OSC, DCS, SOS, PM, APC) to their end, CSI, short escapes.
SEQUENCE: Final = re.compile(
    r"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|(?=\x1b))"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-OQ-WYZ`-~\\]"
)
UNFINISHED: Final = re.compile(r"\x1b(?:[\]PX^_][^\x07\x1b]*\x1b?|\[[0-?]*[ -/]*|[ -/]*)\Z")
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
LONGEST: Final = 4096  # characters of a sequence still waited for; a longer one is taken as text
RESET: Final = "\x1b[0m"


class TerminalFilter:
    """Turns the bytes of one stream into text; blocks may be cut anywhere, also inside a character or sequence."""

    def __init__(self, *, colors: bool) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._colors = colors
        self._colored = False
        self._rest = ""

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """Return what of the data is safe to print; `final` also gives what was held back, and resets colours."""
        text = self._rest + self._decode(data, final)
        self._rest = ""
        unfinished = UNFINISHED.search(text)
        if unfinished and not final and len(unfinished[0]) <= LONGEST:
            text, self._rest = text[: unfinished.start()], unfinished[0]
        return self._strip(text) + (RESET if final and self._colored else "")

    def _strip(self, text: str) -> str:
        pieces, position = [], 0
        for match in SEQUENCE.finditer(text):
            pieces.append(CONTROL.sub("", text[position : match.start()]))
            if self._colors and COLOR.fullmatch(match[0]):
                pieces.append(match[0])
                self._colored = True
            position = match.end()
        pieces.append(CONTROL.sub("", text[position:]))
        return "".join(pieces)
