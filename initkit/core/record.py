"""Small immutable records, cheap to define: what is made of them is no concern of this module."""

from __future__ import annotations

from typing import Any, ClassVar, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class Record:
    """Base of records: annotated names are fields, given by position or by name; defaults stand in the class.

    Defining a frozen dataclass takes 0.4 ms to 1 ms, a named tuple a quarter of that, and there are two dozen: together
    a fifth of the time in which `wait` has to start. This takes none, and a microsecond more an instance. What has
    options (`core.options.Declared`) are dataclasses all the same.
    """

    _names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls._names = (*cls._names, *(name for name in cls.__annotations__ if name != "_names"))

    def __init__(self, *values: Any, **named: Any) -> None:  # noqa: ANN401 - the fields have types of their own
        names = self._names
        if len(values) == len(names) and not named:
            vars(self).update(zip(names, values, strict=True))
            return
        given = dict(zip(names, values, strict=False)) | named
        missing = [name for name in names if name not in given and not hasattr(type(self), name)]
        if missing or len(given) < len(values) + len(named) or not given.keys() <= set(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}; got {len(values)} and {', '.join(named)}")
        vars(self).update(given)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __repr__(self) -> str:
        pairs = zip(self._names, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._names)

    def but(self, **changes: Any) -> Self:  # noqa: ANN401 - the fields have types of their own
        """The same with some fields changed."""
        return type(self)(**dict(zip(self._names, self._values(), strict=True)) | changes)
