from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.core.redact import redact

if TYPE_CHECKING:
    from pathlib import Path

    from fix_content import SeedFile

SHOP = {"ADMIN": "Ada", "ADMIN_PASSWORD": "hunter22", "EMPTY": "", "PORT": "5432"}
CONTENTS = {
    "csv": "a,b\n{0},{1}\n",
    "ndjson": '{{"a": "{0}", "b": "{1}"}}\n',
    "json": '[{{"a": "{0}", "b": "{1}"}}]',
    "yaml": "- a: '{0}'\n  b: '{1}'\n",
}


@pytest.mark.parametrize("suffix", CONTENTS)
def test_references_are_replaced_where_a_dataset_opts_in(seed_file: SeedFile, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "token").write_text('s3cret, "quoted"\n')
    seed_file.environ |= SHOP
    content = CONTENTS[suffix].format("x ${ADMIN} ${NONE:-y} $$ $", "${file:" + str(tmp_path / "token") + "}")
    assert seed_file.values(content, suffix, expand=True) == [["x Ada y $ $", 's3cret, "quoted"']]
    assert redact('x s3cret, "quoted" y') == "x *** y"


@pytest.mark.parametrize("suffix", CONTENTS)
def test_elsewhere_they_are_text(seed_file: SeedFile, suffix: str) -> None:
    seed_file.environ |= SHOP
    assert seed_file.values(CONTENTS[suffix].format("${ADMIN}", "$$"), suffix) == [["${ADMIN}", "$$"]]


@pytest.mark.parametrize("suffix", CONTENTS)
def test_a_variable_that_is_not_set_is_told_with_its_place(seed_file: SeedFile, suffix: str) -> None:
    content = CONTENTS[suffix].format("1", "${NONE}")
    line = 2 if suffix == "csv" else 1
    expected = f"line {line}, column b: the environment variable NONE is not set; set it, or write ${{NONE:-default}}"
    assert seed_file.refusal(content, suffix, expand=True) == expected


def test_what_is_empty_is_not_null(seed_file: SeedFile) -> None:
    seed_file.environ |= SHOP
    assert seed_file.values("a,b\n${EMPTY},\n", expand=True) == [["", None]]


def test_values_within_values_are_replaced_and_typed_as_they_are_written(seed_file: SeedFile) -> None:
    seed_file.environ |= SHOP
    content = "- j: {port: '${PORT}', list: [a$$, 1]}\n- j:\n    port: ${PORT}\n"
    assert seed_file.values(content, "yaml", expand=True) == [
        ['{"port": "5432", "list": ["a$", 1]}'],
        ['{"port": 5432}'],
    ]
    content = '{"j": {"${ADMIN}": ["${ADMIN}", 1.10]}}'
    assert seed_file.values(content, "ndjson", expand=True) == [['{"${ADMIN}": ["Ada", 1.10]}']]


def test_a_reference_cannot_become_something_else_in_sql(seed_file: SeedFile) -> None:
    seed_file.environ |= SHOP | {"NAME": "O'Brien\\'; drop table t; --", "COLUMN": 'x"y'}

    def statements(content: str) -> list[str]:
        return [one.text for one in seed_file.content(content, "sql", expand=True).statements("postgres")]

    assert statements("insert into t values ('${NAME}', 'it''s $$ ${PORT}');\nselect $$ ${NAME} $$, $1 -- ${X}\n") == [
        "insert into t values ('O''Brien\\''; drop table t; --', 'it''s $ 5432')",
        "select $$ ${NAME} $$, $1",
    ]
    assert statements("select E'\\n${NAME}'") == ["select E'\\nO''Brien\\\\''; drop table t; --'"]
    assert statements('select "${COLUMN}"') == ['select "x""y"']
