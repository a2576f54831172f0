"""Where secrets come from: `${NAME}` and `${file:PATH}` in values, and an environment that holds some already."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from initkit.core.redact import is_secret_name, learn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REFERENCE = r"\$(?:\$|\{(?P<body>[^{}]*)\}?)"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PLACE_NAME = r"(?i)(?:FILE|PATH|DIR|FOLDER|MOUNT|ROOT|VOLUME|SOCKET)S?$"


def read_text(path: str) -> str:
    """The content of a file, without the line's end that editors and `kubectl create secret` leave behind.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    with open(path, encoding="utf-8") as file:
        return file.read().rstrip("\r\n")


def expand(text: str, environ: Mapping[str, str], *, read: Callable[[str], str] = read_text) -> str:
    """`text` with ``${NAME}``, ``${NAME:-default}``, ``${file:PATH}`` and ``$$`` replaced.

    It is done once: what comes in that way is not read again.

    What comes from a file, or from a variable whose name says that it is secret, is masked in all output from then on.

    Raises:
        ValueError: a name is unset, a file cannot be read, or a reference is not closed.
    """
    return re.sub(_REFERENCE, lambda match: _value(match, environ, read), text)


def _value(match: re.Match[str], environ: Mapping[str, str], read: Callable[[str], str]) -> str:
    if match[0] == "$$":
        return "$"
    body = match["body"]
    if not match[0].endswith("}"):
        # what follows may be the rest of a password
        raise ValueError("expected ${NAME} or ${file:PATH}, got ${ without its closing brace; write $$ for a plain $")
    if body.startswith("file:"):
        return _from_file(body.removeprefix("file:"), read)
    name, has_default, default = body.partition(":-")
    if not re.fullmatch(_NAME, name):
        raise ValueError(
            f"expected ${{NAME}}, ${{NAME:-default}} or ${{file:PATH}}, got {match[0]!r}; write $$ for a plain $"
        )
    value = environ.get(name, "")
    if not value and has_default:
        return default
    if name not in environ:
        raise ValueError(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
    learn_variable(name, value)
    return value


def _from_file(path: str, read: Callable[[str], str]) -> str:
    try:
        value = read(path)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot read {path}: it is not UTF-8") from error
    learn(value)
    learn_url(value)
    return value


# what the kubelet sets for every Service in the namespace, which may well be called token-api
_SERVICE = r"_SERVICE_HOST$|_SERVICE_PORT(?:_|$)|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?$"


def learn_variable(name: str, value: str) -> None:
    """Mask a variable's value where its name says that it is secret, and the password of any URL in it."""
    if is_secret_name(name) and re.search(_SERVICE, name):
        return
    if is_secret_name(name) and "://" not in value and not (value[:1] == "/" and re.search(_PLACE_NAME, name)):
        learn(value)
    learn_url(value)


def learn_url(value: str) -> None:
    """Mask the password of a URL, unless it is a word that the URL shows elsewhere anyway (``postgres:postgres@``)."""
    if "@" not in value or "://" not in value:
        return
    scheme, _, rest = value.partition("://")
    # RFC 3986, section 3.2, ends the authority there; people also write such passwords as they are
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    for text in dict.fromkeys((authority, rest)):
        userinfo, _, after = text.rpartition("@")
        user, _, password = userinfo.partition(":")
        is_port = "@" not in authority and authority.partition(":")[2].isdigit()
        shown = {user, scheme, *re.split(r"[:/?#@]", after)}
        if password and password not in shown and not is_port:
            learn(password)


def learn_environment(environ: Mapping[str, str]) -> None:
    """Mask what the environment already gives away by its names or as URLs."""
    for name, value in environ.items():
        if value:
            learn_variable(name, value)
