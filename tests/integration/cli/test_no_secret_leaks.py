"""Canary passwords in every place where a secret can stand; every kind is driven to failure; none of them comes out."""

from __future__ import annotations

import base64
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from fix_program import environment, initkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from initkit.cli import main
from initkit.cli.streams import RedactedStream
from initkit.core.redact import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NASTY = [
    "plain-canary-7",
    "pa:ss@wo/rd?x#y",
    "100%zz%41sure",
    "with spaces in it",
    "quo'te\"and\\back",
    "pässwörd-żółć-🔑",
    "plus+and/slash==",
    "{braces}&amp;$dollar",
]


def writings(secret: str) -> set[str]:
    """Every way in which the secret might be written."""
    forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), quote(secret, safe=" +")}
    forms |= {form.lower() if "%" in form else form for form in forms}
    for ascii_only in (True, False):
        dumped = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        forms |= {dumped, json.dumps(dumped, ensure_ascii=ascii_only)[1:-1]}
    forms |= {repr(secret)[1:-1], repr(secret.encode())[2:-1], ascii(secret)[1:-1]}
    for text in (secret, f"user:{secret}", f":{secret}", f"x:{secret}"):
        forms |= {base64.b64encode(text.encode()).decode(), base64.urlsafe_b64encode(text.encode()).decode()}
    return forms


def found_in(text: str, secret: str) -> set[str]:
    return {form for form in writings(secret) if form in text}


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    KNOWN.forget()
    yield
    KNOWN.forget()


Place = tuple[list[str], dict[str, str]]


def places(secret: str, folder: Path) -> dict[str, Place]:
    """Command lines and environments that hold the secret and are bound to fail."""
    coded = quote(secret, safe="")
    (folder / "secret").write_text(secret + "\n")
    (folder / "url").write_text(f"postgres://user:{coded}@127.0.0.1:1/shop\n")
    (folder / "users.csv").write_text("id,name\n1,a\n")
    (folder / "env.py").write_text("raise RuntimeError('never reached')\n")
    url = f"postgres://user:{coded}@127.0.0.1:1/shop"
    raw = f"postgres://user:{secret}@127.0.0.1:1/shop"
    pairs = "host=127.0.0.1 port=1 user=user password='{}'".format(secret.replace("\\", "\\\\").replace("'", "\\'"))
    never = ["--timeout", "300ms", "--attempts", "1"]
    plan = folder / "plan.yaml"
    plan.write_text(
        "steps:\n"
        "- wait: {targets: ['http://user:${MY_TOKEN}@127.0.0.1:1/?api_key=${MY_TOKEN}', 'postgres://u:${file:SECRET}@127.0.0.1:1/x']}\n"
        "  retry: {timeout: 300ms, attempts: 1}\n"
        "- {needs: [], git: {repository: 'http://u:${MY_TOKEN}@127.0.0.1:1/r', dest: DEST}, retry: {attempts: 1}}\n"
        "- {needs: [], perms: {paths: ['/nowhere/${file:SECRET}'], file-mode: 0640}, retry: {attempts: 1}}\n"
        "- {needs: [], seed: {paths: [CSV], url: 'postgres://u:${MY_TOKEN}@127.0.0.1:1/x'}, retry: {attempts: 1}}\n"
        "- {needs: [], migrate: {path: MIG, url: 'postgres://u:${MY_TOKEN}@127.0.0.1:1/x'}, retry: {attempts: 1}}\n"
        .replace("SECRET", str(folder / "secret")).replace("DEST", str(folder / "dest"))
        .replace("CSV", str(folder / "users.csv")).replace("MIG", str(folder))
    )  # fmt: skip
    broken = folder / "broken.yaml"
    broken.write_text(
        "retry: {timeout: '${MY_TOKEN}'}\n"
        "steps:\n"
        "- wait: {targets: ['${MY_TOKEN}', 'postgres://u:${MY_TOKEN}@h:port/x'], any: '${file:SECRET}'}\n"
        "- {name: '${MY_TOKEN}', wait: ['x://${MY_TOKEN}'], needs: ['${MY_TOKEN}']}\n"
        "- seed: {paths: x, mode: '${MY_TOKEN}', url: '${MY_TOKEN}'}\n".replace("SECRET", str(folder / "secret"))
    )
    token = {"MY_TOKEN": secret}
    return {
        "wait postgres": (["wait", *never, url], {}),
        "wait postgres, raw": (["wait", *never, raw], {}),
        "wait postgres form, key-value": (["wait", "postgres", *never, pairs], {}),
        "wait http": (["wait", *never, f"http://user:{coded}@127.0.0.1:1/path?token={coded}"], {}),
        "wait http, no such scheme": (["wait", *never, f"htp://user:{coded}@127.0.0.1:1/"], {}),
        "wait, bad port": (["wait", *never, f"postgres://user:{coded}@127.0.0.1:port/shop"], {}),
        "migrate --url": (["migrate", *never, str(folder), "--url", url], {}),
        "migrate DATABASE_URL": (["migrate", *never, str(folder)], {"DATABASE_URL": url}),
        "migrate --url-file": (["migrate", *never, str(folder), "--url-file", str(folder / "url")], {}),
        "migrate PGPASSWORD": (
            ["migrate", *never, str(folder)],
            {"PGHOST": "127.0.0.1", "PGPORT": "1", "PGUSER": "user", "PGPASSWORD": secret},
        ),
        "migrate, other database": (["migrate", *never, str(folder), "--url", f"oracle://u:{coded}@h/x"], {}),
        "seed --url": (["seed", *never, str(folder / "users.csv"), "--url", url], {}),
        "seed --url-env": (["seed", *never, str(folder / "users.csv"), "--url-env", "SHOP"], {"SHOP": url}),
        "seed key-value": (["seed", *never, str(folder / "users.csv")], {"DATABASE_URL": pairs}),
        "seed raw": (["seed", *never, str(folder / "users.csv")], {"DATABASE_URL": raw}),
        "git": (["git", *never, f"http://user:{coded}@127.0.0.1:1/repo", str(folder / "dest")], {}),
        "git, token alone": (["git", *never, f"http://{coded}@127.0.0.1:1/repo", str(folder / "dest")], {}),
        "variable of an option": (["wait"], {"INITKIT_WAIT_TARGETS": f"'http://u:{coded}@127.0.0.1:port/'"}),
        "plan": (["run", str(plan)], token),
        "plan with mistakes": (["run", str(broken)], token),
    }


PLACES = list(places("x", __import__("pathlib").Path(__import__("tempfile").mkdtemp())))


def everything_said(place: Place, folder: Path, *options: str) -> tuple[int, str]:
    """All that a run inside this interpreter prints or writes."""
    words, env = place
    log, report = folder / "termination-log", folder / "report.json"
    for path in (log, report):
        path.unlink(missing_ok=True)
    stdout, stderr = io.StringIO(), io.StringIO()
    more = ["--termination-log", str(log), "--report", str(report), *options]
    with redirect_stdout(RedactedStream(stdout)), redirect_stderr(RedactedStream(stderr)):
        code, _ = main._invoke([*more, *words], environment(env))
    files = [path.read_text() for path in (log, report) if path.exists()]
    return code, "\n".join([stdout.getvalue(), stderr.getvalue(), *files])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("options", [("--log-level", "debug"), ("--log-format", "json", "--log-level", "debug")])
def test_no_nasty_password_comes_out(
    place: str, options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for secret in NASTY:
        KNOWN.forget()
        words, env = places(secret, tmp_path)[place]
        for name, value in env.items():
            monkeypatch.setenv(name, value)  # libpq and git look for themselves
        code, said = everything_said((words, env), tmp_path, *options)
        assert code in {1, 2, 124}, said
        assert not found_in(said, secret), (secret, said)
        assert "Traceback" not in said, said


@given(secret=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=24))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_password_at_all_comes_out(secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "c" + secret.strip().replace("$", "S")  # of its own, not a word of every message; no reference
    for name, (words, env) in places(secret, tmp_path).items():
        KNOWN.forget()
        with monkeypatch.context() as patch:
            for variable, value in env.items():
                patch.setenv(variable, value)
            _, said = everything_said((words, env), tmp_path)
        assert not found_in(said, secret), (name, said)


@pytest.mark.parametrize("place", ["plan", "wait postgres", "git", "migrate PGPASSWORD"])
def test_nothing_comes_out_of_the_program_itself(place: str, tmp_path: Path) -> None:
    secret = "quo'te@nd:100%41 ü+/\\"
    words, env = places(secret, tmp_path)[place]
    ended = initkit("--log-level", "debug", *words, env=env)
    assert ended.returncode in {1, 2, 124}
    assert not found_in(ended.stdout + ended.stderr, secret)


def test_a_bug_s_traceback_is_redacted_too(tmp_path: Path) -> None:
    """A scheme that fails in a way that nobody foresaw, with a password in its message."""
    secret = "traceback-canary@1:2"
    env = {"MY_PASSWORD": secret}
    (tmp_path / "plan.yaml").write_text("steps:\n- wait: file:/x${MY_PASSWORD}\0\n".replace("\0", ""))
    code = (
        "import os, sys\n"
        "from initkit.steps.wait.schemes import file\n"
        "def probe(self, context): raise RuntimeError('it was ' + os.environ['MY_PASSWORD'])\n"
        "file.File.probe = probe\n"
        "from initkit.cli.main import main\n"
        f"sys.argv = ['initkit', 'run', {str(tmp_path / 'plan.yaml')!r}]\n"
        "main()\n"
    )
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment(env), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "RuntimeError: it was ***" in ended.stderr
    assert not found_in(ended.stdout + ended.stderr, secret)


def test_the_working_directory_is_no_secret(tmp_path: Path) -> None:
    """A shell exports it as PWD, which is also how people call a password."""
    ended = initkit("wait", f"file:{tmp_path}", env={"PWD": str(tmp_path), "OLDPWD": str(tmp_path)})
    assert f"file:{tmp_path} is there" in ended.stderr
    hidden = initkit("wait", f"file:{tmp_path}", env={"DB_PWD": str(tmp_path.name)})
    assert tmp_path.name not in hidden.stderr


def test_the_addresses_of_services_are_no_secrets(tmp_path: Path) -> None:
    """The kubelet sets them for every Service; one that is called token-api must not blank out ports and addresses."""
    env = {
        "TOKEN_API_SERVICE_HOST": "10.96.0.7",
        "TOKEN_API_SERVICE_PORT": "8080",
        "TOKEN_API_SERVICE_PORT_HTTP": "8080",
        "TOKEN_API_PORT": "tcp://10.96.0.7:8080",
        "TOKEN_API_PORT_8080_TCP_ADDR": "10.96.0.7",
    }
    target = f"file:{tmp_path}/10.96.0.7:8080"
    (tmp_path / "10.96.0.7:8080").touch()
    assert f"{target} is there" in initkit("wait", target, env=env).stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_step_s_name_is_redacted_too(form: str, tmp_path: Path) -> None:
    secret = "name-canary-42"
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"steps:\n- {{name: 's-${{DB_PASSWORD}}', wait: 'file:{tmp_path}'}}\n- wait: file:{tmp_path}\n")
    ended = initkit("--log-format", form, "--log-level", "debug", "run", str(plan), env={"DB_PASSWORD": secret})
    assert ended.returncode == 0
    assert not found_in(ended.stdout + ended.stderr, secret)


def test_many_lines_at_once_are_redacted_too() -> None:
    KNOWN.learn("lines-canary-42")
    behind = io.StringIO()
    RedactedStream(behind).writelines(["it was ", "lines-canary-42\n"])
    assert behind.getvalue() == "it was ***\n"
