"""SSL contexts: made once, and anew when what they come from is another file."""

from __future__ import annotations

import os
import shutil
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import SuspectError
from initkit.steps.wait.net.tls import TlsOptions
from initkit.steps.wait.net.trust import Contexts, Trust
from initkit.steps.wait.schemes.mysql import Mysql

if TYPE_CHECKING:
    from fix_tls import PrivateCa


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The CA's file of each context that is made from now on."""
    found: list[str | None] = []
    make = ssl.create_default_context

    def counted(*, cafile: str | None = None) -> ssl.SSLContext:
        found.append(cafile)
        return make(cafile=cafile)

    monkeypatch.setattr(ssl, "create_default_context", counted)
    return found


def test_a_context_is_made_once_for_all_attempts(made: list[str | None], private_ca: PrivateCa) -> None:
    contexts = Contexts()
    for trust in (Trust(), Trust(ca=private_ca.ca)):
        assert contexts.get(trust) is contexts.get(trust)
    assert made == [None, private_ca.ca]


def test_many_threads_share_one_context(made: list[str | None]) -> None:
    contexts, found = Contexts(), set[ssl.SSLContext]()
    threads = [threading.Thread(target=lambda: found.add(contexts.get(Trust()))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), made) == (1, [None])


def test_what_differs_is_another_context(private_ca: PrivateCa) -> None:
    contexts = Contexts()
    kinds = [
        Trust(),
        Trust(alpn=("http/1.1",)),
        Trust(is_named=False),
        Trust(is_checked=False),
        Trust(ca=private_ca.ca),
        Trust(ca=private_ca.ca, cert=private_ca.client.both()),
    ]
    assert len({contexts.get(kind) for kind in kinds}) == len(kinds)


def test_no_more_than_so_many_are_kept(made: list[str | None], tmp_path: Path, private_ca: PrivateCa) -> None:
    contexts = Contexts(most=2)
    a, b, c = (shutil.copy(private_ca.ca, tmp_path / name) for name in ("a", "b", "c"))
    for path in (a, b, a, c, a, b):
        contexts.get(Trust(ca=str(path)))
    assert made == [str(a), str(b), str(c), str(b)]


def test_a_file_that_was_written_anew_or_replaced_is_read_again(
    made: list[str | None], tmp_path: Path, private_ca: PrivateCa, other_ca: PrivateCa
) -> None:
    contexts, file = Contexts(), tmp_path / "ca.pem"
    shutil.copy(private_ca.ca, file)
    first = contexts.get(Trust(ca=str(file)))
    with file.open("a") as end:
        end.write(Path(other_ca.ca).read_text())
    second = contexts.get(Trust(ca=str(file)))
    times = file.stat()
    shutil.copy(file, tmp_path / "new")
    os.utime(tmp_path / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    (tmp_path / "new").replace(file)
    third = contexts.get(Trust(ca=str(file)))
    assert len({first, second, third}) == len(made) == 3
    assert [len(context.get_ca_certs()) for context in (first, second, third)] == [1, 2, 2]


def test_the_system_s_cas_may_be_mounted_late(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, private_ca: PrivateCa
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    contexts = Contexts()
    assert contexts.get(Trust()).get_ca_certs() == []
    shutil.copy(private_ca.ca, tmp_path / "ca.pem")
    assert len(contexts.get(Trust()).get_ca_certs()) == 1


def test_a_file_that_cannot_be_used_is_looked_at_again(tmp_path: Path, private_ca: PrivateCa) -> None:
    contexts, file = Contexts(), tmp_path / "ca.pem"
    for content in (None, "", "half"):
        if content is not None:
            file.write_text(content)
        with pytest.raises(SuspectError):
            contexts.get(Trust(ca=str(file)))
    shutil.copy(private_ca.ca, file)
    assert contexts.get(Trust(ca=str(file))).get_ca_certs()
    file.unlink()
    with pytest.raises(SuspectError, match="no such file"):
        contexts.get(Trust(ca=str(file)))


def test_a_pipe_and_a_folder_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(SuspectError):
            Contexts().get(Trust(ca=str(path)))


@pytest.mark.parametrize("ca", [True, False])
def test_a_chain_is_judged_alike_by_all_versions_of_python(private_ca: PrivateCa, ca: bool) -> None:  # noqa: FBT001 - a case
    flags = Contexts().get(Trust(ca=private_ca.ca if ca else None)).verify_flags
    assert not flags & ssl.VERIFY_X509_STRICT
    assert flags & ssl.VERIFY_X509_PARTIAL_CHAIN


def test_what_is_not_checked_is_not_loaded_either(made: list[str | None]) -> None:
    context = Contexts().get(TlsOptions(insecure=True).trust())
    assert (context.verify_mode, context.check_hostname, made) == (ssl.CERT_NONE, False, [])


def test_a_ca_alone_may_be_checked_without_the_name() -> None:
    address = Mysql(url_env="X")._parse("mysql://app@db?ssl-mode=VERIFY_CA")
    context = Contexts().get(Mysql(url_env="X")._tls(address, "VERIFY_CA").trust())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
