from __future__ import annotations

from dataclasses import replace

import pytest

from initkit.core.errors import PermanentError
from initkit.steps.seed.dataset import Dataset, Form
from initkit.steps.seed.due import due
from initkit.steps.seed.ledger import Entry
from initkit.steps.seed.tables import Reference, Table, in_order, quoted

USERS = Dataset("/seed/common/users.csv", "users", "csv")
OTHERS = Dataset("/seed/prod/users.csv", "users", "csv")
TABLE = "public.users"


def never() -> str:
    raise AssertionError("the content need not be read for it")


def test_what_is_not_in_the_ledger_is_due_without_being_read() -> None:
    assert due(USERS, TABLE, [], never) == "insert"
    assert due(USERS, TABLE, [Entry("common/users.csv", "other.users", "1")], never) == "insert"
    assert due(USERS, TABLE, [Entry("common/people.csv", TABLE, "1", '{"delimiter": ";"}')], never) == "insert"


def test_what_was_loaded_is_not_due() -> None:
    entries = [Entry("common/users.csv", TABLE, "1")]
    assert due(USERS, TABLE, entries, lambda: "1") == "loaded"
    assert due(OTHERS, TABLE, entries, lambda: "2") == "insert"


def test_the_same_content_under_another_name_counts_as_loaded() -> None:
    assert due(USERS, TABLE, [Entry("elsewhere/users.csv", TABLE, "1")], lambda: "1") == "loaded"


def test_the_same_content_for_another_table_is_due() -> None:
    assert due(USERS, TABLE, [Entry("common/users.csv", "public.people", "1")], never) == "insert"


def test_changed_content_is_due_as_was_asked_for() -> None:
    entries = [Entry("common/users.csv", TABLE, "1", seeded_at="2026-01-31 12:00 UTC")]
    with pytest.raises(PermanentError, match="the file has changed since it was loaded once, at 2026-01-31 12:00 UTC"):
        due(USERS, TABLE, entries, lambda: "2")
    assert due(replace(USERS, on_change="ignore"), TABLE, entries, lambda: "2") == "ignored"
    assert due(replace(USERS, on_change="upsert"), TABLE, entries, lambda: "2") == "upsert"


def test_what_another_mode_has_loaded_is_told_so() -> None:
    entries = [Entry("common/users.csv", TABLE, "1", mode="upsert", seeded_at="2026-01-31 12:00 UTC")]
    with pytest.raises(PermanentError, match="has changed since it was loaded with mode upsert, at 2026-01-31"):
        due(USERS, TABLE, entries, lambda: "2")


def test_content_that_is_read_otherwise_has_changed() -> None:
    entries = [Entry("common/users.csv", TABLE, "1", seeded_at="2026-01-31 12:00 UTC")]
    tabs = replace(USERS, form=Form(delimiter="\t"))
    with pytest.raises(PermanentError, match="the way in which the file is read has changed since it was loaded once"):
        due(tabs, TABLE, entries, never)
    entries.append(Entry("prod/users.csv", TABLE, "1", tabs.options))
    assert due(tabs, TABLE, entries, lambda: "1") == "loaded"


def test_sql_is_known_by_its_content_too() -> None:
    roles = Dataset("/seed/roles.sql", "", "sql")
    assert due(roles, "", [], never) == "insert"
    assert due(roles, "", [Entry("old/roles.sql", "", "1")], lambda: "1") == "loaded"
    with pytest.raises(
        PermanentError, match=r"cannot seed SQL from .*; put new statements into a new file, or use --on"
    ):
        due(roles, "", [Entry("seed/roles.sql", "", "1")], lambda: "2")


def table(name: str, *parents: str, deferrable: bool = False) -> Table:
    return Table(name, name, {}, references=tuple(Reference(parent, deferrable) for parent in parents))


def test_parents_come_before_children_and_otherwise_the_order_stays() -> None:
    tables = [table("c", "b"), table("z"), table("b", "a", "b", "elsewhere"), table("a"), table("z")]
    assert in_order(tables) == ["z", "a", "b", "c"]


def test_a_cycle_is_broken_where_a_check_can_wait() -> None:
    assert in_order([table("a", "b"), table("b", "a", deferrable=True)]) == ["b", "a"]
    with pytest.raises(PermanentError, match=r"foreign keys form a cycle: .*make one of these constraints DEFERRABLE"):
        in_order([table("a", "b"), table("b", "a")])


def test_identifiers_are_quoted() -> None:
    assert quoted('a"b') == '"a""b"'
    assert Table("public.users", "1", {}).sql == '"public"."users"'
