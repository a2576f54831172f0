"""What a test needs of its machine: it is skipped with the reason, or fails where all is required."""

from __future__ import annotations

import os
import shutil

import pytest


def need(condition: object, what: str) -> None:
    """Skip the test and say that `what` is missing; with ``INITKIT_TEST_REQUIRE=all`` it fails instead."""
    if condition:
        return
    if os.environ.get("INITKIT_TEST_REQUIRE") == "all":
        pytest.fail(f"this test needs {what}, and INITKIT_TEST_REQUIRE=all forbids to skip it")
    pytest.skip(f"needs {what}")


def need_program(name: str, package: str = "") -> str:
    """The path of a program on PATH, or in sbin where an ordinary user's PATH does not look."""
    found = shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    need(found, f"{name} (Debian package {package or name})")
    return found or ""
