"""The JSON Schemas of what people write, for editors and for programs."""

from __future__ import annotations

from windmill.core.documents import Document
from windmill.jobs.schema import DIALECT, job_schema
from windmill.settings import project_schema


def schemas() -> dict[str, Document]:
    """Return the schema of a document of a job file ("job"), and of a project in windmill.toml ("project")."""
    project = {"$schema": DIALECT, **project_schema(), "title": "WindMill project"}
    return {"job": job_schema(), "project": project}
