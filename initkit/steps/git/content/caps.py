"""How much a repository may bring, counted over it and its submodules."""

from __future__ import annotations

from initkit.core.errors import PermanentError
from initkit.steps.git.asked.values import show_size


class Caps:
    """The limits, and what was counted so far; shared by a repository and its submodules.

    Attributes:
        files: how many were counted, folders among them.
        size: how many bytes were counted.
        dropped: how many symbolic links were left out.
    """

    def __init__(self, max_files: int, max_size: int) -> None:
        self._max_files = max_files
        self._max_size = max_size
        self.files = 0
        self.size = 0
        self.dropped = 0

    def take(self, task: str, files: int, size: int) -> None:
        """Count so many files and bytes.

        Raises:
            PermanentError: it is more than what was allowed.
        """
        self.check(task, files, size)
        self.files += files
        self.size += size

    def check(self, task: str, files: int, size: int) -> None:
        """Look whether so many more would be allowed.

        Raises:
            PermanentError: they would not.
        """
        if self._max_files and self.files + files > self._max_files:
            cause = f"it has more than {self._max_files} files and folders"
            raise PermanentError(task, cause, "allow more by --max-files, or choose by --subpath")
        if self._max_size and self.size + size > self._max_size:
            cause = f"its files are larger than {show_size(self._max_size)} in all"
            raise PermanentError(task, cause, "allow more by --max-size, or choose by --subpath or --sparse")


def largest_file(max_size: int) -> int:
    """Bytes of the largest file that git may write while `max_size` is the limit of content; 0 for no limit.

    A pack of what compresses badly, its index and the list of files take somewhat more than the content itself.
    """
    return max_size + max_size // 8 + (64 << 20) if max_size else 0
