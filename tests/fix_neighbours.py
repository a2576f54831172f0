"""Neighbours with no good in mind: processes of their own that rewrite a volume all the time while others walk over it.

Run as a program, it is one of them: it is told its moves in JSON, makes them in any order until its input ends, takes
back what is still moved, and prints how many it made. It imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import select
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_EXCHANGE = 2  # RENAME_EXCHANGE, linux/fs.h
_NOT_YET = 0
_AT_ONCE = 32  # moves between two looks at the input


class Move(NamedTuple):
    """What is moved to and fro, or changes places; by its folder and its name there.

    The folders are opened once: whatever becomes of their paths, no move hits anything else.
    """

    folder: str
    name: str
    other_folder: str
    other_name: str
    exchange: bool = True


def move(one: Path, other: Path, *, exchange: bool = True) -> Move:
    """Two that change places; without `exchange` the one is renamed to the other, which is not there."""
    return Move(str(one.parent), one.name, str(other.parent), other.name, exchange)


@dataclass
class Neighbour:
    """One that is at work, or has been.

    Attributes:
        moves: how many it made; known in the end.
    """

    moves: int = _NOT_YET


@contextlib.contextmanager
def neighbour(moves: Sequence[Move], *, seed: int = 6) -> Iterator[Neighbour]:
    """One that makes these moves meanwhile; in the end all is where it was."""
    program = [sys.executable, "-I", __file__, json.dumps(moves), str(seed)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "at work\n"
        told = Neighbour()
        try:
            yield told
        finally:
            child.stdin.close()
            told.moves = int(child.stdout.readline())
    assert child.returncode == 0


def exchanges(one: Path, other: Path) -> bool:
    """Whether two can change places here, and back."""
    try:
        turn = _turn(move(one, other))
        return turn() and turn()
    except AttributeError:  # a C library without it
        return False


def _turn(told: Move) -> Callable[[], bool]:
    """Makes the move, or takes it back; whether it could."""
    renameat2 = ctypes.PyDLL(None).renameat2
    here = os.open(told.folder, os.O_PATH), os.fsencode(told.name)
    there = os.open(told.other_folder, os.O_PATH), os.fsencode(told.other_name)
    ways = [(*here, *there), (*there, *here)]
    flags = _EXCHANGE if told.exchange else 0

    def turn() -> bool:
        done = bool(renameat2(*ways[0], flags) == 0)
        if done:
            ways.reverse()
        return done

    return turn


def _work(moves: Sequence[Move], seed: int) -> int:
    chance = random.Random(seed)
    turns = [_turn(one) for one in moves]
    moved = [False] * len(moves)
    done = 0
    over = select.poll()
    over.register(sys.stdin, select.POLLIN | select.POLLHUP)
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    while not over.poll(0):
        for number in chance.choices(range(len(moves)), k=_AT_ONCE):
            if turns[number]():
                moved[number] = not moved[number]
                done += 1
    while any(moved):
        for number, turn in enumerate(turns):
            if moved[number] and turn():
                moved[number] = False
    return done


if __name__ == "__main__":
    sys.stdout.write(f"{_work([Move(*told) for told in json.loads(sys.argv[1])], int(sys.argv[2]))}\n")
