"""Which scheme a word belongs to, how each reads its address, and a new scheme as one new file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import pytest
from fix_clock import make_context
from jsonschema import Draft202012Validator

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError
from initkit.core.options import Invalid
from initkit.core.redact import KNOWN
from initkit.engine.plan import PlanError, parse
from initkit.engine.schema import plan_schema
from initkit.steps.wait import schemes
from initkit.steps.wait.schemes.tcp import Tcp, parse_address
from initkit.steps.wait.step import Wait
from initkit.steps.wait.target import SCHEMES, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


NAMES = [
    "amqp",
    "command",
    "dns",
    "file",
    "http",
    "memcached",
    "migrations",
    "mqtt",
    "mysql",
    "nats",
    "postgres",
    "redis",
]
NAMES += ["tcp", "udp", "unix"]


def wait(*targets: object) -> Wait:
    return assemble(Wait, {"targets": list(targets)})


def refused(*targets: object) -> str:
    with pytest.raises(Invalid) as caught:
        wait(*targets)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("db:5432", "tcp://db:5432"),
        ("[::1]:80", "tcp://[::1]:80"),
        ("10.0.0.1:80", "tcp://10.0.0.1:80"),
        ("tcp://db:5432", "tcp://db:5432"),
        ("tcp:db:5432/", "tcp://db:5432"),
        ("http://config/ready", "http://config/ready"),
        ("HTTPS://config", "HTTPS://config"),
        ("http://u:hunter2@config/?token=hunter2", "http://u:***@config/?token=***"),
        ("postgres://app:hunter2@db/shop", "postgres://db:5432/shop"),
        ("postgresql://db:5433", "postgres://db:5433"),
        ("postgresql+psycopg://u@db/x", "postgres://db:5432/x"),
    ],
)
def test_a_word_has_a_scheme_and_a_name_without_secrets(text: str, name: str) -> None:
    if "+" in text:
        assert "there is no scheme" in refused(text)
        return
    assert wait(text).targets[0].name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("db", "expected HOST:PORT or a URL, got 'db'; did you mean db:PORT?"),
        ("htp", "expected HOST:PORT or a URL, got 'htp'; did you mean 'http'?"),
        ("a b", "expected HOST:PORT or a URL, got 'a b'"),
        ("", "expected HOST:PORT or a URL, got ''"),
        ("db:0", "expected a port from 1 to 65535, got 0"),
        ("db:99999", "expected a port from 1 to 65535, got 99999"),
        ("db:http", f"there is no scheme 'db'; expected one of {', '.join(NAMES)}"),
        ("htp://config", "there is no scheme 'htp'; did you mean 'http'?"),
        ("postgre://db", "there is no scheme 'postgre'; did you mean 'postgres'?"),
        ("tcp://db", "expected host:port, got 'db'"),
        ("tcp://db:80/path", "expected host:port, got 'db:80/path'"),
        ("tcp://a..b:80", "expected a host's name of parts of 1 to 63 characters, got 'a..b'"),
        ("http://", "expected an http:// or https:// URL, got 'http://'"),
        ("http:config", "expected an http:// or https:// URL, got 'http:config'"),
        ("http://config:0", "expected an http:// or https:// URL, got 'http://config:0'"),
        ("http://config:x", "expected an http:// or https:// URL with a valid host, got 'http://config:***'"),
        ("http://[::1", "expected an http:// or https:// URL with a valid host, got 'http://[::1'"),
    ],
)
def test_words_that_cannot_be_meant(text: str, message: str) -> None:
    assert refused(text) == message


@pytest.mark.parametrize(
    "text",
    ["app:hunter2@db:1", "1app:hunter2@db:1", "tcp://app:hunter2@db:1", "http://app:hunter2/x@db", "http://u:hunter2@"],
)
def test_a_password_in_a_wrong_word_is_not_repeated(text: str) -> None:
    assert "hunter2" not in refused(text)


def test_plans_name_the_scheme_and_give_its_options() -> None:
    step = wait(
        {"http": {"url": "http://config/", "status": "200,204,300-399"}},
        {"https": "https://config/"},
        {"file": {"path": "/x", "type": "dir", "not-empty": "yes"}},
        {"tcp": "db:5432"},
        {"postgres": None},
    )
    http, https, file, tcp, postgres = (cast("Any", target) for target in step.targets)
    assert (204 in http.status, 205 in http.status, 399 in http.status, str(http.status)) == (
        True,
        False,
        True,
        "200,204,300-399",
    )
    assert 200 in https.status
    assert (file.type, file.not_empty) == ("dir", True)
    assert tcp.address == ("db", 5432)
    assert postgres.name == "postgres (DATABASE_URL or PG*)"


@pytest.mark.parametrize("name", ["htp", "__init__", "__pycache__", "a-b", "", "schemes"])
def test_a_name_that_is_no_scheme_is_refused(name: str) -> None:
    assert SCHEMES.load(name) is None
    assert f"expected one of {', '.join(NAMES)}, got" in refused({name: "x"})


def test_a_plan_names_exactly_one_scheme() -> None:
    assert refused({"tcp": "a:1", "http": "http://x/"}) == "expected exactly one scheme, got a mapping (tcp, http)"
    assert refused({}) == "expected exactly one scheme, got a mapping (empty)"


def test_values_are_read() -> None:
    assert parse_address("tcp://[::1]:1/") == ("::1", 1)


def test_a_name_that_the_idna_codec_refuses_is_no_bug() -> None:
    target = Tcp(address=parse_address("a\u06dd.\u0661b:80"))
    with pytest.raises(PermanentError, match="can be no host's name; mend the target"):
        target.probe(make_context())


NEW_SCHEME = '''
"""moon: waits for a phase of the moon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from initkit.core.errors import TemporaryError
from initkit.core.options import Arg, Declared, Opt, declared
from initkit.steps.wait.target import Pace

if TYPE_CHECKING:
    from initkit.core.step import Context


@declared
class Moon(Declared):
    """A phase of the moon."""

    schemes: ClassVar[tuple[str, ...]] = ("moon", "lune")
    pace: ClassVar[Pace] = Pace()

    phase: Annotated[str, Arg("Which one.", "PHASE")]
    bright: Annotated[bool, Opt("Without clouds.")] = False

    @property
    def name(self) -> str:
        return self.phase

    def probe(self, context: Context) -> str:
        if self.phase != "moon:full":
            raise TemporaryError("see the moon", "it is new")
        return "shines"


TARGET = Moon
'''


@pytest.fixture
def moon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "moon.py").write_text(NEW_SCHEME)
    monkeypatch.setattr(schemes, "__path__", [*schemes.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    sys.modules.pop("initkit.steps.wait.schemes.moon", None)
    if hasattr(schemes, "moon"):
        del schemes.moon


@pytest.mark.usefixtures("moon")
def test_a_new_scheme_is_one_new_file() -> None:
    assert scheme_of("moon:full") == "moon"
    assert cast("Any", wait("lune:full").targets[0]).phase == "lune:full"
    assert wait("moon:full").check(make_context()).facts == {"ready": ["moon:full"]}
    plan = {"steps": [{"wait": {"targets": [{"moon": {"phase": "moon:full", "bright": True}}, "moon:new"]}}]}
    (entry,) = parse(str(plan).replace("True", "true"), "plan.yaml", {"INITKIT_WAIT_MOON_BRIGHT": "yes"})
    first, second = (cast("Any", target) for target in cast("Wait", entry.step).targets)
    assert (first.bright, second.bright, second.phase) == (True, True, "moon:new")
    validator = Draft202012Validator(plan_schema())
    assert validator.is_valid(plan)
    assert not validator.is_valid({"steps": [{"wait": {"targets": [{"moon": {"bright": "yes", "dark": 1}}]}}]})
    with pytest.raises(PlanError, match="unknown option 'brigth'; did you mean 'bright'"):
        parse("steps: [{wait: {targets: [{moon: {phase: x, brigth: 1}}]}}]", "plan.yaml", {})


def test_without_its_file_there_is_no_such_scheme() -> None:
    assert SCHEMES.names() == NAMES
    assert "there is no scheme 'moon'" in refused("moon:full")
