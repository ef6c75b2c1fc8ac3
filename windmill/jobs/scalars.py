"""What a plain YAML scalar means; text that YAML 1.1 and 1.2 read differently is refused."""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_OLD_WORDS: Final = {
    **dict.fromkeys(("yes", "Yes", "YES", "on", "On", "ON"), "true"),
    **dict.fromkeys(("no", "No", "NO", "off", "Off", "OFF"), "false"),
}
_NUMERIC: Final = re.compile(r"[-+]?\.?[0-9]|[-+]?\.(inf|Inf|INF|nan|NaN|NAN)$")
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?")
_CLOCK: Final = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_OCTAL: Final = re.compile(r"[-+]?0[0-9_]+")
_ODD: Final = re.compile(
    r"[-+]?0[xob][0-9a-fA-F_]+|[-+]?(?=[0-9.]*_)[0-9_]*\.?[0-9_]+\.?|[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+"
    r"|[-+]?\.(inf|Inf|INF|nan|NaN|NAN)"
)
_MAX_DIGITS: Final = 18  # what fits 64 bits in every store
_MAX_LENGTH: Final = 64  # longer text never reaches the patterns below, some of which look twice
_DOUBTFUL: Final = (
    (_INTEGER, "a number too large", 'put it in quotes if it is text: "{}"'),
    (_FLOAT, "a number too large", 'put it in quotes if it is text: "{}"'),
    (_CLOCK, "a number in base 60 to some YAML readers", 'put it in quotes: "{}"'),
    (_OCTAL, "an octal number to some YAML readers", 'write it without leading zero, or in quotes: "{}"'),
    (_ODD, "a number to some YAML readers, text to others", 'write it in plain decimal, or in quotes: "{}"'),
)


class Resolved(NamedTuple):
    """A scalar's value; `mistake` is empty when every YAML reader agrees on it."""

    value: str | int | float | bool | None
    mistake: str = ""
    hint: str = ""


def resolve(text: str) -> Resolved:
    """Return what the plain scalar `text` means. Dates stay text."""
    if text in _WORDS:
        return Resolved(_WORDS[text])
    if old := _OLD_WORDS.get(text):
        return Resolved(
            text, f'"{text}" is true or false to some YAML readers', f'write {old}, or "{text}" in quotes'
        )
    if not _NUMERIC.match(text):
        return Resolved(text)
    if len(text) > _MAX_LENGTH:
        return Resolved(text, "text that begins like a number", "put it in quotes")
    return _number(text)


def _number(text: str) -> Resolved:
    """Return what a scalar means that begins like a number."""
    if _INTEGER.fullmatch(text) and len(text.lstrip("+-")) <= _MAX_DIGITS:
        return Resolved(int(text))
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return Resolved(float(text))
    for pattern, mistake, hint in _DOUBTFUL:
        if pattern.fullmatch(text):
            return Resolved(text, mistake, hint.format(text[:40]))
    return Resolved(text)
