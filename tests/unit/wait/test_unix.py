"""How `unix` reads its address."""

from __future__ import annotations

import pytest

from initkit.core.assemble import assemble
from initkit.core.options import Invalid
from initkit.steps.wait.schemes.unix import parse_socket
from initkit.steps.wait.step import Wait


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("unix:///run/x.sock", "unix:/run/x.sock"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
        ("unix:x.sock", "unix:x.sock"),
        ("unix://localhost/run/x", "unix:/run/x"),
        ("unix:@name", "unix:@name"),
        (f"unix:{'x' * 107}", f"unix:{'x' * 107}"),
        (f"unix:@{'x' * 107}", f"unix:@{'x' * 107}"),
    ],
)
def test_an_address_has_many_spellings_and_one_name(text: str, name: str) -> None:
    assert assemble(Wait, {"targets": [text]}).targets[0].name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unix:", "expected the path of a socket, got 'unix:'"),
        ("unix:@", "expected the path of a socket, got 'unix:@'"),
        ("unix:/a\0b", "expected the path of a socket, got 'unix:/a\\x00b'"),
        ("unix://host/path", "expected unix:PATH or unix:///PATH, got 'unix://host/path'"),
        ("unix:/" + "x" * 107, "expected the path of a socket, of at most 107 bytes, got one of 108"),
        ("unix:/" + "ü" * 54, "expected the path of a socket, of at most 107 bytes, got one of 109"),
        ("unix:@" + "x" * 108, "expected the path of a socket, of at most 107 bytes, got one of 108"),
    ],
)
def test_words_that_are_no_socket(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        assemble(Wait, {"targets": [text]})
    assert str(caught.value) == message


def test_a_bare_path_is_taken_as_it_is() -> None:
    assert parse_socket("/run/x.sock") == "/run/x.sock"
