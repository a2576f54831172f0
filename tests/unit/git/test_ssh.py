"""ssh before anything is reached: addresses, options that belong together, keys of no use, and what failures mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context
from fix_git_ssh import make_key

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, SuspectError, TemporaryError, UsageError
from initkit.core.redact import redact
from initkit.steps.git.access import nobody
from initkit.steps.git.access.fingerprints import fingerprint_of
from initkit.steps.git.access.key import masked, read_key
from initkit.steps.git.access.ssh import is_neighbour
from initkit.steps.git.asked.remote import Remote, parse_remote
from initkit.steps.git.asked.ssh_address import SshAddress, parse_ssh
from initkit.steps.git.calling.failures import HostKeyError, translate
from initkit.steps.git.step import STEP

if TYPE_CHECKING:
    from pathlib import Path

FINGERPRINT = "SHA256:" + "a" * 43


@pytest.mark.parametrize(
    ("text", "url", "address"),
    [
        ("ssh://git@host/site", "ssh://git@host/site", SshAddress("git", "host", 22)),
        ("SSH://git@Host:2222/~ada/site.git", "ssh://git@Host:2222/~ada/site.git", SshAddress("git", "Host", 2222)),
        ("ssh://git@[::1]:2222/a%20b", "ssh://git@[::1]:2222/a%20b", SshAddress("git", "::1", 2222)),
        ("git@host:site.git", "git@host:site.git", SshAddress("git", "host", 22)),
        ("git@[fe80::1]:/srv/a b", "git@[fe80::1]:/srv/a b", SshAddress("git", "fe80::1", 22)),
        ("a.b-c@10.0.0.1:~ada/x", "a.b-c@10.0.0.1:~ada/x", SshAddress("a.b-c", "10.0.0.1", 22)),
    ],
)
def test_addresses_for_ssh(text: str, url: str, address: SshAddress) -> None:
    assert parse_remote(text) == Remote("ssh", url)
    assert parse_ssh(url) == address


@pytest.mark.parametrize(
    "text",
    [
        "ssh://host/site",
        "host:site",
        "ssh://-oProxyCommand=x@host/site",
        "ssh://git@-oProxyCommand=x/site",
        "-oProxyCommand=x@host:site",
        "git@-oProxyCommand=x:site",
        "git@host:-u",
        "git@host::site",
        "git@host:",
        "ssh://git@host",
        "ssh://git@host:0/site",
        "ssh://git@host:65536/site",
        "ssh://git@host:x/site",
        "ssh://git@[::1/site",
        "ssh://git@[host]/site",
        "ssh://git@ho%73t/site",
        "ssh://git@host/a b",
        "ssh://git@host/a%0Ab",
        "ssh://git@host/a?b",
        "ssh://git@host@other/a",
        "git@host/other:a",
        "git@host\n:a",
        "git+ssh://git@host/a",
        "ssh://ada:canary@host/site",
        "ada:canary@host:site",
    ],
)
def test_no_other_address_for_ssh_passes_and_none_is_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected .*, got ") as caught:
        parse_remote(text)
    assert "canary" not in str(caught.value)


def _prepare(repository: str = "git@host:a", **given: object) -> None:
    values = {"repository": repository, "dest": "/d"} | {key.replace("_", "-"): value for key, value in given.items()}
    assemble(STEP, values).prepare({})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give --ssh-key-file"),
        ({"known_hosts": "/k"}, "give --ssh-key-file"),
        ({"ssh_key_file": "/key"}, "give --known-hosts, or --host-key-fingerprint"),
        ({"ssh_key_file": "/key", "known_hosts": "/k", "host_key_fingerprint": [FINGERPRINT]}, "exclude each other"),
        ({"ssh_key_file": "/key", "known_hosts": "/k", "insecure_ignore_host_key": "true"}, "exclude each other"),
        ({"repository": "https://host/a", "ssh_key_file": "/key"}, "--ssh-key-file is for ssh"),
        ({"repository": "/srv/a", "known_hosts": "/k"}, "--known-hosts is for ssh"),
        ({"repository": "https://host/a", "insecure_ignore_host_key": "true"}, "--insecure-ignore-host-key is for ssh"),
        ({"repository": "https://host/a", "submodules": "shallow", "ssh_key_file": "/key"}, "give --known-hosts"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_attempted(
    given: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        _prepare(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        {"ssh_key_file": "/key", "known_hosts": "/k"},
        {"ssh_key_file": "/key", "host_key_fingerprint": [FINGERPRINT, "SHA256:" + "b" * 43]},
        {"ssh_key_file": "/key", "insecure_ignore_host_key": "true"},
        {"repository": "https://host/a", "submodules": "shallow", "ssh_key_file": "/key", "known_hosts": "/k"},
        {"repository": "https://host/a"},
    ],
)
def test_options_that_go_together_are_taken_without_a_look_at_any_file(given: dict[str, object]) -> None:
    _prepare(**given)  # type: ignore[arg-type]


def test_a_key_with_a_passphrase_is_refused_in_each_form(tmp_path: Path) -> None:
    for kind, form in (("ed25519", "RFC4716"), ("ecdsa", "PEM"), ("ecdsa", "PKCS8")):
        locked = make_key(tmp_path / form, kind, "canary", form)
        with pytest.raises(PermanentError, match=f"has a passphrase, .*: {locked}; give a key without"):
            read_key("reach it", str(locked))
        plain = make_key(tmp_path / f"plain{form}", kind, form=form)
        assert read_key("reach it", str(plain)) == plain.read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"ssh-ed25519 AAAA ada", "it is a public key"),
        (b"ecdsa-sha2-nistp256 AAAA", "it is a public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "it is a public key"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "no whole private key"),
        (b"password", "no whole private key"),
        (b"\xff\xfe\0", "no whole private key"),
    ],
)
def test_what_is_no_private_key_is_named_for_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(PermanentError, match=said) as caught:
        read_key("reach it", str(tmp_path / "key"))
    assert "AAAA" not in str(caught.value)


def test_a_key_that_is_not_there_names_its_option(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"No such file or directory: .*/absent; check --ssh-key-file"):
        read_key("reach it", f"{tmp_path}/absent")


def test_a_line_of_the_key_that_an_error_repeats_is_masked(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key").read_bytes()
    line = key.decode().splitlines()[3]
    with pytest.raises(PermanentError) as caught, masked(key):
        raise PermanentError("load it", f"broken: {line}")
    assert line not in redact(str(caught.value))


def test_a_fingerprint_is_the_one_that_ssh_prints(tmp_path: Path) -> None:
    from fix_git_ssh import fingerprint  # noqa: PLC0415 - beside its only use

    key = make_key(tmp_path / "key")
    assert fingerprint_of((tmp_path / "key.pub").read_text().split()[1]) == fingerprint(key)


@pytest.mark.parametrize(
    ("home", "submodule", "allowed"),
    [
        ("git@host:a", "ssh://other@HOST:22/b", True),
        ("ssh://git@host:2222/a", "ssh://git@host:2222/b", True),
        ("ssh://git@host:2222/a", "git@host:b", False),
        ("git@host:a", "git@other:b", False),
        ("https://Host/a", "git@host:b", True),
        ("https://host:8443/a", "ssh://git@host/b", True),
        ("https://host/a", "ssh://git@host:2222/b", False),
        ("https://host/a", "git@other:b", False),
        ("/srv/a", "git@host:b", False),
    ],
)
def test_a_key_opens_nothing_of_other_servers_for_a_submodule(home: str, submodule: str, allowed: bool) -> None:  # noqa: FBT001 - a column
    assert is_neighbour(parse_ssh(submodule), parse_remote(home)) is allowed


def test_a_submodule_of_another_server_is_given_no_key(tmp_path: Path) -> None:
    from initkit.steps.git.access.access import reaching  # noqa: PLC0415 - beside its only use

    key = make_key(tmp_path / "key")
    asked = assemble(
        STEP, {"repository": "git@host:a", "dest": "/d", "ssh-key-file": str(key), "known-hosts": f"{key}.pub"}
    )
    with (
        pytest.raises(PermanentError, match="there is no key for it"),
        reaching(parse_remote("git@other:b"), asked, make_context(), home=asked.repository),
    ):
        pass


def test_a_user_without_a_name_and_without_nss_wrapper_is_told_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_entry(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", no_entry)
    monkeypatch.setattr(nobody, "_PLACES", ("/nonexistent",))
    with pytest.raises(PermanentError, match="install libnss-wrapper"), nobody.named("reach it", {}):
        pass


def test_an_entry_that_is_preloaded_is_made_anew_for_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nobody, "find_library", lambda: "/lib/x.so")
    with nobody.named("reach it", {"LD_PRELOAD": "libnss_wrapper.so"}) as variables:
        assert variables["INITKIT_SSH_PRELOAD"] == "/lib/x.so"
        with open(variables["NSS_WRAPPER_PASSWD"]) as entries:
            assert entries.read().startswith("initkit:x:")


LOST = "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights"
CHANGED = """@@@@@@@@@@@@@@@
@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @
The fingerprint for the ED25519 key sent by the remote host is\r
SHA256:ab/c+.\r
Host key for host has changed and you have requested strict checking.\r
Host key verification failed.\r
"""


@pytest.mark.parametrize(
    ("said", "error", "cause"),
    [
        (CHANGED, HostKeyError, "ED25519 key sent by the remote host is SHA256:ab/c+"),
        (
            "No ED25519 host key is known for host and you have requested strict checking.",
            HostKeyError,
            "No ED25519 host key is known for host",
        ),
        ("git@host: Permission denied (publickey).", SuspectError, "Permission denied (publickey)"),
        ("git@a.example.org: Permission denied (publickey).", SuspectError, "Permission denied (publickey)"),
        ('Load key "/proc/1/fd/5": error in libcrypto\ngit@host: Permission denied (x).', PermanentError, "Load"),
        ("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures", SuspectError, "Too many"),
        ("Unable to negotiate with h port 22: no matching host key type found. Their offer: x", SuspectError, "Unable"),
        ("ERROR: Repository not found.", SuspectError, "Repository not found"),
        (
            "ERROR: The project you were looking for could not be found or you don't have permission to view it.",
            SuspectError,
            "The project",
        ),
        ("ssh: connect to host h port 22: Connection refused", TemporaryError, "Connection refused"),
        ("ssh: connect to host h port 22: Connection timed out", TemporaryError, "Connection timed out"),
        ("ssh: Could not resolve hostname h: Name or service not known", TemporaryError, "Could not resolve"),
        ("kex_exchange_identification: read: Connection reset by peer", TemporaryError, "kex_exchange"),
        ("Connection closed by 10.0.0.1 port 22", TemporaryError, "Connection closed"),
        ("Connection to host closed by remote host.", TemporaryError, "Connection to host closed"),
        ("client_loop: send disconnect: Broken pipe", TemporaryError, "Broken pipe"),
        ("Timeout, server host not responding.", TemporaryError, "Timeout, server"),
        ("a notice\nsh: git-upload-pack: not found", TemporaryError, "sh: git-upload-pack: not found"),
        ("remote: ERROR: the site is being mended", TemporaryError, "ERROR: the site is being mended"),
        ("", TemporaryError, "Could not read from remote repository"),
    ],
)  # fmt: skip
def test_what_ssh_says_has_its_class(said: str, error: type[Exception], cause: str) -> None:
    translated = translate("read git@host:a", f"{said}\n{LOST}")
    assert type(translated) is error
    assert cause in translated.cause
