"""A real sshd on loopback that serves the origin, and keys to log in with."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from initkit.steps.git.access import fingerprints
from initkit.steps.git.access.nobody import find_library

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fix_git import Origin

_OPTIONS = (
    "UsePAM=no",
    "StrictModes=no",
    "PidFile=none",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "AcceptEnv=GIT_PROTOCOL",
    "PermitRootLogin=yes",
    "LogLevel=ERROR",
)
# what was asked for, and the arguments of all that runs meanwhile, the client's side above all
_FORCED = """#!/bin/sh
echo "$GIT_PROTOCOL $SSH_ORIGINAL_COMMAND" >>{folder}/asked
cat /proc/[0-9]*/cmdline >>{folder}/arguments 2>/dev/null
[ -e {folder}/hold ] && sleep 60
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""


def disguise(folder: Path, home: Path) -> dict[str, str]:
    """An environment in which whoever runs the tests is the user `git`: the programs of ssh refuse who has no name."""
    from fix_need import need  # noqa: PLC0415 - pytest rewrites it only if no plugin before it imported it

    library = find_library()
    need(library, "nss_wrapper (Debian package libnss-wrapper)")
    user, group = os.getuid(), os.getgid()
    sshd = "sshd:*:65534:65534::/nonexistent:/bin/false\n" if user == 0 else ""
    (folder / "passwd").write_text(f"git:*:{user}:{group}::{home}:/bin/sh\n{sshd}")
    (folder / "group").write_text(f"git:x:{group}:\n")
    return {
        "PATH": os.environ["PATH"],
        "LD_PRELOAD": library,
        "NSS_WRAPPER_PASSWD": f"{folder}/passwd",
        "NSS_WRAPPER_GROUP": f"{folder}/group",
    }


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "", form: str = "RFC4716") -> Path:
    """A private key, with its public one in a file beside it."""
    from fix_need import need_program  # noqa: PLC0415 - as above

    program = need_program("ssh-keygen", "openssh-client")
    options = ["-t", kind, "-m", form, "-N", passphrase, "-C", "", "-f", str(path)]
    environ = disguise(path.parent, path.parent)
    subprocess.run([program, "-q", *options], check=True, stdin=subprocess.DEVNULL, env=environ)
    return path


def fingerprint(key: Path) -> str:
    argv = ["ssh-keygen", "-l", "-f", f"{key}.pub"]
    environ = disguise(key.parent, key.parent)
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=environ).stdout.split()[1]


class SshServer:
    """One sshd for each connection, under a passwd file of its own: whoever runs the tests is its user `git`.

    Attributes:
        folder: where its files are.
        host_keys: its private keys.
        key: the private key that opens it.
        connections: how many were made.
        silent: whether it takes connections and says nothing.
        closing: whether it closes them at once.
        certificate: of its host key, where it has one.
    """

    def __init__(self, folder: Path, root: Path, host: str = "127.0.0.1") -> None:
        from fix_need import need_program  # noqa: PLC0415 - as above

        self._program = need_program("sshd", "openssh-server")
        self.folder, self.root = folder, root
        folder.mkdir()
        self.host_keys = [make_key(folder / "host")]
        self.key = make_key(folder / "key")
        self.connections = 0
        self.silent = self.closing = False
        self.certificate: Path | None = None
        self._held: list[socket.socket] = []
        self._children: list[subprocess.Popen[bytes]] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._host = f"[{host}]" if ":" in host else host
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self._write_files()
        self._environ = disguise(folder, root)

    def _write_files(self) -> None:
        for name in ("asked", "arguments"):
            (self.folder / name).touch()
        (self.folder / "authorized").write_bytes((self.folder / "key.pub").read_bytes())
        forced = self.folder / "forced"
        forced.write_text(_FORCED.format(folder=self.folder))
        forced.chmod(0o755)
        if os.getuid() == 0:
            os.makedirs("/run/sshd", 0o755, exist_ok=True)  # sshd(8): where it locks its unprivileged part in

    @property
    def url(self) -> str:
        return f"ssh://git@{self._host}:{self.port}{self.root}/origin"

    @property
    def known_hosts(self) -> Path:
        """A file with the server's keys."""
        path = self.folder / "known_hosts"
        lines = (key.with_suffix(".pub").read_text() for key in self.host_keys)
        path.write_text("".join(f"[{self.host}]:{self.port} {line}" for line in lines))
        return path

    @property
    def options(self) -> dict[str, str]:
        """What it takes to reach it."""
        return {"repository": self.url, "ssh_key_file": str(self.key), "known_hosts": str(self.known_hosts)}

    @property
    def asked(self) -> list[str]:
        """The protocol and the command of each session so far."""
        return (self.folder / "asked").read_text().splitlines()

    @contextmanager
    def running(self) -> Iterator[SshServer]:
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join(10)
            for held in self._held:
                held.close()
            for process in self.processes():
                with suppress(psutil.Error):
                    process.kill()
            for child in self._children:
                child.wait(10)

    @contextmanager
    def stalling(self) -> Iterator[None]:
        """Whatever serves a connection stands still as soon as it was asked for something."""
        (self.folder / "hold").touch()
        over = threading.Event()
        thread = threading.Thread(target=self._stall, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(10)

    def _stall(self, over: threading.Event) -> None:
        while not over.wait(0.02):
            if self.asked:
                for process in self.processes():
                    with suppress(psutil.Error):
                        process.suspend()

    def processes(self) -> list[psutil.Process]:
        """All that serves connections now."""
        found = []
        for child in self._children:
            with suppress(psutil.Error):
                process = psutil.Process(child.pid)
                found += [process, *process.children(recursive=True)]
        return found

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.silent:
                self._held.append(connection)
                continue
            with connection:
                if not self.closing:
                    self._children.append(self._start(connection))

    def _start(self, connection: socket.socket) -> subprocess.Popen[bytes]:
        keys = [word for key in self.host_keys for word in ("-h", str(key))]
        more = [f"AuthorizedKeysFile={self.folder}/authorized", f"ForceCommand={self.folder}/forced"]
        more += [f"HostCertificate={self.certificate}"] if self.certificate else []
        options = [word for option in (*_OPTIONS, *more) for word in ("-o", option)]
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                [self._program, "-i", "-e", "-f", "/dev/null", *keys, *options],
                stdin=connection.fileno(),
                stdout=connection.fileno(),
                stderr=log,
                start_new_session=True,
                env=self._environ,
            )


@pytest.fixture
def ssh_server(origin: Origin, tmp_path: Path) -> Iterator[SshServer]:
    fingerprints.forget()
    with SshServer(tmp_path / "sshd", origin.path.parent).running() as server:
        yield server
