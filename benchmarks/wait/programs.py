"""The programs that wait: initkit and its peers, each as people call it, with its own defaults but for the timeout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OURS = "initkit"
_BOTH = ("tcp", "http")


class Program(NamedTuple):
    """How to wait with it.

    Attributes:
        name: as the table calls it.
        command: URLs to command line; it waits for all of them without end.
        takes_many: whether it takes more than one URL.
        schemes: what URLs it takes.
    """

    name: str
    command: Callable[[Sequence[str]], list[str]]
    takes_many: bool = False
    schemes: tuple[str, ...] = ("tcp",)

    def commands(self, urls: Sequence[str]) -> list[list[str]]:
        """One command for all URLs, or one for each."""
        return [self.command(urls)] if self.takes_many else [self.command([url]) for url in urls]


def find(folder: str) -> tuple[list[Program], list[str]]:
    """The programs that are there, ours first, and what is missing; wait-on is installed into `folder`."""
    programs = {
        "wait-for-it: it needs Debian's package wait-for-it": _wait_for_it(),
        "wait-on: it needs npm, which is to install it": _wait_on(folder),
        "nc: it needs Debian's package netcat-openbsd": _nc(),
    }
    missing = [f"going on without {what}" for what, program in programs.items() if not program]
    return [_initkit(), *filter(None, programs.values())], missing


def _initkit() -> Program:
    program = os.path.join(os.path.dirname(sys.executable), "initkit")
    if not os.path.exists(program):
        raise SystemExit(f"cannot find initkit: {program} does not exist; install it next to this Python")
    return Program(OURS, lambda urls: [program, "wait", "--timeout", "0", *urls], takes_many=True, schemes=_BOTH)


def _wait_for_it() -> Program | None:
    program = shutil.which("wait-for-it")
    return Program("wait-for-it", lambda urls: [program, "--timeout=0", _address(urls[0])]) if program else None


def _nc() -> Program | None:
    loop = 'until nc -z "$0" "$1"; do sleep 1; done'
    if not shutil.which("nc"):
        return None
    return Program("nc; sleep 1", lambda urls: ["sh", "-c", loop, *_address(urls[0]).split(":")])


def _wait_on(folder: str) -> Program | None:
    npm = shutil.which("npm")
    if not npm:
        return None
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "wait-on"]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        return None
    modules = os.path.join(folder, "node_modules")
    with open(os.path.join(modules, "wait-on", "package.json")) as file:
        version = json.load(file)["version"]
    program = os.path.join(modules, ".bin", "wait-on")
    return Program(f"wait-on {version}", lambda urls: [program, *map(_short, urls)], takes_many=True, schemes=_BOTH)


def _address(url: str) -> str:
    return url.removeprefix("tcp://")


def _short(url: str) -> str:
    return url.replace("tcp://", "tcp:")
