"""Several processes over one tree: parts of it go from one that has many to one that has none; `walk` knows which.

Work lies in a queue that the kernel keeps: a socket that all write to and all read from, each message for whoever is
first. A message carries the descriptor of a folder (SCM_RIGHTS, unix(7)), so that no path is ever looked up again.
Beside it each process has a box for what is meant for it, and all share a page of memory: who is idle, how much has
been seen, and whether to stop.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initkit.steps.perms.walking.folder import Folder

MOST = 8  # processes: beyond that they wait for the file system
_STOP = 0  # where each thing lies in the page
_FAILED = 1
_IDLE = 8
_MAIL = 24
_BEGUN = 40
_COUNTS = 64
_COUNT = struct.Struct("=QQ")
_WORK = struct.Struct("=?III")  # whether its names are folders', whose it is, which, and how long its path is
_DONE = struct.Struct("=I")
_LONGEST = 256 * 1024  # bytes of a message; a socket takes less by default


class Part(NamedTuple):
    """A part of a walk that was given away: some of what is in a folder.

    Attributes:
        fd: of the folder, which whoever takes it has to close.
        path: of the folder, from the root.
        names: in it.
        folders: whether they are those of folders, which are given with all that is in them.
        token: of whoever gave it, to be sent back when it is done.
    """

    fd: int
    path: str
    names: list[str]
    folders: bool
    token: bytes


class Lines(NamedTuple):
    """The descriptors that all processes share; of each pair the first is read from, the second written to."""

    page: int
    queue: tuple[int, int]
    boxes: tuple[tuple[int, int], ...]

    @property
    def all(self) -> list[int]:
        """Each of them."""
        return [self.page, *self.queue, *(fd for box in self.boxes for fd in box)]


class Pool:
    """One process's part in it."""

    def __init__(self, lines: Lines, index: int) -> None:
        """Take part.

        Args:
            lines: between all processes; they are closed with this pool.
            index: of this process; 0 is the one that began.
        """
        self.lines = lines
        self.index = index
        self._page = mmap.mmap(lines.page, mmap.PAGESIZE)
        self._work_in, self._work_out = (socket.socket(fileno=fd) for fd in lines.queue)
        self._boxes = [tuple(socket.socket(fileno=fd) for fd in box) for box in lines.boxes]
        self._box = self._boxes[index][0]
        self._count = len(lines.boxes)
        for line in (self._work_in, self._work_out, self._box):
            line.settimeout(0)
        self._owners: dict[int, Folder] = {}
        self._token = 0
        self._page[_BEGUN + index] = 1

    @classmethod
    def opened(cls, count: int) -> Pool:
        """A new one for so many processes, in the one that begins.

        Raises:
            OSError: there are too few descriptors.
        """
        pairs: list[tuple[socket.socket, socket.socket]] = []
        page = os.memfd_create("initkit-perms")
        try:
            os.ftruncate(page, mmap.PAGESIZE)
            for _ in range(count + 1):
                pairs.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))  # noqa: PERF401 - they are closed
        except OSError:
            for line in (end for pair in pairs for end in pair):
                line.close()
            os.close(page)
            raise
        (queue, *boxes) = [(one.detach(), other.detach()) for one, other in pairs]
        return cls(Lines(page, queue, tuple(boxes)), 0)

    def close(self) -> None:
        """Close all lines."""
        self._page.close()
        os.close(self.lines.page)
        for line in (self._work_in, self._work_out, *(end for box in self._boxes for end in box)):
            line.close()

    # the page

    def stop(self) -> None:
        """Have all processes end."""
        self._page[_STOP] = 1

    @property
    def is_stopped(self) -> bool:
        """Whether all processes are to end."""
        return self._page[_STOP] == 1

    def fail(self) -> None:
        """Something could not be done."""
        self._page[_FAILED] = 1

    @property
    def has_failed(self) -> bool:
        """Whether something could not be done by a process that has given back what it was at."""
        return self._page[_FAILED] == 1

    def tell(self, seen: int, changed: int) -> None:
        """How far this process is."""
        _COUNT.pack_into(self._page, _COUNTS + _COUNT.size * self.index, seen, changed)

    def told(self) -> tuple[int, int]:
        """How far all are together."""
        counts = [_COUNT.unpack_from(self._page, _COUNTS + _COUNT.size * i) for i in range(self._count)]
        return sum(seen for seen, _ in counts), sum(changed for _, changed in counts)

    def set_idle(self, *, idle: bool) -> None:
        """Whether this process has nothing to do."""
        self._page[_IDLE + self.index] = idle

    def is_wanted(self) -> bool:
        """Whether any process has nothing to do."""
        return self._page.find(b"\1", _IDLE, _IDLE + self._count) >= 0

    def has_begun(self, index: int) -> bool:
        """Whether a process takes part already."""
        return self._page[_BEGUN + index] == 1

    @property
    def has_mail(self) -> bool:
        """Whether something may lie in the box."""
        return self._page[_MAIL + self.index] == 1

    # parts of the walk

    def give(self, owner: Folder, names: Sequence[str], *, folders: bool) -> bool:
        """Put a part into the queue; whether that took it."""
        path = os.fsencode(owner.whole_path())
        message = _WORK.pack(folders, self.index, self._token, len(path)) + path + os.fsencode("\0".join(names))
        if len(message) > _LONGEST:
            return False
        idle = self._page.find(b"\1", _IDLE, _IDLE + self._count)
        if idle >= 0:
            # one part for each that has none; before it is sent, for whoever takes it may soon have none again
            self._page[idle] = 0
        try:
            socket.send_fds(self._work_out, [message], [owner.fd])
        except OSError:  # it is full, or the path is too long: whoever has it can do it as well
            if idle >= 0:
                self._page[idle] = 1
            return False
        self._owners[self._token] = owner
        self._token += 1
        return True

    def taken(self) -> Part | None:
        """A part from the queue, if there is one.

        Raises:
            OSError: this process has no descriptor left for it.
        """
        try:
            message, fds, _, _ = socket.recv_fds(self._work_in, _LONGEST, 1)
        except BlockingIOError:
            return None
        if not fds:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))  # what was in the message is lost
        folders, owner, token, length = _WORK.unpack_from(message)
        path = os.fsdecode(message[_WORK.size : _WORK.size + length])
        names = os.fsdecode(message[_WORK.size + length :]).split("\0")
        return Part(fds[0], path, names, folders, bytes([owner]) + _DONE.pack(token))

    def done(self, token: bytes) -> None:
        """Send a token back to whoever it is from."""
        owner = token[0]
        self._boxes[owner][1].send(token[1:])
        self._page[_MAIL + owner] = 1

    def wake(self, index: int) -> None:
        """Have a process look at its box."""
        self._boxes[index][1].send(b"")

    def returned(self) -> list[Folder]:
        """Whose parts are done."""
        self._page[_MAIL + self.index] = 0
        found: list[Folder] = []
        while True:
            try:
                message = self._box.recv(_DONE.size)
            except BlockingIOError:
                return found
            if message:
                found.append(self._owners.pop(_DONE.unpack(message)[0]))

    @property
    def readable(self) -> tuple[int, int]:
        """The descriptors to wait at."""
        return self._work_in.fileno(), self._box.fileno()
