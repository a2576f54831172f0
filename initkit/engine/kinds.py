"""Finds kinds of step by their folder's name, and imports only the one that is asked for."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from initkit import steps

if TYPE_CHECKING:
    from initkit.core.options import Declared


def names() -> list[str]:
    """All kinds, sorted; nothing is imported."""
    return sorted(
        entry.name
        for place in steps.__path__
        for entry in os.scandir(place)
        if os.path.exists(os.path.join(entry.path, "step.py"))
    )


def load(kind: str) -> type[Declared]:
    """The step's dataclass of a kind that `names` has.

    Raises:
        ModuleNotFoundError: there is no such kind.
    """
    module: Any = import_module(f"{steps.__name__}.{kind}.step")
    return cast("type[Declared]", module.STEP)
