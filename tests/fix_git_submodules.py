"""Repositories with submodules, made as git would make them, and what they are checked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_git import GitOverHttp, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Family:
    """Repositories beside one another, so that ``../NAME`` leads from each to each other.

    Attributes:
        origin: the one that is published.
        lib: a submodule of others, with one file.
    """

    def __init__(self, origin: Origin) -> None:
        self.folder = origin.path.parent
        self.origin = origin
        self.lib = self.make("lib", {"lib.txt": "lib one"})

    def make(self, name: str, files: Mapping[str, str]) -> Origin:
        """A repository with one commit."""
        made = Origin(self.folder / name)
        made.commit(files)
        return made

    def link(self, parent: Origin, modules: Mapping[str, tuple[str, str]], *, listed: str | None = None) -> str:
        """Commit submodules, each as path → (URL, SHA); `listed` is what `.gitmodules` says instead.

        Returns the commit's SHA.
        """
        lines = [f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, (url, _) in modules.items()]
        parent.write({".gitmodules": "".join(lines) if listed is None else listed})
        parent.git("add", ".gitmodules")
        for path, (_, sha) in modules.items():
            parent.git("update-index", "--add", "--cacheinfo", f"160000,{sha},{path}")
        parent.git("commit", "--quiet", "--allow-empty", "-m", "submodules")
        return parent.git("rev-parse", "HEAD")


@pytest.fixture
def family(origin: Origin) -> Family:
    """Others beside `origin`."""
    return Family(origin)


@pytest.fixture
def another_server(origin: Origin) -> Iterator[GitOverHttp]:
    """The same repositories at another port, which is another host to whoever has a secret."""
    with GitOverHttp(origin.path.parent).running() as server:
        yield server


def tree_of(folder: Path) -> dict[str, str]:
    """The text of every file below a folder, ``-> TARGET`` for links and ``/`` for folders that are empty."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
        elif not any(path.iterdir()):
            found[name] = "/"
    return found


def head(repository: Origin) -> str:
    """The commit that a repository is at."""
    return repository.git("rev-parse", "HEAD")
