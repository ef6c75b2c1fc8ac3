"""What people wrote of a job: a first line, and Markdown below it, of which nothing can act on the page."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

RENDERED_MAX: Final = 20_000  # characters; what is longer is shown as it was written
BELOW: Final = 2  # a heading of a runbook stands below those of the page


def first_line(description: str) -> str:
    """Return what stands in lists: the first line."""
    return description.strip().partition("\n")[0].rstrip()


@lru_cache(maxsize=256)
def runbook(description: str) -> Markup:
    """Return what follows the first line as HTML, "" where nothing does.

    HTML of its own is shown, not obeyed; pictures are not loaded, and links lead only where a link may.
    """
    text = description.strip().partition("\n")[2].strip()
    if len(text) > RENDERED_MAX:
        return Markup("<pre>{}</pre>").format(text)
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").disable("image")
    tokens = markdown.parse(text)
    for token in tokens:
        _lower(token)
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))  # noqa: S704 - without HTML of its own


def _lower(token: Token) -> None:
    if token.type in {"heading_open", "heading_close"}:
        token.tag = f"h{min(int(token.tag[1:]) + BELOW, 6)}"
