"""JSON Schema of steps and plans, for editors: derived from the options, never written by hand."""

from __future__ import annotations

from typing import Any

from initkit.core.options import Declared, groups_of, kebab, options_of, summary

_REFERENCE = {"type": "string", "pattern": r"\$\{[^{}]+\}"}


def _or_reference(schema: dict[str, Any]) -> dict[str, Any]:
    """A value's schema, or text with a ``${NAME}`` in it: only the run knows what that comes to."""
    takes_any_text = "string" in schema.get("type", ()) and "pattern" not in schema
    return dict(schema) if takes_any_text else {"anyOf": [schema, _REFERENCE]}


def json_schema(cls: type[Declared]) -> dict[str, Any]:
    """The JSON Schema of a mapping of all options of `cls`."""
    properties: dict[str, Any] = {}
    groups = groups_of(cls)
    for option in options_of(cls):
        one = _or_reference(option.parser.json_schema())
        if option.many:
            one = {"anyOf": [one, {"type": "array", "items": one}]}
        one["description"] = option.help
        shown = option.shown_default()
        if shown is not None:
            one["default"] = shown
        if len(option.path) == 1:
            properties[option.key] = one
        else:
            group = kebab(option.path[0])
            empty = {"type": "object", "properties": {}, "additionalProperties": False}
            properties.setdefault(group, empty | {"description": summary(groups[group])})["properties"][option.key] = (
                one
            )
    return {
        "type": "object",
        "description": summary(cls),
        "properties": properties,
        "additionalProperties": False,
    }


def node_schema(cls: type[Declared]) -> dict[str, Any]:
    """The JSON Schema of what `from_node` takes: positional arguments as a scalar or a list, or a mapping."""
    forms = [json_schema(cls)]
    positional = [option for option in options_of(cls) if option.positional]
    if positional:
        items = [_or_reference(option.parser.json_schema()) for option in positional]
        forms += [{"type": "array", "items": {"anyOf": items}}, items[0]]
    return {"anyOf": forms, "description": summary(cls)}
