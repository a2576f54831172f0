"""Types of values that only this room knows, each with its parser; users and groups are the concern of `identity`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from initkit.core.options import ChoiceParser, Parser
from initkit.steps.perms.asked.glob import parse_glob
from initkit.steps.perms.asked.mode import Mode, parse_mode, parse_umask, show_umask

_MODE = {
    "type": ["string", "integer"],
    "pattern": r"^\s*((0o)?[0-7]{3,5}|[ugoa]+[-+=][rwxXstugo]*([-+=,].*)?)\s*$",
    "minimum": 0,
}
_UMASK = {"type": ["string", "integer"], "pattern": r"^\s*(0o)?0?[0-7]{3}\s*$", "minimum": 0}

FileMode = Annotated[Mode, Parser("MODE", parse_mode, schema=_MODE)]
Umask = Annotated[int, Parser("MASK", parse_umask, show=show_umask, schema=_UMASK)]
Glob = Annotated[str, Parser("GLOB", parse_glob)]


class _OrNo(ChoiceParser):
    """Words of which one is ``no``, which an editor reads as a boolean where a plan has it without quotes."""

    def json_schema(self) -> dict[str, Any]:
        return {"enum": [*self.choices, False]}


Create = Annotated[Literal["no", "dir"], _OrNo(["no", "dir"])]
HardLinks = Literal["skip", "allow"]
Policy = Literal["always", "on-root-mismatch", "stamp"]
