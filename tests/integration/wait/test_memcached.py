"""Waiting for memcached."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_peer import answers
from fix_program import initkit

from initkit.core.assemble import assemble
from initkit.core.errors import InitkitError, SuspectError, TemporaryError
from initkit.steps.wait.step import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_peer import Behaviour


def probed(url: str) -> str:
    return assemble(Wait, {"targets": [url]}).targets[0].probe(make_context(attempt_timeout=2))


def failed(url: str) -> InitkitError:
    with pytest.raises(InitkitError) as caught:
        probed(url)
    return caught.value


def test_it_tells_its_version(memcached: str) -> None:
    assert re.fullmatch(r"answers, version \d+\.\d+\.\d+", probed(memcached))


def test_the_program_waits_for_it(memcached: str) -> None:
    ended = initkit("wait", memcached)
    assert ended.returncode == 0
    assert f"{memcached} answers, version " in ended.stderr


def test_one_that_wants_a_login_is_suspect(memcached_with_login: str) -> None:
    error = failed(memcached_with_login)
    assert type(error) is SuspectError
    assert error.cause == "CLIENT_ERROR unauthenticated"
    assert error.advice == "wait for HOST:PORT instead: a login is not supported"


@pytest.mark.parametrize("words", [b"SERVER_ERROR out of memory", b"ERROR"])
def test_one_that_says_error_is_waited_for(peer: Callable[[Behaviour], int], words: bytes) -> None:
    port = peer(answers(words + b"\r\n"))
    error = failed(f"memcached://127.0.0.1:{port}")
    assert type(error) is TemporaryError
    assert error.cause == words.decode()
