"""What may be asserted of an answer; how answers are come by is known to `visit`."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from initkit.core.options import Parser
from initkit.core.record import Record
from initkit.steps.wait.patterns import Pattern, parse_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jmespath.parser import ParsedResult

_LONGEST_PIECE = 60  # characters of what was there that go into a message
_MISSING = object()


def piece(text: str) -> str:
    """So much of a server's words as fits into a message, printable."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * _LONGEST_PIECE]).split())
    return plain if len(plain) <= _LONGEST_PIECE else f"{plain[:_LONGEST_PIECE]}…"


class HeaderPattern(Record):
    """That some header of a name has a value in which a pattern is found."""

    name: str
    pattern: Pattern

    def __str__(self) -> str:
        return f"{self.name}: {self.pattern}"

    def unmet(self, headers: Sequence[tuple[str, str]], seconds: float) -> str:
        """What is there instead; nothing where the assertion holds.

        Raises:
            TimeoutError: that could not be found out within `seconds`.
        """
        values = [value for name, value in headers if name.lower() == self.name.lower()]
        if any(self.pattern.is_in(value, seconds) for value in values):
            return ""
        if not values:
            return f"it has no header {self.name}"
        return f"its header {self.name}: {piece(', '.join(values))} does not match {self.pattern.text!r}"


def parse_header_pattern(text: str) -> HeaderPattern:
    """An assertion from ``NAME: REGEX``.

    Raises:
        ValueError: it has another form, or the regular expression is none.
    """
    name, colon, pattern = text.partition(":")
    if not colon or not re.fullmatch(r"[^\s:]+", name.strip()):
        raise ValueError(f"expected 'NAME: REGEX', got {text!r}")
    return HeaderPattern(name.strip(), parse_pattern(pattern.strip(" \t")))


class JsonValue(Record):
    """That what a JMESPath finds in the body equals a value.

    Attributes:
        path: what to find.
        wanted: JSON, or else text; a string in the body may also equal it as it is written.
    """

    path: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.path}={self.wanted}"

    def unmet(self, document: object) -> str:
        """What is there instead; nothing where the assertion holds.

        Raises:
            RecursionError: it is nested too deep.
        """
        from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - loaded by whoever parsed it

        try:
            found = _compiled(self.path).search(document)
        except JMESPathError as error:  # a function was given what it does not take
            return f"{self.path} cannot be had: {piece(_first_line(error))}"
        wanted = _from_json(self.wanted)
        if found == self.wanted or (wanted is not _MISSING and _is_same(found, wanted)):
            return ""
        shown = self.wanted if wanted is not _MISSING else _to_json(self.wanted)
        return f"{self.path} is {piece(_to_json(found))}, expected {piece(shown)}"


def parse_json_value(text: str) -> JsonValue:
    """An assertion from ``PATH=VALUE``, cut at the first single ``=`` whose left side is a JMESPath.

    Raises:
        ValueError: there is none such.
    """
    reason = ""
    for match in re.finditer(r"(?<![=!<>])=(?!=)", text):
        try:
            _compiled(text[: match.start()].strip())
        except ValueError as error:
            reason = reason or f": {_first_line(error)}"
        else:
            return JsonValue(text[: match.start()].strip(), text[match.end() :].strip())
    if text.startswith("$"):
        reason = "; JMESPath has no $: write status, not $.status"
    raise ValueError(f"expected PATH=VALUE with a JMESPath, got {text!r}{reason}")


@lru_cache(maxsize=128)
def _compiled(path: str) -> ParsedResult:
    import jmespath  # noqa: PLC0415 - 20 ms that only those pay who assert on JSON

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `text` for '"text"' is deprecated, and works
        compiled = jmespath.compile(path)
    for call in _calls(compiled.parsed):
        _check_call(call)
    return compiled


def _calls(tree: Any) -> Iterator[Any]:  # noqa: ANN401 - the library's own
    if tree["type"] == "function_expression":
        yield tree
    for child in tree["children"]:
        if isinstance(child, dict):  # a slice has numbers
            yield from _calls(child)


def _check_call(call: Any) -> None:  # noqa: ANN401 - the library's own
    """Refuse functions that the library would only miss once it met them."""
    from jmespath.functions import Functions  # noqa: PLC0415 - see above

    known = Functions.FUNCTION_TABLE.get(call["value"])
    if known is None:
        raise ValueError(f"there is no function {call['value']}()")
    signature, given = known["signature"], len(call["children"])
    is_open = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not is_open):
        raise ValueError(f"{call['value']}() takes {len(signature)} arguments, got {given}")


def _first_line(error: Exception) -> str:
    line = str(error).partition("\n")[0].strip().rstrip(":")
    return line[:1].lower() + line[1:]


def _no_json(_word: str) -> object:
    raise ValueError


def _from_json(text: str) -> object:
    """What the text is as JSON (RFC 8259, which knows no NaN); `_MISSING` where it is none."""
    import json  # noqa: PLC0415 - as above

    try:
        return json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return _MISSING


def _to_json(value: object) -> str:
    import json  # noqa: PLC0415 - as above

    return json.dumps(value, ensure_ascii=False)


def _is_same(one: object, other: object) -> bool:
    """Equal as JSON: 1 is 1.0, and neither is true."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(value, other[key]) for key, value in one.items())
    return isinstance(one, bool) == isinstance(other, bool) and one == other


HeaderMatch = Annotated[HeaderPattern, Parser("PATTERN", parse_header_pattern)]
JsonMatch = Annotated[JsonValue, Parser("PATH=VALUE", parse_json_value)]
