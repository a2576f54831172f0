"""What git says when it fails decides who has to act."""

from __future__ import annotations

import errno
import os

import pytest

from initkit.core.errors import PermanentError, SuspectError, TemporaryError
from initkit.steps.git.calling.failures import DamagedError, RefError, from_os, translate
from initkit.steps.git.calling.trace import Heard

TEMPORARY = [
    "fatal: unable to access 'https://host/a/': Could not resolve host: host",
    "fatal: unable to access 'http://h/a/': Failed to connect to h port 80 after 0 ms: Couldn't connect to server",
    "fatal: unable to access 'https://h/a/': The requested URL returned error: 503",
    "fatal: unable to access 'https://h/a/': The requested URL returned error: 429",
    "error: RPC failed; curl 28 Operation too slow. Less than 1 bytes/sec transferred the last 60 seconds",
    "fetch-pack: unexpected disconnect\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
    "fatal: unable to look up host (port 9418) (Temporary failure in name resolution)",
    "fatal: unable to connect to host:\nhost[0: 127.0.0.1]: errno=Connection refused",
    "fatal: the remote end hung up unexpectedly",
    "something that nobody has seen before",
    "",
]
SUSPECT = [
    "fatal: could not read Username for 'https://host': terminal prompts disabled",
    "remote: Invalid username or password.\nfatal: Authentication failed for 'https://host/a/'",
    "fatal: unable to access 'https://h/a/': The requested URL returned error: 403",
    "remote: Repository not found.\nfatal: repository 'https://host/a/' not found",
    "fatal: '/srv/a' does not appear to be a git repository\nfatal: Could not read from remote repository.",
    "fatal: remote error: access denied or repository not exported: /a",
    "fatal: remote error: no such repository: /a",
    "fatal: unable to access 'https://h/a/': server certificate verification failed. CAfile: none CRLfile: none",
]
REF = [
    "fatal: couldn't find remote ref refs/heads/x",
    "fatal: remote error: upload-pack: not our ref 1234567890123456789012345678901234567890",
]
PERMANENT = [
    "fatal: write error: No space left on device\nfatal: early EOF",
    "error: unable to create file a: Permission denied",
    "fatal: detected dubious ownership in repository at '/srv/a'",
    "fatal: transport 'https' not allowed",
    "error: Server does not allow request for unadvertised object 1234567890123456789012345678901234567890",
    "fatal: dumb http transport does not support shallow capabilities",
    "fatal: unable to access 'http://h/a/': The requested URL returned error: 301",
    "error: cannot run sh: No such file or directory",
]
DAMAGED = [
    "error: object 1234: hasDotgit: contains '.git'\nfatal: fsck error in packed object",
    "error: object file .git/objects/ab/cd is empty\nfatal: loose object abcd (stored in x) is corrupt",
    "fatal: bad object 1234567890123456789012345678901234567890",
    "fatal: unable to read tree 1234567890123456789012345678901234567890",
]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        *((said, TemporaryError) for said in TEMPORARY),
        *((said, SuspectError) for said in SUSPECT),
        *((said, RefError) for said in REF),
        *((said, PermanentError) for said in PERMANENT),
        *((said, DamagedError) for said in DAMAGED),
    ],
)
def test_each_message_has_its_class(said: str, error: type[Exception]) -> None:
    assert type(translate("fetch", said)) is error


def test_the_cause_is_one_line_without_gits_prefix() -> None:
    error = translate(
        "read https://host/a", "remote: Counting\nfatal: unable to access 'x': Could not resolve host: host"
    )
    assert str(error) == "cannot read https://host/a: unable to access 'x': Could not resolve host: host"


def test_a_server_cannot_write_to_the_terminal_nor_at_length() -> None:
    error = translate("read", "remote: \x1b[2Jrepository not found " + "x" * 1000)
    assert "\x1b" not in error.cause
    assert len(error.cause) == 200


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, PermanentError), (errno.EACCES, PermanentError), (errno.EROFS, PermanentError),
     (errno.ENOTDIR, PermanentError), (errno.EIO, TemporaryError), (errno.ESTALE, TemporaryError)],
)  # fmt: skip
def test_a_file_systems_refusal_names_the_path(number: int, error: type[Exception]) -> None:
    translated = from_os("publish in /d", OSError(number, os.strerror(number), "/d/.initkit"))
    assert type(translated) is error
    assert "/d/.initkit" in str(translated)


def test_what_a_server_says_of_itself_is_no_fault_of_this_machine() -> None:
    said = "remote: fatal: write error: No space left on device\nremote: fatal: bad object HEAD\nfatal: early EOF"
    assert type(translate("fetch", said)) is TemporaryError


def test_what_a_server_says_counts_where_git_says_nothing_telling() -> None:
    error = translate("read", "remote: Repository not found.\nfatal: Could not read from remote repository.")
    assert type(error) is SuspectError
    assert error.cause == "Repository not found."


def test_a_full_volume_is_to_be_mended_first_whatever_the_server_answered() -> None:
    heard = Heard()
    heard.add(b"x => Send header: GET /a HTTP/1.1\nx <= Recv header: HTTP/1.1 503 Busy\nx <= Recv header:\n")
    said = "fatal: write error: No space left on device\nerror: RPC failed; HTTP 503"
    assert type(translate("fetch", said, heard)) is PermanentError


def test_a_trace_that_cannot_be_written_is_no_reason() -> None:
    said = "warning: could not open '/proc/self/fd/5' for tracing: Permission denied\nfatal: early EOF"
    assert type(translate("fetch", said)) is TemporaryError


@pytest.mark.parametrize(
    ("said", "error", "advice"),
    [
        ("fatal: unable to access 'https://h/certificates.git/': Could not resolve host: h", TemporaryError, ""),
        ("fatal: unable to access 'https://h/not our ref/': Could not resolve host: certificates", TemporaryError, ""),
        ("fatal: unable to access 'https://a/': Failed to connect to certificate port 443", TemporaryError, ""),
        ("fatal: unable to look up certificates (port 9418) (Name or service not known)", TemporaryError, ""),
        ("ssh: connect to host certificates port 22: Connection refused", TemporaryError, ""),
        ("ssh: Could not resolve hostname certificate.example: Try again", TemporaryError, ""),
        ("fatal: couldn't find remote ref certificate", SuspectError, "check the ref"),
        ("fatal: couldn't find remote ref refs/heads/certificate", SuspectError, "check the ref"),
        ("fatal: remote error: access denied or repository not exported: /timeout", SuspectError, "repository's URL"),
    ],
)
def test_a_name_does_not_decide(said: str, error: type[Exception], advice: str) -> None:
    found = translate("read", said)
    assert isinstance(found, error)
    assert isinstance(found, SuspectError) is (error is SuspectError)
    assert advice in str(found)
    assert found.cause in said, "and is told all the same"


def test_a_file_that_cannot_be_written_is_the_volumes_fault_though_git_does_not_say_why() -> None:
    error = translate("check out", "error: unable to write file site/index.html")
    assert type(error) is PermanentError
    assert "free some space" in str(error)


@pytest.mark.parametrize("sign", ["a", "a.", "a/", "'a", "@:"])
def test_a_line_without_end_keeps_nobody_busy_and_its_end_counts(sign: str) -> None:
    error = translate("fetch", f"remote: {sign * 30_000} \nfatal: {sign * 30_000} early EOF")
    assert type(error) is TemporaryError
    assert error.cause.startswith(sign[0])
    assert len(error.cause) <= 200


@pytest.mark.parametrize("sign", ["a", "repository "])
def test_what_answers_is_looked_for_in_a_line_without_end_too(sign: str) -> None:
    heard = Heard()
    heard.add(b"<= Recv header: HTTP/1.1 503 Busy\n<= Recv header:\n")
    said = f"fatal: unable to access '{sign * 30_000}': The requested URL returned error: 503"
    assert "cannot answer now (HTTP 503)" in str(translate("fetch", said, heard))
