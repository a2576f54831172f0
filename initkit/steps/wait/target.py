"""What a target is, and which schemes there are; how targets are waited for is the business of `watch`."""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, cast, runtime_checkable

from initkit.core.assemble import VariantParser
from initkit.core.errors import TemporaryError
from initkit.core.options import did_you_mean
from initkit.core.record import Record
from initkit.core.redact import MASK
from initkit.core.step import Context
from initkit.steps.wait import schemes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initkit.core.options import Declared
    from initkit.steps.wait.net.names import Names


class Pace(Record):
    """How often a scheme looks where nothing else is asked for, in seconds."""

    interval: float = 0.05
    max_interval: float = 0.25


class AbsentError(TemporaryError):
    """What was looked for is certainly not there just now: with ``--not``, that is what is waited for.

    A port that refuses, a file that does not exist, an answer that is another one. Never a name that cannot be
    resolved, a silence, or a login that is refused: behind those it may well be there.
    """


class ProbeContext(Context):
    """What a probe is given.

    Attributes:
        names: the name resolution that all probes of a wait share; None asks the system each time.
        reached: to be called once somebody answers at the other end, so that no second attempt is made meanwhile.
    """

    names: Names | None = None
    reached: Callable[[], None] = staticmethod(lambda: None)


@runtime_checkable
class Target(Protocol):
    """Something to wait for: a frozen dataclass of options whose first positional one is the address.

    Attributes:
        schemes: the words before the colon of its URLs; the file's own name is always one.
        pace: how often to look.
    """

    schemes: ClassVar[tuple[str, ...]]
    pace: ClassVar[Pace]

    @property
    def name(self) -> str:
        """How it is called in messages; without secrets."""
        ...

    def probe(self, context: Context) -> str:
        """Look once, for at most the context's `attempt_timeout`; return what was found, in a word or two.

        The context is a `ProbeContext` where a wait made it; it may also be a plain one.

        Raises:
            TemporaryError: not ready yet; `AbsentError` where it is certain that it is not there.
            SuspectError: not ready, and a person must probably act.
            PermanentError: it never will be.
        """
        ...


class Schemes:
    """The files of `schemes`, by name; only the one that is asked for is imported."""

    def names(self) -> Sequence[str]:
        """All file names, sorted."""
        files = [name for place in schemes.__path__ for name in os.listdir(place)]
        return sorted({name.split(".")[0] for name in files if re.fullmatch(r"[a-z]\w*\.pyc?", name)})

    def load(self, name: str) -> type[Declared] | None:
        """The dataclass of a scheme, by its file's name or by another of its `schemes`; None where there is none."""
        names = self.names()
        if name in names:
            return _module(name)
        # the likely ones first, as each costs its loading: https is http's, postgresql is postgres'
        likely = sorted(names, key=lambda known: not name.startswith(known))
        everything = (_module(known) for known in likely)
        return next((cls for cls in everything if name in cast("Any", cls).schemes), None)

    def named(self, word: str) -> type[Declared] | None:
        """The dataclass that a scheme's bare name means; a target always has a colon."""
        return self.load(word) if re.fullmatch(r"[a-z][a-z0-9+-]*", word) else None

    def words(self) -> list[str]:
        """All words that a URL may begin with."""
        return [word for name in self.names() for word in cast("Any", _module(name)).schemes]


def _module(name: str) -> type[Declared]:
    module: Any = import_module(f"{schemes.__name__}.{name}")
    return cast("type[Declared]", module.TARGET)


SCHEMES = Schemes()
_ADDRESS = re.compile(r"(?:\[[^\]]*\]|[^:/@\s]+):\d+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def scheme_of(text: str) -> str:
    """The scheme of a target: ``NAME:DIGITS`` is tcp, any other word with a colon is a URL.

    Raises:
        ValueError: it is neither, or there is no such scheme.
    """
    if _ADDRESS.fullmatch(text):
        return "tcp"
    match = _SCHEME.match(text)
    if not match:
        user, at, rest = text.rpartition("@")
        raise ValueError(f"expected HOST:PORT or a URL, got {(MASK if user else '') + at + rest!r}{_bare_name(text)}")
    scheme = match[1].lower()
    if SCHEMES.load(scheme) is None:
        words = SCHEMES.words()
        hint = did_you_mean(scheme, words) or f"; expected one of {', '.join(SCHEMES.names())}"
        raise ValueError(f"there is no scheme {scheme!r}{hint}")
    return scheme


def _bare_name(text: str) -> str:
    near = did_you_mean(text, SCHEMES.names())
    return near or (f"; did you mean {text}:PORT?" if re.fullmatch(r"[\w.-]+", text) else "")


AnyTarget = Annotated[
    Target,
    VariantParser("TARGET", scheme_of, SCHEMES, what="scheme", schema={"type": "string", "pattern": r"^[^/?#]*:"}),
]
