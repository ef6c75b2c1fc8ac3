"""Environment files: NAME=value lines with comments, quotes and `export`. Nothing is expanded or executed."""

from __future__ import annotations

import re
from typing import Final

from windmill.core.errors import WindmillError

_IGNORED: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_NAME: Final = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_QUOTED: Final = re.compile(r"""(?:'([^']*)'|"([^"\\]*(?:\\.[^"\\]*)*)")""", re.DOTALL)
_PLAIN: Final = re.compile(r"[^\n]*")
_COMMENT: Final = re.compile(r"(?:^|(?<=[ \t]))#")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$", "\n": ""}


def parse(data: bytes, file: str) -> dict[str, str]:
    r"""Return the variables that `data`, the content of `file`, sets; a later line wins.

    Single quotes take everything as it is, double quotes know \n \r \t \" \\ \$, and both may span lines. A plain
    value ends before " #" and has no blanks around it. Raises WindmillError naming file and line, never a value.
    """
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WindmillError(f"{file}:{line}: expected UTF-8 text") from None
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if ignored := _IGNORED.match(text, at):
            at = ignored.end()
            continue
        name = _NAME.match(text, at)
        value = _value(text, name.end()) if name else None
        if name is None or value is None:
            raise WindmillError(
                f"{file}:{text.count(chr(10), 0, at) + 1}: expected NAME=value",
                hint="a name has letters, digits and _; a quote must be closed and only a comment may follow it",
            )
        found[name[1]], at = value
    return found


def _value(text: str, at: int) -> tuple[str, int] | None:
    """Return the value that begins at `at` and where the next line begins, or None when it is malformed."""
    if text[at : at + 1] in {"'", '"'}:
        quoted = _QUOTED.match(text, at)
        rest = _IGNORED.match(text, quoted.end()) if quoted else None
        if quoted is None or rest is None:
            return None
        if quoted[1] is not None:
            return quoted[1], rest.end()
        return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[0]), quoted[2]), rest.end()
    plain = _PLAIN.match(text, at)
    assert plain is not None  # noqa: S101 - the pattern matches the empty string
    value = plain[0]
    comment = _COMMENT.search(value) if text[at - 1] in " \t" else re.search(r"[ \t]#", value)
    return value[: comment.start() if comment else None].rstrip(" \t"), plain.end() + 1
