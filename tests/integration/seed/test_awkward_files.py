from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from initkit.core.errors import PermanentError

if TYPE_CHECKING:
    from fix_seed import Shop

ADA = (1, "Ada", "a")
HEADER = b"id,name,email\n"


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"email,id,name\na,1,Ada\n", [ADA]),
        (b"\xef\xbb\xbfid,name,email\n1,Ada,a\n", [ADA]),
        (b"id,name,email\r\n1,Ada,a\r\n", [ADA]),
        (b"id,name,email\r\n1,Ada,a\n2,Bob,b\r\n", [ADA, (2, "Bob", "b")]),
        (b"id,name,email\n1,Ada,a", [ADA]),
        (b"\nid,name,email\n\n1,Ada,a\n\n\n", [ADA]),
        (b'id,name,email\n1,"A\r\nd\na",a\n', [(1, "A\r\nd\na", "a")]),
        (b'id,name,email\n1,"",a\n', [(1, "", "a")]),
        (b'id,name,email\n1,\\.,a\n2,"\n\\.\n",b\n', [(1, "\\.", "a"), (2, "\n\\.\n", "b")]),
        (b'id;name;email\n1;"A;d""a";a\n', [(1, 'A;d"a', "a")]),
        (b"id\tname\temail\n1\tA,d,a\ta\n", [(1, "A,d,a", "a")]),
        ("id,name,email\n1,Ада \U0001f600,a\n".encode(), [(1, "Ада \U0001f600", "a")]),
        (HEADER, []),
    ],
)
@pytest.mark.parametrize("mode", ["once", "upsert"])
def test_what_is_unusual_is_loaded_as_it_stands(
    shop: Shop, content: bytes, rows: list[tuple[object, ...]], mode: str
) -> None:
    shop.sql.execute("insert into customers (id, name, email) values (9, 'there', 'already')")
    shop.write("customers.csv", content)
    for _ in range(2):
        shop.seed(mode=mode)
        assert shop.sql.rows("select id, name, email from customers where id < 9 order by id") == rows


def test_an_empty_field_is_null_and_an_empty_string_is_none(shop: Shop) -> None:
    shop.write("customers.csv", 'id,name,email,created_at\n1,"",a,\n')
    shop.seed()
    assert shop.sql.rows("select name, created_at from customers") == [("", None)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (HEADER + b"1,A\0da,a\n", "line 2: it holds a NUL"),
        (HEADER + b"1,Ada,a\n2,B\xe9a,b\n", "line 3: it is not UTF-8"),
        ("id,name,email\n1,Ada,a\n".encode("utf-16"), "UTF-16"),
        (HEADER + b'1,Ada,a\n2,"Bob,b\n3,Cy,c\n', "line 3: the quote that opens here is never closed"),
        (HEADER + b'1,5" disk,a\n2,3" disk,b\n', "line 2: a quote stands inside a value that is not quoted"),
        (HEADER + b"1,Ada,a\n2,Bob\n", "line 3: expected 3 fields"),
        (HEADER + b"1,Ada,a\n2,Bob,b,c\n", "line 3: expected 3 fields"),
        (HEADER + b"1,Ada,a\r2,Bob,b\n", "line 2: a carriage return stands inside"),
        (HEADER + b"99999999999999999999,Ada,a\n", "line 2, column id, value '99999999999999999999': "),
        (b"id,name,email,created_at\n1,Ada,a,31.12.2026\n", "line 2, column created_at, value '31.12.2026': "),
        (b"id,name,email,created_at\n1,Ada,a,2026-02-30\n", "line 2, column created_at, value '2026-02-30': "),
        (HEADER + b"1,Ada,a\n2,Bob,b\n1,Cy,c\n", "line 4, column id"),
    ],
)
@pytest.mark.parametrize("mode", ["once", "upsert"])
def test_what_is_no_good_is_told_with_its_line_and_nothing_is_loaded(
    shop: Shop, content: bytes, said: str, mode: str
) -> None:
    shop.write("customers.csv", content)
    with pytest.raises(PermanentError) as caught:
        shop.seed(mode=mode)
    assert said in str(caught.value)
    assert shop.names() == []
