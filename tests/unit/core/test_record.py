"""Small immutable records."""

from __future__ import annotations

from typing import Any

import pytest

from initkit.core.record import Record


class Point(Record):
    x: int
    y: int = 0


class Named(Point):
    name: str = ""


def test_fields_are_given_by_position_or_by_name_and_have_defaults() -> None:
    assert (Point(1).x, Point(1).y, Point(1, y=2).y) == (1, 0, 2)
    assert repr(Named(1, name="a")) == "Named(x=1, y=0, name='a')"


def test_records_are_equal_where_all_their_fields_are() -> None:
    assert Point(1) == Point(1, 0)
    assert hash(Point(1)) == hash(Point(1, 0))
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)


def test_a_copy_has_some_fields_changed() -> None:
    point = Point(1, 2)
    assert point.but(x=3) == Point(3, 2)
    assert point == Point(1, 2)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match=r"Point\.x cannot be changed"):
        Point(1).x = 2  # type: ignore[misc]


@pytest.mark.parametrize(("values", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"z": 1}), ((1,), {"x": 1})])
def test_what_does_not_fit_is_a_programmers_mistake(values: tuple[int, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Point takes x, y; got"):
        Point(*values, **named)
