"""The JSON Schema of plans agrees with what plans are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fix_plan import EXAMPLE
from jsonschema import Draft202012Validator

from initkit.engine.plan import PlanError, parse
from initkit.engine.schema import plan_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart" / "initkit.yaml"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = plan_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def plan(text: str) -> Any:
    """As an editor reads it: with YAML's own types."""
    return yaml.safe_load(text)


ENVIRON = {
    "HOST": "db",
    "ANY": "yes",
    "T": "5m",
    "TYPE": "file",
    "P": "/data",
    "MODE": "0640",
    "PAGE": "https://c/",
    "CONFIG_URL": "https://config/",
    "DATABASE_READY": "file:/ready",
    "NAME": "shop",
    "QUEUE": "queue:5672",
    "REPOSITORY": "/git/site",
    "VOLUME": "/volume",
}

ACCEPTED = [
    # wait: a scalar, a list, a mapping; each target as text or under any name of its scheme
    "steps: [{wait: db:5432}]",
    "steps: [{wait: [db:5432, 'http://config/']}]",
    "steps: [{wait: {targets: db:5432}}]",
    "steps: [{wait: {targets: [{http: 'http://config/'}, {http: {url: 'http://c/', status: 204}}], any: true}}]",
    "steps: [{wait: {targets: {https: 'https://config/'}}}]",
    "steps: [{wait: [{https: {url: 'https://c/', status: '200, 204-299'}}, {tcp: ['db:1']}]}]",
    "steps: [{wait: {targets: [{postgresql: 'postgresql://db/shop'}, {postgres: 'host=db'}]}}]",
    "steps: [{wait: {targets: [{postgres: }, {postgresql: {}}, {postgres: []}]}}]",
    "steps: [{wait: [{file: 5}, {file: {path: true, not-empty: no}}]}]",
    "steps: [{wait: {targets: [a:1], any: 1}}]",
    "steps: [{wait: {targets: [a:1], any: 'YES'}}]",
    # the keys beside the kind
    "retry:\nsteps: [{wait: a:1, retry: , name: , needs: }]",
    "retry: {}\nsteps: [{wait: a:1, retry: {}}]",
    "retry: {timeout: 0, interval: 0.5}\nsteps: [{wait: a:1}]",
    "steps: [{wait: a:1, retry: {timeout: 5, jitter: 20%, backoff: fixed, attempts: '3'}}]",
    "steps: [{wait: a:1, retry: {timeout: 1h30m, interval: ' 250ms ', jitter: '100%'}}]",
    "steps: [{wait: a:1, name: x}, {wait: a:1, needs: x}, {wait: a:1, needs: []}]",
    "steps: [{wait: a:1, name: 5}, {wait: a:1, needs: 5}, {wait: a:1, needs: [5]}]",
    # scalars that are text to the parser and something else to an editor
    "steps: [{migrate: 12}]",
    "steps: [{migrate: {path: /m, to: 12, url-env: true}}]",
    "steps: [{migrate: [/m]}, {seed: [/s, 2]}, {seed: /s}, {seed: {paths: /s, mode: upsert}}]",
    "steps: [{git: [https://git/site, /content]}]",
    "steps: [{git: {repository: /r, dest: 7, ref: 1.5, depth: '3', subpath: ''}}]",
    "steps: [{perms: {paths: /x, owner: 1000, dir-mode: u=rwX}}]",
    "steps: [{perms: {paths: [/x], owner: '1000:app', rules: ['bin/**=0750', {path: '*.sh', group: 5}]}}]",
    # references
    "steps: [{wait: {targets: ['${HOST}:80'], any: '${ANY}'}, retry: {timeout: '${T}', attempts: '${N:-3}'}}]",
    "steps: [{wait: {targets: [{file: {path: /x, type: '${TYPE}'}}]}}]",
    "steps: [{wait: ['${PAGE}', {http: '${PAGE}'}, {tcp: '${HOST}:1'}]}]",
    "steps: [{perms: {paths: ['${P}'], file-mode: '${MODE}'}}]",
]

REFUSED = [
    "[]",
    "{}",
    "steps: []",
    "steps: {}",
    "steps: [{}]",
    "steps: [null]",
    "steps: [wait]",
    "steps: [{name: x}]",
    "steps: [{wiat: a:1}]",
    "steps: [{wait: a:1, migrate: /m}]",
    "steps: [{wait: a:1, retires: {}}]",
    "steps: [{wait: a:1}]\nretires: {}",
    # too few or too many arguments
    "steps: [{wait: }]",
    "steps: [{wait: []}]",
    "steps: [{wait: {}}]",
    "steps: [{wait: {targets: []}}]",
    "steps: [{wait: {any: true}}]",
    "steps: [{wait: [null]}]",
    "steps: [{wait: [[a:1]]}]",
    "steps: [{migrate: }]",
    "steps: [{migrate: {to: heads}}]",
    "steps: [{migrate: [m, n]}]",
    "steps: [{git: /r}]",
    "steps: [{git: [/r]}]",
    "steps: [{git: [/r, /d, main]}]",
    "steps: [{git: {repository: /r}}]",
    "steps: [{seed: {paths: [], mode: once}}]",
    "steps: [{perms: {paths: /x, rules: [{file-mode: '0640'}]}}]",
    # targets
    "steps: [{wait: {tcp: a:1}}]",
    "steps: [{wait: {targets: [a:1], all: true}}]",
    "steps: [{wait: {targets: [{htp: x}]}}]",
    "steps: [{wait: {targets: [{}]}}]",
    "steps: [{wait: {targets: [{tcp: a:1, http: 'http://c/'}]}}]",
    "steps: [{wait: {targets: [{tcp: }]}}]",
    "steps: [{wait: {targets: [{http: {url: x, stat: 1}}]}}]",
    "steps: [{wait: {targets: [{http: {url: 'http://c/', status: 99}}]}}]",
    "steps: [{wait: {targets: [{http: {url: 'http://c/', status: fine}}]}}]",
    "steps: [{wait: {targets: [{http: ['http://c/', 204]}]}}]",
    "steps: [{wait: {targets: [{file: {path: /x, type: pipe}}]}}]",
    "steps: [{wait: {targets: [{tcp: 5}]}}]",
    "steps: [{wait: db}]",
    "steps: [{wait: 5432}]",
    # values
    "steps: [{wait: {targets: [a:1], any: maybe}}]",
    "steps: [{wait: {targets: [a:1], any: 2}}]",
    "steps: [{wait: {targets: [a:1], any: null}}]",
    "steps: [{wait: a:1, retry: {timeout: soon}}]",
    "steps: [{wait: a:1, retry: {timeout: true}}]",
    "steps: [{wait: a:1, retry: {timeout: }}]",
    "steps: [{wait: a:1, retry: {timeout: 1000000000}}]",
    "steps: [{wait: a:1, retry: {interval: 0}}]",
    "steps: [{wait: a:1, retry: {interval: 0ms}}]",
    "steps: [{wait: a:1, retry: {backoff: linear}}]",
    "steps: [{wait: a:1, retry: {jitter: 120%}}]",
    "steps: [{wait: a:1, retry: {jitter: '2'}}]",
    "steps: [{wait: a:1, retry: {jitter: 1.5}}]",
    "steps: [{wait: a:1, retry: {attempts: -1}}]",
    "steps: [{wait: a:1, retry: {attempts: 1234567890}}]",
    "steps: [{wait: a:1, retry: 5m}]",
    "steps: [{wait: {targets: [a:1], retry: {timeout: 1s}}}]",
    "retry: {timeout: -1}\nsteps: [{wait: a:1}]",
    "retry: [5m]\nsteps: [{wait: a:1}]",
    "steps: [{migrate: {path: /m, url: shop}}]",
    "steps: [{migrate: {path: /m, to: [a]}}]",
    "steps: [{git: [site, /d]}]",
    "steps: [{git: {repository: 5, dest: /d}}]",
    "steps: [{git: {repository: /r, dest: /d, links: follow}}]",
    "steps: [{perms: {paths: /x, owner: -1}}]",
    "steps: [{perms: {paths: /x, owner: 'a:b:c'}}]",
    "steps: [{perms: {paths: /x, file-mode: rw}}]",
    "steps: [{perms: {paths: /x, rules: ['bin/**']}}]",
    # names
    "steps: [{wait: a:1, name: ' '}]",
    "steps: [{wait: a:1, name: [x]}]",
    "steps: [{wait: a:1, needs: {x: y}}]",
    "steps: [{wait: a:1, name: x}, {wait: a:1, needs: [null]}]",
]

ONLY_THE_PARSER_KNOWS = [
    pytest.param("steps: [{wait: a:1, name: x}, {wait: a:1, name: x}]", id="a name is taken"),
    pytest.param("steps: [{wait: a:1, needs: later}]", id="no earlier step of that name"),
    pytest.param("steps: [{wait: '${UNSET}'}]", id="what a reference comes to"),
    pytest.param("steps: [{perms: {paths: /x}}]", id="one option of several"),
    pytest.param("steps: [{perms: /x}]", id="one option of several that are not arguments"),
    pytest.param(
        "steps: [{seed: {paths: /s, mode: upsert, on-change: ignore}}]", id="options that exclude one another"
    ),
    pytest.param("steps: [{perms: {paths: /x, file-mode: 9}}]", id="digits of a number"),
    pytest.param("steps: [{wait: a:1, retry: {attempts: 1.0}}]", id="how a number is written"),
    pytest.param("steps: [{wait: htp://x}]", id="the scheme of a URL"),
    pytest.param("steps: [{wait: a:99999}]", id="ranges within text"),
    pytest.param("steps: [{git: {repository: /r, dest: /d, ref: a..b}}]", id="rules of git's"),
    pytest.param("steps: [{perms: {paths: [/etc], owner: 1}}]", id="paths that belong to the system"),
]


def parser_takes(text: str, environ: Mapping[str, str] = ENVIRON) -> bool:
    try:
        parse(text, "plan", environ)
    except PlanError:
        return False
    return True


@pytest.mark.parametrize("text", [EXAMPLE, QUICKSTART.read_text(), *ACCEPTED])
def test_what_the_parser_takes_is_valid(validator: Draft202012Validator, text: str) -> None:
    assert parser_takes(text)
    assert [error.message for error in validator.iter_errors(plan(text))] == []


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_parser_refuses_is_not(validator: Draft202012Validator, text: str) -> None:
    assert (parser_takes(text), validator.is_valid(plan(text))) == (False, False)


@pytest.mark.parametrize("text", ONLY_THE_PARSER_KNOWS)
def test_mistakes_that_a_schema_cannot_tell(validator: Draft202012Validator, text: str) -> None:
    assert (parser_takes(text), validator.is_valid(plan(text))) == (False, True)


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        pytest.param("steps: [{git: /r}]", {"INITKIT_GIT_DEST": "/d"}, id="the environment may give arguments"),
        pytest.param("steps: [{wait: {targets: a:1, retry: }}]", {}, id="no retry, in the wrong place"),
    ],
)
def test_what_the_parser_takes_but_an_editor_marks(
    validator: Draft202012Validator, text: str, environ: Mapping[str, str]
) -> None:
    assert (parser_takes(text, environ), validator.is_valid(plan(text))) == (True, False)


def test_nothing_large_is_written_twice(validator: Draft202012Validator) -> None:
    assert isinstance(validator.schema, dict)
    written = Counter(json.dumps(part) for part in _parts(validator.schema))
    assert [text for text, times in written.items() if times > 1 and len(text) > 250] == []


def _parts(node: object) -> Iterator[object]:
    yield node
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _parts(below)


def test_every_kind_and_option_is_described(validator: Draft202012Validator) -> None:
    schema = validator.schema
    assert isinstance(schema, dict)
    for entry in schema["properties"]["steps"]["items"]["oneOf"]:
        assert entry["description"].endswith((".", ":"))
    for name, value in schema["$defs"]["retry"]["properties"].items():
        assert value["description"], name
