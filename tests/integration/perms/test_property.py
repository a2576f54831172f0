"""Any tree and any rules: one run is enough, and what it leaves is what find(1), chmod(1) and patience would leave."""

from __future__ import annotations

import itertools
import os
import re
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from fix_clock import make_context
from fix_need import need_program
from fix_perms import perms, snapshot
from hypothesis import HealthCheck, assume, example, given, reject, settings
from hypothesis import strategies as st

from initkit.core.options import Invalid
from initkit.core.outcome import Satisfied, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_ROOT = os.geteuid() == 0
_OUR_GROUP = os.getegid()


class Node(NamedTuple):
    """An entry that is to be made: a folder where `below` is a mapping."""

    kind: str
    mode: int
    uid: int
    below: dict[str, Any] | None = None


def nodes(kinds: Sequence[str], modes: st.SearchStrategy[int]) -> st.SearchStrategy[Node]:
    return st.tuples(st.sampled_from(kinds), modes, st.sampled_from([0, 1, 2])).map(lambda told: Node(*told))


def folders(inner: st.SearchStrategy[dict[str, Node]]) -> st.SearchStrategy[Node]:
    return st.tuples(nodes(["folder"], _FOLDER_MODES), inner).map(lambda told: told[0]._replace(below=told[1]))


_NAMES = st.sampled_from(["a", "b", "bin", "x.sh", ".c", "d\n", "\udcff", "[b]"])
_FOLDER_MODES = st.integers(0o700, 0o777) | st.sampled_from([0o2755, 0o1777, 0o3770])
_FILE_MODES = st.integers(0o400, 0o777) | st.sampled_from([0o4755, 0o2755, 0o6711])
_LEAVES = nodes(["file", "file", "file", "linked", "link", "fifo", "socket"], _FILE_MODES)
_TREES = st.recursive(
    st.dictionaries(_NAMES, _LEAVES, max_size=4),
    lambda inner: st.dictionaries(_NAMES, _LEAVES | folders(inner), max_size=4),
    max_leaves=6,
)
_GLOBS = ["**", "bin/**", "**/*.sh", "*", "a/**/b", "**/bin", "bin/*", "**/[a-c]", "?", "**/.c", "**/*/**/a", "[!a]*/*"]
_MODES = ["0640", "0700", "0511", "u=rwX,g=rX,o=", "a+X", "g=u", "go-rwx", "u+rwx", "o=g", "ug+r,o-w", "a=rX"]
_DIR_MODES = [*(mode for mode in _MODES if mode != "0640"), "2770", "u=rwx,g=rxs,o=", "a+t", "g-s"]

_UMASKS = ["0027", "0002"] + ["0111"] * _ROOT  # who is not root cannot look into a folder without x


def maybe(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


def options(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of owner, group, modes and umask; at least one of them."""
    owners = {"owner": maybe(["1", "2"]), "group": maybe(["0", "7"])} if _ROOT else {"group": maybe([f"{_OUR_GROUP}"])}
    asked = st.fixed_dictionaries(
        {
            **owners,
            "dir-mode": maybe(_DIR_MODES),
            "file-mode": maybe(_MODES),
            "umask": maybe(_UMASKS),
            **more,
        }
    )
    return asked.map(lambda told: {name: value for name, value in told.items() if value is not None}).filter(
        lambda told: told.keys() & {"owner", "group", "dir-mode", "file-mode"}
    )


@dataclass
class Case:
    """A tree and what is asked of it."""

    tree: dict[str, Any]
    first: dict[str, Any]
    rules: list[dict[str, Any]]
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    max_depth: int | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """As options of the step."""
        told: dict[str, Any] = dict(self.first)
        for name in ("rules", "include", "exclude"):
            if getattr(self, name):
                told[name] = getattr(self, name)
        return told if self.max_depth is None else told | {"max-depth": str(self.max_depth)}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rules = options(path=st.sampled_from(_GLOBS)).filter(lambda rule: "path" in rule)
    case = Case(
        draw(_TREES),
        draw(options()),
        draw(st.lists(rules, max_size=3)),
        draw(st.lists(st.sampled_from(_GLOBS), max_size=2)),
        draw(st.lists(st.sampled_from([glob for glob in _GLOBS if glob != "**"]), max_size=1)),
        draw(st.sampled_from([None, None, 0, 1, 2])),
    )
    assume(not set(case.include) & set(case.exclude))
    try:
        perms("/x", **case.asked)
    except Invalid as refused:
        # what a mode reads, a umask may not take away: it is refused before anything is done
        assert "applied again" in str(refused)  # noqa: PT017 - nothing else is refused
        reject()
    return case


def plant(place: str, tree: Mapping[str, Node], outside: str) -> None:
    """Make it."""
    for name, node in tree.items():
        path = os.path.join(place, name)
        if node.below is not None:
            os.mkdir(path)
            plant(path, node.below, outside)
        elif node.kind == "link":
            os.symlink("/nowhere", path)
        elif node.kind == "linked":  # it has another name outside
            fd, other = tempfile.mkstemp(dir=outside)
            os.close(fd)
            os.link(other, path)
        else:
            os.mknod(path, {"file": stat.S_IFREG, "fifo": stat.S_IFIFO, "socket": stat.S_IFSOCK}[node.kind] | 0o600)
        if _ROOT:
            os.lchown(path, node.uid, 5)
        if node.kind != "link":
            os.chmod(path, node.mode if node.kind in {"file", "linked", "folder"} else node.mode & 0o777)


# The oracle: it knows nothing of the walk.


def matches(glob: str, path: str) -> bool:
    """Whether a pattern fits a path: by trying all that ``**`` may stand for."""
    return fits(glob.split("/"), path.split("/") if path else [])


def fits(parts: list[str], names: list[str]) -> bool:
    if not parts:
        return not names
    if parts[0] == "**":
        return any(fits(parts[1:], names[start:]) for start in range(len(names) + 1))
    return bool(names) and one_name(parts[0], names[0]) and fits(parts[1:], names[1:])


def one_name(part: str, name: str) -> bool:
    text = re.escape(part).replace(r"\*", ".*").replace(r"\?", ".")
    text = re.sub(r"\\\[(!?)([a-z])\\?-?([a-z]?)\\\]", lambda m: f"[{'^' if m[1] else ''}{m[2]}-{m[3] or m[2]}]", text)
    return re.fullmatch(text, name, re.DOTALL) is not None


def below(top: str, case: Case) -> Iterator[str]:
    """Paths of all entries that are to be set, as find(1) sees them."""
    depth = [] if case.max_depth is None else ["-maxdepth", str(case.max_depth)]
    found = subprocess.run(["find", top, *depth, "-printf", r"%P\0"], capture_output=True, check=True).stdout
    for path in (os.fsdecode(name) for name in found.split(b"\0")[:-1]):
        names = path.split("/") if path else []
        ways = ["/".join(names[:length]) for length in range(len(names) + 1)]
        if any(matches(glob, way) for glob in case.exclude for way in ways):
            continue
        if not case.include or any(matches(glob, path) for glob in case.include):
            yield path


def expected(top: str, case: Case) -> dict[str, tuple[int, int, int]]:
    """What each entry is to be after a run: by what it is now, and by what chmod(1) makes of copies of it."""
    now = {path: os.lstat(os.path.join(top, path)) for path in below(top, case)}
    asked: dict[str, dict[str, Any]] = {}
    for path in now:
        asked[path] = dict(case.first)
        for rule in case.rules:
            if matches(rule["path"], path):
                asked[path] |= rule
    modes = chmod([(found.st_mode, wish_of(asked[path], found.st_mode)) for path, found in now.items()])
    return {path: outcome(found, mode, asked[path]) for (path, found), mode in zip(now.items(), modes, strict=True)}


def wish_of(asked: Mapping[str, Any], mode: int) -> str:
    """What chmod(1) is told: nothing for what has no mode of its own to be set."""
    name = "dir-mode" if stat.S_ISDIR(mode) else "file-mode" if stat.S_ISREG(mode) else ""
    if not name:
        return ""
    wish = str(asked.get(name, ""))
    wish = wish.zfill(5) if wish.isdigit() else wish  # with five digits it takes set-id bits of folders away too
    masked = int(asked.get("umask", "0"), 8)
    taken = ",".join(f"{who}-{masked >> shift & 7}" for who, shift in (("u", 6), ("g", 3), ("o", 0)) if masked)
    for digit, letters in ((d, "".join(x for x, bit in (("r", 4), ("w", 2), ("x", 1)) if d & bit)) for d in range(8)):
        taken = taken.replace(f"-{digit}", f"-{letters}")
    return ",".join(filter(None, [wish, taken])) if not wish.isdigit() else f"{int(wish, 8) & ~masked:05o}"


_KNOWN: dict[tuple[int, str], int] = {}


def chmod(questions: Sequence[tuple[int, str]]) -> list[int]:
    """The twelve bits that chmod(1) makes of an entry with such a mode when it is told so."""
    program = need_program("chmod", "coreutils")
    unknown = sorted({one for one in questions if one[1] and one not in _KNOWN})
    scratch = os.environ.get("TMPDIR", "/tmp")
    for wish, group in itertools.groupby(sorted(unknown, key=lambda one: one[1]), lambda one: one[1]):
        made = []
        for number, (mode, _) in enumerate(group):
            path = os.path.join(scratch, f"initkit-oracle-{os.getpid()}-{number}")
            os.mkdir(path) if stat.S_ISDIR(mode) else os.mknod(path, stat.S_IFREG | 0o600)
            os.chmod(path, stat.S_IMODE(mode))
            made.append((path, mode))
        subprocess.run([program, wish, *(path for path, _ in made)], check=True)
        for path, mode in made:
            _KNOWN[mode, wish] = stat.S_IMODE(os.lstat(path).st_mode)
            os.rmdir(path) if stat.S_ISDIR(mode) else os.unlink(path)
    return [_KNOWN[mode, wish] if wish else stat.S_IMODE(mode) for mode, wish in questions]


def outcome(found: os.stat_result, mode: int, asked: Mapping[str, Any]) -> tuple[int, int, int]:
    uid, gid = int(asked.get("owner", found.st_uid)), int(asked.get("group", found.st_gid))
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and found.st_uid != int(asked.get("owner", os.geteuid())):
        return found.st_mode, found.st_uid, found.st_gid  # someone else's, perhaps
    moved = (uid, gid) != (found.st_uid, found.st_gid)
    if moved and stat.S_ISREG(found.st_mode):
        mode &= ~0o6000
    return stat.S_IFMT(found.st_mode) | mode, uid, gid


def state(top: str) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path, one in snapshot(top).items():
        name = os.path.normpath(os.path.relpath(os.fsdecode(path), top))
        found["" if name == "." else name] = (one[1], one[2], one[3])
    return found


@given(cases())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(Case({"bin": Node("folder", 0o2755, 1, {"x.sh": Node("file", 0o4755, 2)})}, {"dir-mode": "g-s"}, []))
def test_one_run_makes_of_any_tree_what_is_declared(volume: Path, case: Case) -> None:
    top, outside = f"{volume}/x", f"{volume}/outside"
    for folder in (top, outside):
        subprocess.run(["chmod", "-Rf", "u+rwx", folder], check=False)
        subprocess.run(["rm", "-rf", folder], check=True)
        os.mkdir(folder, 0o755)
    plant(top, case.tree, outside)
    wanted = state(top) | expected(top, case)
    step = perms(top, **case.asked)
    first = step.apply(make_context())
    assert first.facts["failed"] == 0
    assert state(top) == wanted
    before = snapshot(top)
    assert isinstance(step.check(make_context(looking=True)), Satisfied)
    assert step.apply(make_context()).status == Status.OK
    assert snapshot(top) == before
