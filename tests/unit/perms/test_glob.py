"""Patterns and the paths that they match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initkit.steps.perms.glob import compiled, parse_glob


def matches(glob: str, path: str) -> bool:
    return compiled(parse_glob(glob)).fullmatch(f"{path}/" if path else "") is not None


@pytest.mark.parametrize(
    ("glob", "hits", "misses"),
    [
        ("**", ["", "a", "a/b/c", ".hidden", "a\nb", "\udcff"], []),
        ("*", ["a", ".hidden", "a\nb"], ["", "a/b"]),
        ("bin/**", ["bin", "bin/a", "bin/a/b"], ["", "binary", "a/bin"]),
        ("bin/**/*", ["bin/a", "bin/a/b"], ["", "bin"]),
        ("**/*.sh", ["a.sh", "x/y/a.sh"], ["", "a.sh/b", "ash"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("**/**/a", ["a", "x/a"], ["xa"]),
        ("?.[ch]", ["a.c", "b.h"], ["ab.c", "a.d", "a/c"]),
        ("[!a-c]x", ["dx", "-x"], ["ax", "/x"]),
        ("a[+-9]b", ["a+b", "a5b"], ["a/b"]),
        ("[[^x--]", ["[", "^", "x"], ["a"]),
        ("[]]", ["]"], ["a"]),
        ("a.b+(c)", ["a.b+(c)"], ["axb+(c)", "a.bb(c)"]),
        ("a\\b", ["a\\b"], ["ab"]),
        ("[", ["["], ["a"]),
    ],
)
def test_patterns_match_whole_paths(glob: str, hits: list[str], misses: list[str]) -> None:
    assert [path for path in hits if not matches(glob, path)] == []
    assert [path for path in misses if matches(glob, path)] == []


@pytest.mark.parametrize("glob", ["", "/", "/etc", "a//b", "a/", "./a", "../a", "a/..", "a**", "**b/c", "[b-a]"])
def test_what_matches_no_path_is_refused(glob: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_glob(glob)


@given(st.text("ab*?[]!-^\\/.&|~", max_size=12), st.text("ab-]/", max_size=8))
def test_any_text_is_a_pattern_or_refused(glob: str, path: str) -> None:
    try:
        checked = parse_glob(glob)
    except ValueError as refused:
        message = str(refused)
        assert message.startswith("expected")
    else:
        assert matches(checked, path) in {True, False}
