"""Trees to set permissions on: many folders, one wide folder, a deep one; what is there already is left as it is."""

from __future__ import annotations

import os
import stat
import subprocess

_FILE = stat.S_IFREG | 0o644


def files(count: int) -> str:
    """So many of them."""
    return "1 file" if count == 1 else f"{count:,} files"


def spread(top: str, count: int, folders: int) -> str:
    """The path of one with so many files, evenly in so many folders."""
    path = os.path.join(top, f"spread-{count}-{folders}")
    return path if os.path.exists(path) else _filled(path, count, folders)


def wide(top: str, count: int) -> str:
    """The path of a folder with so many files."""
    path = os.path.join(top, f"wide-{count}")
    return path if os.path.exists(path) else _filled(path, count, 0)


def deep(top: str, depth: int) -> str:
    """The path of one with so many folders within one another, and a file in each hundredth."""
    path = os.path.join(top, f"deep-{depth}")
    if os.path.exists(path):
        return path
    os.mkdir(path)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    for number in range(depth):
        os.mkdir("d", dir_fd=folder)
        if number % 100 == 0:
            os.mknod("file", _FILE, dir_fd=folder)
        below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    return path


def _filled(path: str, count: int, folders: int) -> str:
    os.mkdir(f"{path}.part")
    top = os.open(f"{path}.part", os.O_RDONLY | os.O_DIRECTORY)
    for number in range(folders):
        os.mkdir(f"{number}", dir_fd=top)
    for number in range(count):
        os.mknod(f"{number % folders}/{number}" if folders else f"{number}", _FILE, dir_fd=top)
    os.close(top)
    os.rename(f"{path}.part", path)
    return path


def wrong(path: str, owner: int) -> int:
    """How many entries have another owner or group."""
    query = ["find", path, "(", "!", "-uid", f"{owner}", "-o", "!", "-gid", f"{owner}", ")", "-printf", "."]
    return len(subprocess.run(query, check=True, capture_output=True).stdout)
