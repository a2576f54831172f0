"""git-lfs gets the credentials of git: in memory only, and for no other host."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from fix_clock import make_context
from fix_need import need_program

from initkit.steps.git.access.access import Access
from initkit.steps.git.access.for_lfs import for_lfs
from initkit.steps.git.asked.remote import parse_remote

HEADER = 'Authorization: Basic "a\\b"'


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://Host.example/a", ["https://Host.example/", "https://host.example/", "https://host.example:443/"]),
        ("https://host:443/a", ["https://host/", "https://host:443/"]),
        ("http://host/a", ["http://host/", "http://host:80/"]),
        ("https://host:8443/a", ["https://host:8443/"]),
    ],
)
def test_the_header_is_bound_to_every_way_to_write_the_address(url: str, same: list[str]) -> None:
    need_program("git")
    origin = same[-1].rstrip("/")
    variables = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{origin}/.extraHeader",
        "GIT_CONFIG_VALUE_0": HEADER,
        "OTHER": "stays",
    }
    with for_lfs(Access(variables, {}), parse_remote(url), make_context()) as access:
        path = access.variables["GIT_CONFIG_GLOBAL"]
        assert dict(access.variables) == {"OTHER": "stays", "GIT_CONFIG_GLOBAL": path}
        listed = subprocess.run(["git", "config", "--file", path, "-z", "--list"], capture_output=True, check=True)
        assert "memfd" in os.readlink(path)
    entries = dict(entry.split("\n", 1) for entry in listed.stdout.decode().split("\0") if entry)
    assert entries == {f"http.{address}.extraheader": HEADER for address in same}
    assert not Path(path).exists()
