"""As whom a remote is reached over HTTP: what is taken from where, for which host, and what is refused before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_git_https import basic

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, SuspectError, UsageError
from initkit.core.options import Invalid
from initkit.core.redact import KNOWN, redact
from initkit.core.secrets import learn_environment
from initkit.steps.git.access.credentials import Credentials, credentials_for
from initkit.steps.git.access.redirect import led_to
from initkit.steps.git.asked.remote import parse_remote
from initkit.steps.git.calling import hardening
from initkit.steps.git.step import STEP, Git

if TYPE_CHECKING:
    from pathlib import Path

_URL = "https://host/site"


def _step(repository: str = _URL, **given: str) -> Git:
    values = {"repository": repository, "dest": "/d"} | {key.replace("_", "-"): value for key, value in given.items()}
    made = assemble(STEP, values)
    assert isinstance(made, Git)
    return made


def _given(step: Git, *, to: str = "", environ: dict[str, str] | None = None) -> Credentials:
    """What the remote is given, or a submodule's remote at another URL."""
    if not to:
        return credentials_for(step.repository, step, environ or {}, None)
    return credentials_for(parse_remote(to), step, environ or {}, step.repository)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("canary-1\r\n")
    return file


def test_credentials_are_in_the_environment_for_their_host_and_nowhere_else() -> None:
    remote = parse_remote("https://ada:canary@Host/site")
    given = credentials_for(remote, _step(), {}, None)
    settings = list(hardening.settings(remote, given.settings()))
    assert "canary" not in " ".join(settings)
    assert "YWRhOmNhbmFyeQ==" not in " ".join(settings)
    assert given.variables(remote) == {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.https://host:443/.extraHeader",
        "GIT_CONFIG_VALUE_0": "Authorization: Basic YWRhOmNhbmFyeQ==",
    }
    assert "http.followRedirects=false" in settings


def test_without_credentials_nothing_is_sent_and_redirects_are_followed() -> None:
    given = _given(_step())
    assert not given
    assert given.variables(parse_remote(_URL)) == {}
    assert given.settings() == {}


def test_a_secret_is_masked_from_then_on_also_as_it_is_sent(secret: Path) -> None:
    KNOWN.forget()
    header = _given(_step(username="ada", password_file=str(secret))).authorization
    assert header == basic("ada", "canary-1")
    assert redact(f"said canary-1 and {header.split()[1]}") == "said *** and ***"


@pytest.mark.parametrize(
    "url",
    ["https://host/lib", "https://HOST:443/lib.git", "https://git@host/lib", "https://:@host/lib"],
)
def test_a_submodule_at_the_same_host_gets_the_same(secret: Path, url: str) -> None:
    assert _given(_step(password_file=str(secret)), to=url).authorization == basic("x-token-auth", "canary-1")
    assert _given(_step("https://ada:canary@host/site"), to=url).authorization == basic("ada", "canary")


@pytest.mark.parametrize(
    "url",
    [
        "http://host/lib",
        "http://host:443/lib",
        "https://host:444/lib",
        "https://sub.host/lib",
        "https://host.evil/lib",
        "https://git@other/lib",
        "git://host/lib",
        "/host/lib",
    ],
)
def test_a_submodule_anywhere_else_gets_nothing(secret: Path, url: str) -> None:
    assert not _given(_step(password_file=str(secret)), to=url)
    assert not _given(_step("https://ada:canary@host/site"), to=url)


def test_a_submodules_own_password_goes_to_its_own_host(secret: Path) -> None:
    given = _given(_step(password_file=str(secret)), to="https://bob:own@other/lib")
    assert given.authorization == basic("bob", "own")


@pytest.mark.parametrize("option", ["password_file", "bearer_file"])
@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"canary\r\nX-Evil: 1\n", "control characters"),
        (b"canary\0", "control characters"),
        (b"canary\xff", "not UTF-8"),
    ],
)
def test_a_file_of_no_use_is_named_and_not_repeated(secret: Path, option: str, content: bytes, cause: str) -> None:
    secret.write_bytes(content)
    with pytest.raises(PermanentError, match=cause) as caught:
        _given(_step(**{option: str(secret)}))
    assert str(secret) in str(caught.value)
    assert f"--{option.replace('_', '-')}" in str(caught.value)
    assert "canary" not in repr((caught.value, caught.value.__context__))


def test_a_header_in_place_of_a_token_is_no_token(secret: Path) -> None:
    secret.write_text("Bearer canary")
    with pytest.raises(PermanentError, match="put the token alone in the file") as caught:
        _given(_step(bearer_file=str(secret)))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(("value", "cause"), [(None, "it is not set"), ("", "it is empty"), ("a\nb", "several lines")])
def test_a_variable_of_no_use_is_named(value: str | None, cause: str) -> None:
    environ = {} if value is None else {"FORGE": value}
    with pytest.raises(PermanentError, match=f"variable FORGE: .*{cause}.*--password-env"):
        _given(_step(password_env="FORGE"), environ=environ)


def test_a_program_that_cannot_run_is_named(secret: Path) -> None:
    with pytest.raises(PermanentError, match=r"run /.*/none: there is no such file; .*--askpass"):
        _given(_step(askpass=str(secret.parent / "none")))
    with pytest.raises(PermanentError, match="may not run it"):
        _given(_step(askpass=str(secret)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"password_env": "A", "password_file": "/b"}, "expected one way to log in, got --password-env and"),
        ({"bearer_file": "/a", "askpass": "/b"}, "expected one way to log in, got --bearer-file and --askpass"),
        ({"username": "ada"}, "got --username alone"),
        ({"username": "ada", "bearer_file": "/a"}, "got --username and --bearer-file"),
        ({"username": "a:b", "password_env": "A"}, "got a colon"),
        ({"username": "a\nb", "password_env": "A"}, "control characters"),
    ],
)
def test_options_that_contradict_each_other_are_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        _step(**given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("repository", "given", "message"),
    [
        ("/srv/site", {"password_file": "/a"}, "--password-file is for http and https"),
        ("git://host/site", {"ca_file": "/a"}, "--ca-file is for http and https"),
        ("https://ada:canary@host/site", {"password_file": "/a"}, "the URL has a password"),
        ("https://ada:canary@host/site", {"askpass": "/a"}, "the URL has a password"),
        ("https://ada@host/site", {"username": "bob", "password_env": "HOME"}, "the URL has a user"),
        ("https://ada@host/site", {"bearer_file": "/a"}, "the URL has a user"),
        (_URL, {"password_env": "UNSET"}, "the environment variable UNSET is not set"),
    ],
)
def test_options_that_contradict_the_address_are_refused_before_anything_is_attempted(
    repository: str, given: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        _step(repository, **given).prepare({"HOME": "/"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("repository", "given"),
    [
        ("https://ada@host/site", {"password_file": "/a"}),
        ("https://ada@host/site", {"askpass": "/a"}),
        ("http://host/site", {"ca_file": "/a"}),
        ("git://host/site", {"ca_file": "/a", "submodules": "shallow"}),
    ],
)
def test_options_that_go_together_pass(repository: str, given: dict[str, str]) -> None:
    _step(repository, **given).prepare({})


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://host/new/info/refs?service=git-upload-pack", "https://host/new"),
        ("https://HOST:443/new.git/git-upload-pack", "https://HOST:443/new.git"),
        ("/new/info/refs", "https://host/new"),
        ("//host/new/info/refs", "https://host/new"),
        ("https://bob:canary@host/new/info/refs", "https://host/new"),
    ],
)
def test_a_redirect_within_the_host_leads_to_a_repository(location: str, url: str) -> None:
    assert led_to(parse_remote(_URL), location) == url


@pytest.mark.parametrize(
    "location",
    [
        "http://host/new/info/refs",
        "https://host:444/new/info/refs",
        "https://evil/new/info/refs",
        "//evil/new/info/refs",
        "https://host@evil/new/info/refs",
        "git://host/new/info/refs",
        "file:///new/info/refs",
    ],
)
def test_a_redirect_to_anywhere_else_is_not_followed(location: str) -> None:
    with pytest.raises(PermanentError, match="give the URL that the server redirects to"):
        led_to(parse_remote(_URL), location)


@pytest.mark.parametrize(
    "location",
    [
        "/login",
        "https://host/login?next=/site/info/refs",
        "ext::sh/info/refs",
        "https://host/a b/info/refs",
        "https://[host/info/refs",
        f"https://host/{'a' * 1000}/info/refs",
    ],
)
def test_a_redirect_to_no_repository_is_suspect(location: str) -> None:
    with pytest.raises(SuspectError, match="a page that is no repository"):
        led_to(parse_remote(_URL), location)


def test_a_proxys_password_is_masked() -> None:
    KNOWN.forget()
    learn_environment({"https_proxy": "http://ada:canary-2@proxy:3128"})
    assert "canary-2" not in redact("proxy said: no canary-2 here, nor at http://ada:canary-2@proxy:3128")
