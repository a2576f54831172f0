"""What each entry is to have, decided on the way down."""

from __future__ import annotations

import io
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initkit.steps.perms.asked.mode import parse_mode
from initkit.steps.perms.asked.places import NO_UMASK, NOTHING, VARIES, Places
from initkit.steps.perms.asked.wanted import Terms, Wanted
from initkit.steps.perms.walking.job import Job, read_job
from initkit.steps.perms.walking.pool import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SPECIAL = re.compile(r"[\\^\[\]&~|]|-(?=-)")
_PIECE = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


@cache
def whole(glob: str) -> re.Pattern[str]:
    """A regular expression for whole paths with a ``/`` after each name: what a pattern means, said in another way."""
    parts = glob.split("/")
    return re.compile("".join("(?:[^/]+/)*" if part == "**" else _name(part) + "/" for part in parts), re.DOTALL)


def _name(part: str) -> str:
    return "".join(_piece(match[0]) for match in _PIECE.finditer(part))


def _piece(piece: str) -> str:
    if piece in {"*", "?"}:
        return "[^/]*" if piece == "*" else "[^/]"
    if len(piece) == 1:
        return re.escape(piece)
    negated = piece.startswith("[!")
    inside = _SPECIAL.sub(r"\\\g<0>", piece[2 if negated else 1 : -1])
    return f"(?!/)[{'^' if negated else ''}{inside}]"


def matching(globs: Sequence[str], names: Sequence[str]) -> list[bool]:
    return [whole(glob).fullmatch("".join(f"{name}/" for name in names)) is not None for glob in globs]


def expected(places: Places, names: Sequence[str]) -> Wanted | None:
    """What the entry at a path is to have, found by looking at whole paths."""
    if places.max_depth is not None and len(names) > places.max_depth:
        return None
    if any(any(matching(places.exclude, names[:i])) for i in range(len(names))):
        return None
    if any(matching(places.exclude, names)) or (places.include and not any(matching(places.include, names))):
        return None
    found: dict[str, Any] = {}
    hits = matching([glob for glob, _ in places.rules], names)
    for wanted in [wanted for hit, (_, wanted) in zip(hits, places.rules, strict=True) if hit]:
        found |= {
            key: value for key, value in wanted._asdict().items() if value is not None and (key, value) != ("umask", 0)
        }
    found["umask"] = found.get("umask", 0) & 0o777
    return Wanted(**found)


def expected_to_be_entered(places: Places, names: Sequence[str]) -> bool:
    deeper = places.max_depth is None or len(names) < places.max_depth
    return deeper and not any(any(matching(places.exclude, names[:i])) for i in range(len(names) + 1))


NAMES = st.sampled_from(["a", "b", "ab", "ba", "aab", ".a", "\n", "a\nb", "\udcff", "a\udcff", "[", "é"])
PARTS = st.sampled_from(
    ["**", "**", "*", "a", "b", "ab", "[", "\udcff", "a*", "*b", "?", "??", "[ab]", "[!a]", "*a*b*", "?*", "*[!b]"]
)
GLOBS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)
MODES = st.sampled_from(["0640", "u=rwX,g=rX,o=", "2770"]).map(parse_mode)
WANTED = st.builds(
    Wanted,
    uid=st.none() | st.integers(0, 3),
    gid=st.none() | st.integers(0, 3),
    dir_mode=st.none() | MODES,
    file_mode=st.none() | MODES,
    umask=st.sampled_from([0, 0, 0o27, 0o77, NO_UMASK]),
)
FEW = st.lists(GLOBS, max_size=2)
PLACES = st.builds(
    Places, st.lists(st.tuples(GLOBS, WANTED), max_size=4), FEW, FEW, st.none() | st.none() | st.integers(0, 3)
)
WAYS = st.lists(NAMES, max_size=6)


@given(PLACES, WAYS)
def test_each_entry_gets_what_the_patterns_say_of_its_whole_path(places: Places, names: list[str]) -> None:
    folder = places.at("/".join(names))
    assert folder.wanted == expected(places, names)
    assert folder.entered == expected_to_be_entered(places, names)
    for name in ("a", "b", "ab", "\n", "\udcff", "[", "other"):
        assert folder.of(name) == expected(places, [*names, name])
        assert folder.plain is VARIES or folder.plain == folder.of(name)


@given(PLACES, WAYS, NAMES)
def test_the_same_comes_to_the_same_object(places: Places, names: list[str], name: str) -> None:
    here, there = places.at("/".join(names)), places.at("/".join(names))
    assert here is there
    assert here.of(name) is there.of(name)
    assert here.below(name) is there.below(name)


@given(PLACES, WAYS)
def test_another_process_comes_to_the_same(places: Places, names: list[str]) -> None:
    job = Job(Terms("/x", 1, None, 0), places, changing=True, enough=False, lines=Lines(1, (2, 3), ()), number=1)
    again = read_job(io.BytesIO(job.packed())).places
    here, there = places.at("/".join(names)), again.at("/".join(names))
    assert (here.wanted, here.entered, here.plain) == (there.wanted, there.entered, there.plain)


def ways_down(places: Places, name: str, depth: int) -> Iterator[int]:
    """The identities of the folders one below the other."""
    place = places.root()
    for _ in range(depth):
        yield id(place)
        place = place.below(name)


@pytest.mark.parametrize("globs", [["**"], ["**", "bin/**"], ["**/*.sh", "a/b/c", "**"], ["**/x/**/y"]])
def test_folders_that_patterns_tell_no_difference_between_are_one(globs: list[str]) -> None:
    places = Places([(glob, Wanted(uid=1)) for glob in globs])
    assert len(set(ways_down(places, "d", 10_000))) <= 3


def test_names_are_asked_only_where_a_pattern_depends_on_them() -> None:
    places = Places([("**", Wanted(uid=1)), ("bin/**", Wanted(uid=2)), ("etc/app/*.conf", Wanted(uid=3))])
    told = {path: places.at(path).plain for path in ("", "bin", "bin/x", "etc", "etc/app", "etc/app/x", "home/x")}
    assert told == {
        "": VARIES,  # bin itself may be a file
        "bin": Wanted(uid=2),
        "bin/x": Wanted(uid=2),
        "etc": Wanted(uid=1),
        "etc/app": VARIES,
        "etc/app/x": Wanted(uid=1),
        "home/x": Wanted(uid=1),
    }


def test_an_excluded_folder_is_not_entered_nor_is_any_below_it() -> None:
    places = Places([("**", Wanted(uid=1))], exclude=["cache", "tmp/*"])
    cache, below, tmp = places.at("cache"), places.at("cache/x/y"), places.at("tmp")
    assert [(place.wanted, place.entered, place.plain) for place in (cache, below)] == [(None, False, None)] * 2
    assert (tmp.wanted, tmp.entered, tmp.plain, tmp.below("x").entered) == (Wanted(uid=1), True, None, False)


def test_what_is_not_included_is_left_alone_but_looked_through() -> None:
    places = Places([("**", Wanted(uid=1))], include=["**/*.conf"])
    etc = places.at("etc")
    assert (etc.wanted, etc.entered, etc.plain) == (None, True, VARIES)
    assert (etc.of("app.conf"), etc.of("app.txt"), places.root().wanted) == (Wanted(uid=1), None, None)


@pytest.mark.parametrize(("max_depth", "entered"), [(0, []), (1, [""]), (2, ["", "a"]), (None, ["", "a", "a/b"])])
def test_levels_are_counted_as_find_counts_them(max_depth: int | None, entered: list[str]) -> None:
    places = Places([("**", Wanted(uid=1))], max_depth=max_depth)
    assert [path for path in ("", "a", "a/b") if places.at(path).entered] == entered
    assert places.at(entered[-1] if entered else "").wanted == Wanted(uid=1)


def test_a_later_rule_can_take_the_umask_back() -> None:
    places = Places([("**", Wanted(umask=0o27)), ("public/**", Wanted(umask=NO_UMASK))])
    assert (places.at("x").wanted, places.at("public/x").wanted) == (Wanted(umask=0o27), NOTHING)


def test_names_that_strangers_choose_fill_no_memory() -> None:
    places = Places([("**/a" + "/*" * 16, Wanted(uid=1))])
    for number in range(10_000):
        places.at("/".join("ab"[number >> bit & 1] for bit in range(16)))
    assert len(places._places) <= 4096
    assert places.at("a" + "/b" * 15).of("b") == Wanted(uid=1)
