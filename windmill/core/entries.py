"""What journal entries say, read so that one that makes no sense can be passed over."""

from __future__ import annotations

import json

from windmill.core.documents import Document, flaw, from_document
from windmill.core.model import Execution


def document_in(payload: bytes) -> Document:
    """Return the JSON object that the entry carries, an empty one where it carries none."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def execution_of(document: Document) -> Execution:
    """Return the execution that the document describes. Raises ValueError that says why it describes none."""
    if reason := flaw(document):
        raise ValueError(reason)
    return from_document(document)
