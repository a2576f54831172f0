"""A server for Git LFS (batch API and basic transfer) beside `git http-backend`, and repositories with pointers."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from fix_git import GitOverHttp

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from fix_git import Origin
    from fix_tls import PrivateCa

ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"


def pointer(content: bytes, *, oid: str = "", size: int | None = None) -> str:
    """The pointer to a file."""
    oid = oid or hashlib.sha256(content).hexdigest()
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content) if size is None else size}\n"
    )


class LfsServer(GitOverHttp):
    """A git server that keeps large files too.

    Attributes:
        files: what it has, by SHA-256.
        instead: what it sends in place of any file, where set.
        asked: the objects of each batch request.
        sent: the SHA-256 of each file that was asked for.
        storage: the URL of another server that has the files, where set.
        batch_status: what it answers to a batch request, where set.
        batch_location: where it redirects a batch request to, where set.
    """

    def __init__(self, root: Path, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(root)
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.files: dict[str, bytes] = {}
        self.instead: bytes | None = None
        self.asked: list[list[str]] = []
        self.sent: list[str] = []
        self.storage = ""
        self.batch_status = 0
        self.batch_location = ""

    @property
    def home(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.home}/origin/.git"

    def keep(self, *contents: bytes) -> None:
        """Have these files."""
        self.files |= {hashlib.sha256(content).hexdigest(): content for content in contents}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        is_batch = request.path.endswith("/objects/batch")
        if not is_batch and not request.path.startswith("/files/"):
            super().answer(request)
            return
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        header = request.headers.get("Authorization")
        self.authorizations.append(header)
        self.paths.append(request.path)
        wanted = "Basic " + base64.b64encode((self.account or "").encode()).decode()
        if is_batch and self.batch_location:
            self._end(request, 307, {"Location": self.batch_location})
        elif is_batch and self.batch_status:
            self._end(request, self.batch_status, {})
        elif self.account and header != wanted:
            self._end(request, 401, {"WWW-Authenticate": 'Basic realm="git"', "Lfs-Authenticate": 'Basic realm="git"'})
        elif is_batch:
            self._batch(request, json.loads(body))
        else:
            self._file(request)

    def _batch(self, request: BaseHTTPRequestHandler, asked: Mapping[str, list[dict[str, str]]]) -> None:
        self.asked.append([entry["oid"] for entry in asked["objects"]])
        objects = []
        for entry in asked["objects"]:
            href = f"{self.storage or self.home}/files/{entry['oid']}"
            known = entry["oid"] in self.files
            more: dict[str, object] = {"actions": {"download": {"href": href}}}
            objects.append(entry | (more if known else {"error": {"code": 404, "message": "Object does not exist"}}))
        answer = json.dumps({"transfer": "basic", "objects": objects}).encode()
        self._send(request, answer, "application/vnd.git-lfs+json")

    def _file(self, request: BaseHTTPRequestHandler) -> None:
        oid = request.path.rpartition("/")[2]
        self.sent.append(oid)
        content = self.files.get(oid)
        if content is None:
            self._end(request, 404, {})
        else:
            self._send(request, content if self.instead is None else self.instead, "application/octet-stream")

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, content: bytes, kind: str) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


@pytest.fixture
def lfs_server(origin: Origin) -> Iterator[LfsServer]:
    """Serves the repositories beside `origin`, and large files."""
    with LfsServer(origin.path.parent).running() as server:
        assert isinstance(server, LfsServer)
        yield server


@pytest.fixture
def other_lfs_server(origin: Origin) -> Iterator[LfsServer]:
    """Another one, at another port."""
    with LfsServer(origin.path.parent).running() as server:
        assert isinstance(server, LfsServer)
        yield server


@pytest.fixture
def lfs_over_tls(origin: Origin, private_ca: PrivateCa) -> Iterator[LfsServer]:
    """One with a certificate of a CA that nobody knows."""
    with LfsServer(origin.path.parent, private_ca.server_context()).running() as server:
        assert isinstance(server, LfsServer)
        yield server
