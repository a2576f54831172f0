"""What a child may take binds all that belongs to it, however early that was started."""

from __future__ import annotations

import resource
import subprocess
import sys

from initkit.steps.git.calling.limits import Limits, for_objects, for_refs

_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
input()
"""


def test_a_child_and_the_children_that_it_has_already_are_bound() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        Limits(file=1 << 20, memory=1 << 30).put_on(parent.pid)
        for pid in (parent.pid, child):
            assert resource.prlimit(pid, resource.RLIMIT_FSIZE) == (1 << 20, 1 << 20)
            assert resource.prlimit(pid, resource.RLIMIT_DATA) == (1 << 30, 1 << 30)


def test_a_child_that_is_gone_is_no_error() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    Limits(1, 1).put_on(gone.pid)


def test_memory_is_bound_for_refs_always_and_for_objects_with_their_size() -> None:
    assert for_refs(0).memory > 0
    assert for_objects(0) == Limits()
    assert 0 < for_objects(1 << 20).memory < for_objects(10 << 30).memory
