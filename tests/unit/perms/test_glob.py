"""Patterns and the paths that they match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initkit.steps.perms.asked.glob import is_literal, name_pattern, parse_glob
from initkit.steps.perms.asked.places import NOTHING, Places
from initkit.steps.perms.asked.wanted import Wanted


def matches(glob: str, path: str) -> bool:
    """Whether what a path leads to, which is no folder, is matched."""
    places = Places([(parse_glob(glob), Wanted(uid=1))])
    if not path:
        return places.root().wanted != NOTHING
    folder, _, name = path.rpartition("/")
    return places.at(folder).of(name) != NOTHING


@pytest.mark.parametrize(
    ("glob", "hits", "misses"),
    [
        ("**", ["", "a", "a/b/c", ".hidden", "a\nb", "\udcff"], []),
        ("*", ["a", ".hidden", "a\nb", "\udcff"], ["", "a/b"]),
        ("bin/**", ["bin", "bin/a", "bin/a/b"], ["", "binary", "a/bin"]),
        ("bin/**/*", ["bin/a", "bin/a/b"], ["", "bin"]),
        ("**/*.sh", ["a.sh", "x/y/a.sh", ".sh", "\udcff.sh", "\n.sh"], ["", "a.sh/b", "ash", "a.sh\n"]),
        ("a/**/b", ["a/b", "a/x/y/b", "a/b/b"], ["ab", "a/xb", "a", "a/b/c"]),
        ("**/a/**/b/**", ["a/b", "x/a/a/b/b/c", "a/b/a"], ["a", "b/a", "x/b"]),
        ("**/**/a", ["a", "x/a"], ["xa"]),
        ("?.[ch]", ["a.c", "b.h", "\n.c", "\udcff.h"], ["ab.c", "a.d", "a/c"]),
        ("[!a-c]x", ["dx", "-x", "\nx", "\udcffx"], ["ax", "/x"]),
        ("a[+-9]b", ["a+b", "a5b"], ["a/b"]),
        ("[[^x--]", ["[", "^", "x"], ["a"]),
        ("[]]", ["]"], ["a"]),
        ("a.b+(c)", ["a.b+(c)"], ["axb+(c)", "a.bb(c)"]),
        ("a\\b", ["a\\b"], ["ab"]),
        ("[", ["["], ["a"]),
        ("a*b*c", ["abc", "axbxc", "abcbc", "abbcc"], ["ab", "acb", "abcd"]),
        ("ab*bc", ["abbc", "abcbc"], ["abc"]),
        ("\udcff*", ["\udcff", "\udcffa"], ["\udcfe"]),
    ],
)
def test_patterns_match_whole_paths(glob: str, hits: list[str], misses: list[str]) -> None:
    assert [path for path in hits if not matches(glob, path)] == []
    assert [path for path in misses if matches(glob, path)] == []


@pytest.mark.parametrize("glob", ["", "/", "/etc", "a//b", "a/", "./a", "../a", "a/..", "a**", "**b/c", "[b-a]", "\0"])
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


@given(st.text("ab*?[]!-^\\.&|~", min_size=1, max_size=6), st.text("ab*?[]!-^\\.&|~", min_size=1, max_size=6))
def test_a_literal_part_matches_itself_alone(part: str, name: str) -> None:
    if is_literal(part):
        assert (name_pattern(part).fullmatch(name) is not None) == (part == name)
        assert name_pattern(part).fullmatch(part)


def test_no_name_makes_matching_take_for_ever() -> None:
    pattern = name_pattern("*a" * 40 + "*b")
    assert not pattern.fullmatch("a" * 255)
    assert pattern.fullmatch("a" * 254 + "b")
