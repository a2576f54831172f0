"""JSON Schema of steps and plans, for editors: derived from the options, never written by hand.

A required option is marked as required, although the parser would also take it from the environment: an editor does not
know where the plan will run, and what is simply forgotten is far more common. Who means a variable can say so in the
plan (``repository: ${INITKIT_GIT_REPOSITORY}``).

Not here: what only the values together, or the time of the run, can tell (which options exclude one another, whether a
name is taken, what a reference comes to); the parser tells that.
"""

from __future__ import annotations

import re
from typing import Any

from initkit.core.assemble import MappingParser, VariantParser
from initkit.core.options import Declared, Option, Parser, groups_of, kebab, options_of, summary

Schema = dict[str, Any]
_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{[^{}]+\}", "description": "What only the run knows."}


def json_schema(cls: type[Declared]) -> Schema:
    """The JSON Schema of a mapping of all options of `cls`, complete in itself."""
    schemas = Schemas()
    return schemas.mapping(cls) | {"$defs": schemas.definitions}


def node_schema(cls: type[Declared]) -> Schema:
    """The JSON Schema of what `from_node` takes, complete in itself."""
    schemas = Schemas()
    return schemas.node(cls) | {"$defs": schemas.definitions}


class Schemas:
    """Makes schemas that belong into one document and share what they have in common.

    Attributes:
        definitions: what ``$ref`` in them leads to; the document has it as its ``$defs``. Each name has a hyphen.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def define(self, name: str, schema: Schema) -> Schema:
        """Have `schema` once for all, under `name` or one like it; return the reference to it."""
        number, unique = 1, name
        while self.definitions.setdefault(unique, schema) != schema:
            number += 1
            unique = f"{name}-{number}"
        return {"$ref": f"#/$defs/{unique}"}

    def mapping(self, cls: type[Declared]) -> Schema:
        """A mapping of all options of `cls`."""
        whole = _mapping_of(cls)
        groups = groups_of(cls)
        for option in options_of(cls):
            place = whole
            if len(option.path) > 1:
                group = kebab(option.path[0])
                place = whole["properties"].setdefault(group, _mapping_of(groups[group]))
            place["properties"][option.key] = self._property(option)
            if option.required:
                place.setdefault("required", []).append(option.key)
        return whole

    def node(self, cls: type[Declared]) -> Schema:
        """What `from_node` takes: a mapping, the positional arguments as a scalar or a list, or nothing."""
        forms = [self.mapping(cls)]
        positional = [option for option in options_of(cls) if option.positional]
        fewest = max((i for i, option in enumerate(positional, 1) if option.required), default=0)
        if positional:
            forms.append(self._list(positional, fewest))
        if positional and fewest <= 1:
            forms.append(self._scalar(positional[0].parser))
        if not any(option.required for option in options_of(cls)):
            forms.append({"type": "null"})
        return {"description": summary(cls), "anyOf": forms}

    def _list(self, positional: list[Option], fewest: int) -> Schema:
        """The positional arguments in their order; one that takes many takes all the rest."""
        schema: Schema = {"type": "array", "minItems": fewest}
        values = [self.value(option.parser) for option in positional]
        many = next((i for i, option in enumerate(positional) if option.many), None)
        single = values[:many]
        if single:
            schema["prefixItems"] = single
        # maxItems besides: an editor may not know prefixItems, which draft 2020-12 brought
        return schema | ({"items": False, "maxItems": len(single)} if many is None else {"items": values[many]})

    def _property(self, option: Option) -> Schema:
        one = self.value(option.parser)
        if option.many:
            one = {"anyOf": [one, {"type": "array", "items": one, "minItems": int(option.required)}]}
        shown = option.shown_default()
        return one | {"description": option.help} | ({} if shown is None else {"default": shown})

    def value(self, parser: Parser) -> Schema:
        """What the parser's `read` takes."""
        if isinstance(parser, MappingParser):
            return self.define(_named("value", parser), {"anyOf": [self._scalar(parser), self.mapping(parser.cls)]})
        if isinstance(parser, VariantParser):
            return self.define(_named("value", parser), {"anyOf": [self._scalar(parser), self._variant(parser)]})
        return self._scalar(parser)

    def _scalar(self, parser: Parser) -> Schema:
        """A scalar that `parser` reads, or text with a ``${NAME}`` in it: only the run knows what that comes to."""
        schema = parser.json_schema()
        if "string" in schema.get("type", ()) and "pattern" not in schema:
            return schema
        reference = self.define("text-reference", _REFERENCE)
        return self.define(_named("text", parser), {"anyOf": [schema, reference]})

    def _variant(self, parser: VariantParser) -> Schema:
        """An object with one of the names."""
        loaded = {word: parser.variants.load(word) for word in parser.variants.words()}
        forms = {
            word: self.define(f"{parser.what}-{kebab(cls.__name__.lower())}", self.node(cls))
            for word, cls in loaded.items()
            if cls is not None
        }
        exactly_one = {"minProperties": 1, "maxProperties": 1, "additionalProperties": False}
        return {"type": "object", "properties": forms, **exactly_one}


def _named(form: str, parser: Parser) -> str:
    return f"{form}-" + re.sub(r"[^a-z]+", "-", parser.metavar.lower()).strip("-")


def _mapping_of(cls: type[Declared]) -> Schema:
    return {"type": "object", "description": summary(cls), "properties": {}, "additionalProperties": False}
