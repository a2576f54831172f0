"""A YAML list of mappings, read event by event: memory does not grow with the file.

What is not quoted comes into the database as it is written (0640, 1.10, no, 2024-01-01 are nobody else's to change),
but for null, ~ and nothing, which are NULL. Only where values have types of their own, in JSON, YAML 1.2 gives them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from initkit.core.document import whole_characters
from initkit.steps.seed.content.faults import bad_row
from initkit.steps.seed.content.lines import texts
from initkit.steps.seed.content.objects import Found
from initkit.steps.seed.content.values import Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from initkit.steps.seed.content.objects import Objects
    from initkit.steps.seed.content.reading import Batch
    from initkit.steps.seed.dataset import Dataset

_DEEPEST = 100  # values within values
_UNIT = 64  # characters that weigh as much as a value
_HEAVIEST = 200_000  # of one row, or of all that anchors hold: aliases to aliases would otherwise fill the memory
_ADVICE = "write a list of mappings: - {id: 1, name: Ada}"
_CORE = "tag:yaml.org,2002:"
# https://yaml.org/spec/1.2.2/#51-character-set
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\U00010000-\U0010ffff]")
_TYPED = {_CORE + name for name in ("null", "bool", "int", "float")}


class YamlList:
    """One pass over a file that is one YAML list; an empty one has no rows."""

    def __init__(self, objects: Objects, blocks: Iterable[bytes]) -> None:
        self.columns = objects.columns
        self._objects = objects
        self._events = _Events(objects.dataset, texts(objects.dataset, blocks))

    def plain(self) -> None:
        """It is never CSV."""

    def batches(self) -> Iterator[Batch]:
        """The rows.

        Raises:
            PermanentError: one is malformed, or the whole is no list of mappings.
        """
        yield from self._objects.gathered(_rows(self._events))


class _Events:
    """The parser's events, one ahead."""

    def __init__(self, dataset: Dataset, pieces: Iterator[str]) -> None:
        import yaml  # noqa: PLC0415 - only where there is some

        self._yaml = yaml
        self._dataset = dataset
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._parser = loader(_Stream(dataset, pieces))

    def next(self) -> Any:  # noqa: ANN401 - PyYAML's
        try:
            return self._parser.get_event()
        except self._yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 0
            problem = error.problem or error.context or "unreadable"
            raise bad_row(self._dataset, line, f"it is not YAML: {problem}") from error
        except self._yaml.YAMLError as error:
            raise bad_row(self._dataset, 0, f"it is not YAML: {error}") from error
        except (ValueError, OverflowError) as error:  # PyYAML lets these through: "\U00110000"
            raise bad_row(self._dataset, 0, "it is not YAML: it has a character that there is not") from error

    def refuse(self, event: Any, reason: str, advice: str = "") -> NoReturn:  # noqa: ANN401 - PyYAML's
        raise bad_row(self._dataset, event.start_mark.line + 1, reason, advice=advice)


class _Stream:
    """Text as PyYAML reads it."""

    def __init__(self, dataset: Dataset, pieces: Iterator[str]) -> None:
        self._dataset = dataset
        self._pieces = pieces
        self._line = 1
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        # the parser in C takes no more than it asked for
        for piece in self._pieces if not self._rest else ():
            self._refuse_control(piece)
            self._rest = piece.encode()
            if self._rest:
                break
        part, self._rest = self._rest[:size], self._rest[size:]
        return part

    def _refuse_control(self, piece: str) -> None:
        """The parser would refuse it too, but does not say in which line."""
        found = _CONTROL.search(piece)
        if found:
            line = self._line + piece.count("\n", 0, found.start())
            reason = f"it holds the control character U+{ord(found[0]):04X}"
            raise bad_row(self._dataset, line, reason, advice='remove it, or write it as "\\xNN"')
        self._line += piece.count("\n")


def _rows(events: _Events) -> Iterator[Found]:
    builder = _Builder(events)
    events.next()  # the stream's start
    event = events.next()
    if _is(event, "StreamEndEvent"):
        return
    event = events.next()
    if _is(event, "ScalarEvent") and event.implicit[0] and not event.value:
        _after(events)
        return
    if not _is(event, "SequenceStartEvent"):
        got = "a mapping" if _is(event, "MappingStartEvent") else "a single value"
        events.refuse(event, f"expected a list of mappings, got {got}", _ADVICE)
    while not _is(event := events.next(), "SequenceEndEvent"):
        value = builder.row(event)
        if not isinstance(value, dict) or not value:
            kinds = {dict: "an empty one", list: "a list", type(None): "null"}
            events.refuse(event, f"expected a mapping, got {kinds.get(type(value), 'a single value')}", _ADVICE)
        yield Found(value, event.start_mark.line + 1, builder.weight * _UNIT)
    _after(events)


def _after(events: _Events) -> None:
    """See that there is one document."""
    events.next()  # the document's end
    if not _is(event := events.next(), "StreamEndEvent"):
        events.refuse(event, "a second document begins", "write one list, in one document")


def _is(event: Any, kind: str) -> bool:  # noqa: ANN401 - PyYAML's
    return bool(type(event).__name__ == kind)


class _Builder:
    """Makes values of events.

    Attributes:
        weight: of the last row.
    """

    def __init__(self, events: _Events) -> None:
        self._events = events
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._kept = 0
        self.weight = 0

    def row(self, event: Any) -> Any:  # noqa: ANN401 - PyYAML's event, and whatever JSON holds
        """The value that an event begins, with null where nothing stands."""
        self.weight = 0
        value = self._value(event, 0)
        if isinstance(value, dict):
            return {name: None if _is_null(one) else one for name, one in value.items()}
        return value

    def _value(self, event: Any, depth: int) -> Any:  # noqa: ANN401 - as above
        if depth > _DEEPEST:
            self._events.refuse(event, "it has values within values without end")
        if _is(event, "AliasEvent"):
            return self._alias(event)
        before = self.weight
        value = self._content(event, depth)
        if event.anchor:
            weight = self.weight - before
            self._kept += weight
            if self._kept > _HEAVIEST:
                self._events.refuse(event, "there is too much behind anchors")
            self._anchors[event.anchor] = (value, weight)
        return value

    def _content(self, event: Any, depth: int) -> Any:  # noqa: ANN401 - as above
        if _is(event, "ScalarEvent"):
            self._weigh(event, 1 + len(event.value) // _UNIT)
            return self._scalar(event)
        self._weigh(event, 1)
        if event.tag not in {None, "!", _CORE + "seq", _CORE + "map"}:
            self._refuse_tag(event)
        return self._sequence(depth) if _is(event, "SequenceStartEvent") else self._mapping(depth)

    def _weigh(self, event: Any, weight: int) -> None:  # noqa: ANN401 - as above
        self.weight += weight
        if self.weight > _HEAVIEST:
            self._events.refuse(event, "it is too large, perhaps by aliases to aliases")

    def _alias(self, event: Any) -> Any:  # noqa: ANN401 - as above
        if event.anchor not in self._anchors:
            self._events.refuse(event, f"there is no anchor {event.anchor!r} before it")
        value, weight = self._anchors[event.anchor]
        self._weigh(event, weight)
        return value

    def _scalar(self, event: Any) -> str:  # noqa: ANN401 - as above
        value = str(event.value)
        if "\0" in value:
            self._events.refuse(event, "it holds a NUL character", "remove it")
        if not value.isascii():
            value = _whole(value, event, self._events)
        if event.tag in _TYPED or (event.tag is None and event.implicit[0]):
            return Word(value)
        if event.tag not in {None, "!", _CORE + "str"}:
            self._refuse_tag(event)
        return value

    def _refuse_tag(self, event: Any) -> NoReturn:  # noqa: ANN401 - as above
        self._events.refuse(event, f"the tag {event.tag} means nothing here", "remove it")

    def _sequence(self, depth: int) -> list[Any]:
        found = []
        while not _is(event := self._events.next(), "SequenceEndEvent"):
            found.append(self._value(event, depth + 1))
        return found

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not _is(event := self._events.next(), "MappingEndEvent"):
            key = self._value(event, depth + 1)
            if not isinstance(key, str):
                self._events.refuse(event, "expected a word as key, got a mapping or a list")
            name = str(key)
            value = self._value(following := self._events.next(), depth + 1)
            if isinstance(key, Word) and name == "<<":
                merged = self._merged(following, value) | merged
            elif name in found:
                self._events.refuse(event, f"the key {name!r} stands there twice")
            else:
                found[name] = value
        return {**merged, **found} if merged else found

    def _merged(self, event: Any, value: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
        """What ``<<`` brings in: https://yaml.org/type/merge.html."""
        found: dict[str, Any] = {}
        for one in reversed(value) if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                self._events.refuse(event, "expected a mapping, or several, behind <<")
            found |= one
        return found


def _is_null(value: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    return isinstance(value, Word) and value.is_null


def _whole(value: str, event: Any, events: _Events) -> str:  # noqa: ANN401 - PyYAML's event
    try:
        return whole_characters(value)
    except UnicodeDecodeError:
        events.refuse(event, "half of a surrogate pair stands alone in a text")
