"""The JSON Schema of a job file, for editors."""

from __future__ import annotations

from typing import Any

from windmill.jobs.models import JobKeys

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def job_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one document of a job file, with a description for every key."""
    schema = JobKeys.model_json_schema()
    schedule = schema["properties"]["schedule"]
    schedule["anyOf"] = [{"type": "string", "description": "A cron expression."}, *schedule["anyOf"]]
    return {"$schema": DIALECT, **schema, "title": "WindMill job"}
