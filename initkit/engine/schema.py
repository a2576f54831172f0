"""The JSON Schema of a plan, for editors; every part of it comes from the kinds' own options."""

from __future__ import annotations

from typing import Any

from initkit.core.options import TEXT, summary
from initkit.core.retry import RetryPolicy
from initkit.core.schema import Schemas
from initkit.engine import kinds


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what `plan.parse` takes.

    Its ``$defs`` have the kinds under their names; the names of all others but ``retry`` have a hyphen, which no kind's
    has.
    """
    schemas = Schemas()
    defs = {"retry": _retry(schemas)} | {kind: _kind(kind, schemas) for kind in kinds.names()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "initkit plan",
        "type": "object",
        "properties": {
            "retry": {"$ref": "#/$defs/retry"},
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": {"oneOf": [_entry(kind, schemas) for kind in kinds.names()]},
            },
        },
        "required": ["steps"],
        "additionalProperties": False,
        "$defs": defs | schemas.definitions,
    }


def _retry(schemas: Schemas) -> dict[str, Any]:
    schema = _or_nothing(schemas.mapping(RetryPolicy))
    for option in schema["properties"].values():
        option.pop("default", None)  # each kind has its own
    return schema


def _or_nothing(schema: dict[str, Any]) -> dict[str, Any]:
    """The same with ``key:`` and nothing behind it, which says as much as no key."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return schema | {"type": [*types, "null"]}


def _kind(kind: str, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.node(kinds.load(kind))
    for form in schema["anyOf"]:
        # in a plan, retry stands beside the kind
        form.get("properties", {}).pop("retry", None)
    return schema


def _entry(kind: str, schemas: Schemas) -> dict[str, Any]:
    name = TEXT.json_schema()
    called = _or_nothing(name) | {
        "pattern": r"\S",
        "description": "What the step is called; by default after its kind.",
    }
    needs = {
        "anyOf": [_or_nothing(name), {"type": "array", "items": name}],
        "description": "Earlier steps that must have succeeded; by default the one before.",
    }
    return {
        "type": "object",
        "description": summary(kinds.load(kind)),
        "properties": {
            kind: {"$ref": f"#/$defs/{kind}"},
            "name": schemas.define("step-name", called),
            "needs": schemas.define("step-needs", needs),
            "retry": {"$ref": "#/$defs/retry"},
        },
        "required": [kind],
        "additionalProperties": False,
    }
