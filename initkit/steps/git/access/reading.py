"""Reads secrets from where the options say, each time anew; what is sent of them is known to `credentials`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from initkit.core.errors import PermanentError
from initkit.core.redact import learn
from initkit.core.secrets import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping


def secret_from_file(path: str, option: str) -> str:
    """One line of text from a file, without the line's end; it is masked in all output from then on.

    Raises:
        PermanentError: the file is missing, unreadable or empty, or holds something else.
    """
    task = f"read the secret in {path}"
    secret: str | None
    try:
        secret = read_text(path)
    except OSError as error:
        advice = f"mount the Secret there and let this user read it, or correct {option}"
        raise PermanentError(task, error.strerror or str(error), advice) from error
    except UnicodeDecodeError:
        secret = None
    if secret is None:  # raised out here, or it would carry the error that carries what was read
        raise PermanentError(task, "it is not UTF-8 text", f"correct the file, or {option}")
    return _one_line(secret, task, f"correct the file, or {option}")


def secret_from_variable(name: str, environ: Mapping[str, str], option: str) -> str:
    """One line of text from an environment variable; it is masked in all output from then on.

    Raises:
        PermanentError: the variable is not set or empty, or holds something else.
    """
    task = f"read the secret in the environment variable {name}"
    if name not in environ:
        raise PermanentError(task, "it is not set", f"set it, or correct {option}")
    return _one_line(environ[name].rstrip("\r\n"), task, f"correct the variable, or {option}")


def _one_line(secret: str, task: str, advice: str) -> str:
    for number, line in enumerate(secret.splitlines()):
        learn(line, place=f"{task}, line {number}")
    learn(secret, place=task)
    if not secret.strip():
        raise PermanentError(task, "it is empty", advice)
    if any(ord(character) < ord(" ") or character == "\x7f" for character in secret):
        raise PermanentError(task, "it holds several lines or control characters", advice)
    return secret


def program_at(path: str, option: str) -> str:
    """The absolute path of a program that git is to run.

    Raises:
        PermanentError: there is none, or this user may not run it.
    """
    found = os.path.abspath(path)
    if not os.path.isfile(found):
        raise PermanentError(f"run {found}", "there is no such file", f"put the program there, or correct {option}")
    if not os.access(found, os.X_OK):
        raise PermanentError(f"run {found}", "this user may not run it", "make it executable for all (chmod a+x)")
    return found
