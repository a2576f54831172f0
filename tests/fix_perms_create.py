"""Runs that make a folder, change what is in it and stamp it: by the dozen, killed, and as someone else."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fix_clock import make_context

from initkit.core.errors import InitkitError
from initkit.steps.perms import stamp
from initkit.steps.perms.asked.mode import parse_mode
from initkit.steps.perms.asked.wanted import Wanted
from initkit.steps.perms.making.create import create
from initkit.steps.perms.roots import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_HERE = Path(__file__).parent
_PROGRAM = """
import json, os, sys
sys.path[:0] = json.loads(sys.argv[1])
from fix_perms_create import serve
serve(int(sys.argv[2]))
"""
DIGEST = "a1" * 32
OTHER = "b2" * 32


def wanted(mode: str | None = None, uid: int | None = None, gid: int | None = None, *, umask: int = 0) -> Wanted:
    """What a folder is to have."""
    return Wanted(uid, gid, parse_mode(mode) if mode else None, None, umask)


def work(request: dict[str, Any]) -> bool:
    """One run: the folder is made, and where there is no stamp the modes in it are set, and then it is stamped."""
    asked = wanted(request.get("mode"), request.get("uid"), request.get("gid"))
    made = create(request["path"], asked, make_context())
    if request.get("file_mode"):
        with opened([request["path"]]) as [root]:
            if not stamp.is_there(root, DIGEST):
                stamp.begin(root, DIGEST)
                for name in sorted(os.listdir(root.path)):
                    if not stamp.is_stamp(name):
                        Path(root.path, name).chmod(int(request["file_mode"], 8))
                stamp.finish(root, DIGEST)
    return made


def _told(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"made": work(request)}
    except InitkitError as error:
        return {"kind": type(error).__name__, "error": str(error)}


def _forked(act: Callable[[], object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        act()
    finally:
        os._exit(0)


def _together(request: dict[str, Any]) -> list[dict[str, Any]]:
    """As many runs as were asked for, begun at once."""
    reading, writing = os.pipe()
    waiting, starting = os.pipe()

    def act() -> None:
        os.close(starting)
        os.read(waiting, 1)
        os.write(writing, json.dumps(_told(request)).encode() + b"\n")

    pids = [_forked(act) for _ in range(request["count"])]
    for fd in (starting, waiting, writing):
        os.close(fd)
    with os.fdopen(reading) as lines:
        told = [json.loads(line) for line in lines]
    for pid in pids:
        os.waitpid(pid, 0)
    return told


def _killed(request: dict[str, Any]) -> bool:
    """A run that is killed after so many seconds; whether it was still at work."""
    pid = _forked(lambda: work(request))
    time.sleep(request["after"])
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def serve(uid: int) -> None:
    """Answer each line of the input."""
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"one": _told, "together": _together, "killed": _killed}[request["do"]](request)
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer


class Runner:
    """Runs in another process, which may have fewer rights, or other mounts."""

    def __init__(self, prefix: Sequence[str] = (), *, uid: int = 0) -> None:
        places = json.dumps([str(_HERE), str(_HERE.parent)])
        program = [*prefix, sys.executable, "-c", _PROGRAM, places, str(uid)]
        self._child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, do: str, path: object, **more: object) -> Any:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps({"do": do, "path": str(path), **more}) + "\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def close(self) -> None:
        self._child.communicate(timeout=60)


@contextmanager
def running(prefix: Sequence[str] = (), *, uid: int = 0) -> Iterator[Runner]:
    """A `Runner` for the block."""
    runner = Runner(prefix, uid=uid)
    try:
        yield runner
    finally:
        runner.close()


@contextmanager
def watched(paths: Sequence[Path]) -> Iterator[set[tuple[str, int, int, int]]]:
    """Everything that these paths were seen to be: path, owner, group and mode."""
    seen: set[tuple[str, int, int, int]] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for path in paths:
                with suppress(OSError):
                    found = path.lstat()
                    seen.add((str(path), found.st_uid, found.st_gid, found.st_mode))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def instants(count: int, longest: float, seed: int) -> list[float]:
    """Random moments, the first one at once, in seconds."""
    chance = random.Random(seed)
    return [0.0] + [chance.uniform(0, longest) for _ in range(count - 1)]
