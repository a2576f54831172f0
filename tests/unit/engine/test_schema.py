"""The JSON Schema of plans agrees with what plans are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fix_plan import EXAMPLE
from jsonschema import Draft202012Validator

from initkit.engine.schema import plan_schema

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart" / "initkit.yaml"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = plan_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def plan(text: str) -> Any:
    """As an editor reads it: with YAML's own types."""
    return yaml.safe_load(text)


@pytest.mark.parametrize("text", [EXAMPLE, QUICKSTART.read_text()], ids=["design", "quickstart"])
def test_examples_are_valid(validator: Draft202012Validator, text: str) -> None:
    assert [error.message for error in validator.iter_errors(plan(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "steps: [{wait: db:5432}]",
        "steps: [{wait: [db:5432, 'http://config/']}]",
        "steps: [{wait: {targets: [{http: 'http://config/'}, {http: {url: 'http://c/', status: 204}}], any: true}}]",
        "steps: [{wait: {targets: ['${HOST}:80'], any: '${ANY}'}, retry: {timeout: '${T}', attempts: '${N:-3}'}}]",
        "steps: [{wait: {targets: [{file: {path: /x, type: '${TYPE}'}}]}}]",
        "steps: [{wait: a:1, retry: {timeout: 5, jitter: 20%, backoff: fixed}}]",
        "steps: [{wait: a:1, name: x}, {wait: a:1, needs: x}, {wait: a:1, needs: []}]",
        "steps: [{perms: {paths: ['${P}'], file-mode: '${MODE}'}}]",
    ],
)
def test_what_can_be_meant_is_valid(validator: Draft202012Validator, text: str) -> None:
    assert [error.message for error in validator.iter_errors(plan(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "steps: []",
        "steps: [{}]",
        "steps: [{name: x}]",
        "steps: [{wiat: a:1}]",
        "steps: [{wait: a:1, migrate: /m}]",
        "steps: [{wait: a:1}]\nretires: {}",
        "steps: [{wait: {targets: [a:1], all: true}}]",
        "steps: [{wait: {targets: [{htp: x}]}}]",
        "steps: [{wait: {targets: [{http: {url: x, stat: 1}}]}}]",
        "steps: [{wait: {targets: [{file: {path: /x, type: pipe}}]}}]",
        "steps: [{wait: a:1, retry: {timeout: soon}}]",
        "steps: [{wait: a:1, retry: {backoff: linear}}]",
        "steps: [{wait: {targets: [a:1], retry: {timeout: 1s}}}]",
        "retry: {timeout: -1}\nsteps: [{wait: a:1}]",
    ],
)
def test_mistakes_are_not(validator: Draft202012Validator, text: str) -> None:
    assert not validator.is_valid(plan(text))


def test_every_kind_and_option_is_described(validator: Draft202012Validator) -> None:
    schema = validator.schema
    assert isinstance(schema, dict)
    for entry in schema["properties"]["steps"]["items"]["oneOf"]:
        assert entry["description"].endswith((".", ":"))
    for name, value in schema["$defs"]["retry"]["properties"].items():
        assert value["description"], name
