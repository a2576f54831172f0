"""The JSON Schema of a plan, for editors; every part of it comes from the kinds' own options."""

from __future__ import annotations

from typing import Any

from initkit.core.options import summary
from initkit.core.retry import RetryPolicy
from initkit.core.schema import json_schema, node_schema
from initkit.engine import kinds


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what `plan.parse` takes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "initkit plan",
        "type": "object",
        "properties": {
            "retry": {"$ref": "#/$defs/retry"},
            "steps": {"type": "array", "minItems": 1, "items": {"oneOf": [_entry(kind) for kind in kinds.names()]}},
        },
        "required": ["steps"],
        "additionalProperties": False,
        "$defs": {"retry": json_schema(RetryPolicy)} | {kind: _kind(kind) for kind in kinds.names()},
    }


def _kind(kind: str) -> dict[str, Any]:
    schema = node_schema(kinds.load(kind))
    for form in schema["anyOf"]:
        # in a plan, retry stands beside the kind
        form.get("properties", {}).pop("retry", None)
    return schema


def _entry(kind: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": summary(kinds.load(kind)),
        "properties": {
            kind: {"$ref": f"#/$defs/{kind}"},
            "name": {"type": "string", "description": "What the step is called; by default after its kind."},
            "needs": {
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                "description": "Earlier steps that must have succeeded; by default the one before.",
            },
            "retry": {"$ref": "#/$defs/retry"},
        },
        "required": [kind],
        "additionalProperties": False,
    }
