"""Lends the process to somebody's env.py and takes it back as it was: variables, streams, logging, import path."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from initkit.core.step import Context

_ONE_AT_A_TIME = threading.Lock()
_PAUSE = 0.2  # seconds between two looks at whether the end was asked for


@contextmanager
def borrowed(context: Context, environ: Mapping[str, str], import_folders: Sequence[str]) -> Iterator[None]:
    """Run somebody's Python in our process: alembic keeps its context in module globals, so one thread at a time."""
    while not _ONE_AT_A_TIME.acquire(timeout=_PAUSE):
        context.stop.check()
    with ExitStack() as stack:
        stack.callback(_ONE_AT_A_TIME.release)
        stack.enter_context(_environ(environ))
        stack.enter_context(_imports(import_folders))
        stack.enter_context(_logging())
        stack.enter_context(_streams(context.voice.detail))
        stack.enter_context(_warnings(context.voice.detail))
        yield


@contextmanager
def _warnings(say: Callable[[str], object]) -> Iterator[None]:
    """Their warnings are theirs, even where ours are errors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            yield
        finally:
            for warning in caught:
                say(f"{warning.category.__name__}: {warning.message} ({warning.filename}, line {warning.lineno})")


@contextmanager
def _environ(wanted: Mapping[str, str]) -> Iterator[None]:
    """The one place that touches `os.environ`: env.py reads it, and so do libpq and whatever env.py imports."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _imports(folders: Sequence[str]) -> Iterator[None]:
    """The import path with `folders` first, and no ``__pycache__`` left in what is mounted.

    What was imported from `folders` is forgotten: another project's ``models`` is another module.
    """
    path, dont_write, before = list(sys.path), sys.dont_write_bytecode, set(sys.modules)
    sys.path[:0] = folders
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, dont_write
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            # a virtual environment may lie inside the project, and what is installed may not stand a second import
            if file.startswith(tuple(folder + os.sep for folder in folders)) and "site-packages" not in file:
                del sys.modules[name]


class _Lines:
    """A text stream that hands whole lines of one thread to `say`, and passes on what other threads write."""

    def __init__(self, original: TextIO, say: Callable[[str], object]) -> None:
        self._original = original
        self._say = say
        self._thread = threading.get_ident()
        self._speaking = False
        self._rest = ""

    def write(self, text: str) -> int:
        # a voice may well write to the very stream that we stand for
        if threading.get_ident() != self._thread or self._speaking:
            return self._original.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._hand_over(line)
        return len(text)

    def _hand_over(self, line: str) -> None:
        if not line.strip():
            return
        self._speaking = True
        try:
            self._say(line.rstrip())
        finally:
            self._speaking = False

    def finish(self) -> None:
        rest, self._rest = self._rest, ""
        self._hand_over(rest)

    def flush(self) -> None:
        self._original.flush()

    def isatty(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self._original, name)


@contextmanager
def _streams(say: Callable[[str], object]) -> Iterator[None]:
    """Print and logging of env.py and of revisions become lines of ours, so that they never tear one apart."""
    before = sys.stdout, sys.stderr
    ours: Any = _Lines(before[0], say), _Lines(before[1], say)
    sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        for stream in ours:
            stream.finish()
        sys.stdout, sys.stderr = before


@contextmanager
def _logging() -> Iterator[None]:
    """`logging` as it was before, whatever ``fileConfig`` or ``basicConfig`` makes of it in between."""
    import logging  # noqa: PLC0415 - only where somebody's code may use it

    before = {logger: _state(logger) for logger in _loggers(logging)}
    try:
        yield
    finally:
        for logger in _loggers(logging):
            handlers, level, disabled, propagate = before.get(logger, ([], logging.NOTSET, False, True))
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.disabled, logger.propagate = disabled, propagate


def _loggers(module: Any) -> list[logging.Logger]:  # noqa: ANN401 - the module itself, imported late
    named = list(module.root.manager.loggerDict.values())
    return [module.root, *(logger for logger in named if isinstance(logger, module.Logger))]


def _state(logger: logging.Logger) -> tuple[list[logging.Handler], int, bool, bool]:
    return list(logger.handlers), logger.level, logger.disabled, logger.propagate
