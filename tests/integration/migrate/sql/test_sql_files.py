"""What SQL files do to a database, on PostgreSQL and on SQLite alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fix_clock import make_context

from initkit.core.assemble import assemble
from initkit.core.errors import PermanentError, UsageError
from initkit.core.outcome import Pending, Satisfied, Status
from initkit.db.dsn import find
from initkit.db.sqlfiles import standing
from initkit.steps.wait.schemes.migrations import Migrations
from initkit.steps.wait.target import AbsentError

if TYPE_CHECKING:
    from fix_sqlfiles import SqlFolder

    from initkit.db.revisions import Standing


def test_a_fresh_database_gets_every_file_in_order_and_a_second_run_changes_nothing(sql: SqlFolder) -> None:
    sql.add("0002_fill.sql", "insert into t1 values (1);")
    sql.add("0001_make_t1.sql", "create table t1 (id integer);")
    sql.add("R__views.sql", "drop view if exists v; create view v as select id from t1;")
    finding = sql.step().check(sql.context())
    assert isinstance(finding, Pending)
    assert finding.changes == ("0001 make t1", "0002 fill", "R__views views")
    assert not sql.names()
    outcome = sql.apply()
    assert outcome.status is Status.CHANGED
    assert outcome.detail.startswith("3 revisions applied: (base) → 0002 fill, R__views views (0001 ")
    applying = [note for note in sql.voice.notes if note.startswith("applying ")]
    assert applying == ["applying 0001 make t1", "applying 0002 fill", "applying R__views views"]
    assert sql.rows("select id from v") == [(1,)]
    before = sql.rows("select * from initkit_migrations")
    again = sql.step().check(sql.context())
    assert again == Satisfied("at head 0002", {"revision": ["0002"]})
    assert sql.apply().status is Status.OK
    assert sql.rows("select * from initkit_migrations") == before
    assert sql.rows("select count(*) from t1") == [(1,)]


def test_a_second_run_does_not_write_the_rows_of_the_ledger_again(pg: SqlFolder) -> None:
    pg.tables(1, 2)
    pg.apply()
    before = pg.rows("select revision, xmin::text, ctid::text from initkit_migrations")
    pg.apply()
    assert pg.rows("select revision, xmin::text, ctid::text from initkit_migrations") == before


def test_looking_makes_neither_file_nor_table(sql: SqlFolder) -> None:
    sql.tables(1)
    assert sql.pending() == ["0001"]
    if sql.is_sqlite:
        assert not (sql.path.parent / "shop.db").exists()
    else:
        assert sql.rows("select to_regclass('initkit_migrations')") == [(None,)]


def test_semicolons_in_strings_names_comments_and_bodies_end_nothing(sql: SqlFolder) -> None:
    sql.add(
        "1_make.sql",
        "create table t (\"a;b\" text default ';'); -- no; end\n"
        "/* neither; here */ insert into t values ('it''s; one');\n"
        + (
            "create trigger g after insert on t begin update t set \"a;b\" = 'x;y' where 1 = 2; select 1; end;\n"
            if sql.is_sqlite
            else "create function f() returns int language plpgsql as $f$ begin perform 1; return 2; end; $f$;\n"
            "create function s() returns int language sql begin atomic "
            "select case when true then 1 end; select 2; end;\n"
            "do $$ begin perform f(); perform s(); end $$;\n"
            "create rule r as on delete to t do also (select 1; select 2);\n"
        )
        + "insert into t values ('two')",
    )
    sql.apply()
    assert sql.rows('select "a;b" from t') == [("it's; one",), ("two",)]


def test_a_file_that_fails_leaves_nothing_and_names_its_line(sql: SqlFolder) -> None:
    sql.tables(1)
    sql.add(
        "0002_bad.sql",
        "create table t2 (id integer);\n\ninsert into t2 values (1);\ninsert into\n  nowhere values (2);",
    )
    sql.tables(3)
    with pytest.raises(PermanentError) as caught:
        sql.apply()
    assert caught.value.task == "apply 0002_bad.sql"
    assert "nowhere" in caught.value.cause
    assert caught.value.cause.startswith("line 4: " if sql.is_sqlite else "line 5: ")
    assert caught.value.done == "1 revision applied: (base) → 0001"
    assert sql.names() == {"t1"}
    assert sql.ledger() == [("0001", "applied")]
    sql.add("0002_bad.sql", "create table t2 (id integer);")
    sql.apply()
    assert sql.names() == {"t1", "t2", "t3"}


@pytest.mark.parametrize(
    "text",
    ["begin;\ncreate table t (id int);\ncommit;", "create table t (id int);\nROLLBACK", "start transaction;", "end"],
)
def test_a_file_with_transactions_of_its_own_is_refused_before_anything_is_run(sql: SqlFolder, text: str) -> None:
    sql.tables(1)
    sql.add("0002_own.sql", text)
    with pytest.raises(
        PermanentError, match=r"read 0002_own.sql: line \d: .* is no business of a migration; remove it"
    ):
        sql.apply()
    assert not sql.names()


def test_savepoints_are_a_files_own(sql: SqlFolder) -> None:
    text = "create table t (id int); savepoint a; insert into t values (1); rollback to a; release a;"
    sql.add("1_save.sql", text)
    sql.apply()
    assert sql.rows("select count(*) from t") == [(0,)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("20240101120000_dbmate.sql", "-- migrate:up\ncreate table t (id int);\n-- migrate:down\ndrop table t;"),
        ("00001_goose.sql", "-- +goose Up\ncreate table t (id int);\n\n-- +goose Down\ndrop table t;"),
        ("1_golang_migrate.up.sql", "create table t (id int);"),
        ("V1.2__flyway.sql", "create table t (id int);"),
        ("0001_plain.sql", "create table t (id int);"),
    ],
)
def test_files_of_every_tool_run_upwards_only(sql: SqlFolder, name: str, text: str) -> None:
    sql.add(name, text)
    sql.add("1_golang_migrate.down.sql", "drop table t;")
    sql.add("U1.2__flyway.sql", "drop table t;")
    assert len(sql.pending()) == 1
    sql.apply()
    assert sql.names() == {"t"}


def test_what_goose_marks_as_one_statement_is_sent_as_one(pg: SqlFolder) -> None:
    pg.add(
        "1_f.sql",
        "-- +goose Up\n-- +goose StatementBegin\ncreate function f() returns int as $$\nbegin\n return 1;\nend;\n$$ "
        "language plpgsql;\n-- +goose StatementEnd\ncreate table t as select f();\n-- +goose Down\ndrop table t;",
    )
    pg.apply()
    assert pg.rows("select * from t") == [(1,)]


def test_versions_are_compared_as_numbers(sql: SqlFolder) -> None:
    for number in (10, 9, 1, 2):
        sql.add(f"{number}_t.sql", f"create table t{number} (id int);")
    assert sql.pending() == ["1", "2", "9", "10"]
    sql.apply()
    sql.add("011_t.sql", "create table t11 (id int);")
    (sql.path / "9_t.sql").rename(sql.path / "0009_t.sql")
    assert sql.pending() == ["011"]


def test_it_goes_up_to_the_version_that_is_asked_for_and_no_further(sql: SqlFolder) -> None:
    sql.tables(1, 2, 3)
    sql.add("R__v.sql", "create view v as select 1;")
    assert sql.apply(to="2").detail.startswith("2 revisions applied: (base) → 0002 make t2 (")
    assert sql.step(to="0002").check(sql.context()) == Satisfied("at revision 0002", {"revision": ["0002"]})
    assert sql.names() == {"t1", "t2"}
    assert sql.pending() == ["0003", "R__v"]
    with pytest.raises(PermanentError, match="has no version 7; its versions go from 0001 to 0003"):
        sql.pending(to="7")


def test_a_repeatable_file_runs_whenever_it_has_changed(sql: SqlFolder) -> None:
    sql.tables(1)
    text = "drop view if exists v; create view v as select {} as a;"
    sql.add("R__v.sql", text.format(1))
    sql.apply()
    sql.add("R__v.sql", "-- a comment\n" + text.format(1).replace(" as", "\n  as"))
    assert not sql.pending()
    sql.add("R__v.sql", text.format(2))
    sql.tables(2)
    assert sql.pending() == ["0002", "R__v"]
    sql.apply()
    assert sql.rows("select a from v") == [(2,)]
    assert sql.ledger() == [("0001", "applied"), ("0002", "applied"), ("R__v", "applied")]


def test_repeatable_files_run_in_the_order_of_their_names(sql: SqlFolder) -> None:
    sql.add("R__b.sql", "create view b as select * from a;")
    sql.add("R__a.sql", "create view a as select 1 as x;")
    assert sql.pending() == ["R__a", "R__b"]
    sql.apply()


def test_a_savepoint_outside_transactions_is_none_of_a_files(sql: SqlFolder) -> None:
    sql.add("1_own.sql", "-- initkit: no-transaction\nsavepoint x; create table t (id int); release x;")
    with pytest.raises(PermanentError, match="line 2: savepoint x is no business of a migration; remove it"):
        sql.apply()


class TestDrift:
    @pytest.fixture
    def drifted(self, sql: SqlFolder) -> SqlFolder:
        sql.tables(1, 2)
        sql.apply()
        sql.add("0001_make_t1.sql", "create table t1 (id integer, more text);")
        return sql

    def test_a_changed_file_is_warned_of_with_who_applied_it(self, drifted: SqlFolder) -> None:
        context = make_context(voice=drifted.voice, environ={"HOSTNAME": "shop-1"})
        assert isinstance(drifted.step().check(context), Satisfied)
        (warning,) = drifted.voice.warnings
        assert warning.startswith("0001_make_t1.sql differs from what was applied (applied 20")

    def test_it_is_warned_of_once_where_there_is_something_to_apply(self, drifted: SqlFolder) -> None:
        drifted.tables(3)
        assert drifted.pending() == ["0003"]
        drifted.apply()
        assert len(drifted.voice.warnings) == 1

    def test_it_can_be_refused_or_ignored(self, drifted: SqlFolder) -> None:
        with pytest.raises(PermanentError, match=r"0001_make_t1.sql differs .*; bring back"):
            drifted.step(on_drift="fail").check(drifted.context())
        assert not drifted.pending(on_drift="ignore")
        assert not drifted.voice.warnings

    def test_another_comment_is_none(self, sql: SqlFolder) -> None:
        sql.tables(1)
        sql.apply()
        sql.add("0001_make_t1.sql", b"\xef\xbb\xbf/* why */ create table\r\n t1(id integer) -- so\r\n;\r\n")
        assert not sql.pending(on_drift="fail")

    def test_a_file_that_is_gone_is(self, sql: SqlFolder) -> None:
        sql.tables(1, 2)
        sql.apply()
        (sql.path / "0001_make_t1.sql").unlink()
        with pytest.raises(PermanentError, match=r"0001_make_t1.sql is gone"):
            sql.pending(on_drift="fail")
        assert not sql.pending()
        assert "0001_make_t1.sql is gone" in sql.voice.warnings[0]

    def test_another_applications_migrations_are_never_taken_for_applied(self, sql: SqlFolder) -> None:
        sql.tables(1)
        sql.apply()
        (sql.path / "0001_make_t1.sql").unlink()
        sql.add("0001_other.sql", "create table other (id int);")
        with pytest.raises(PermanentError, match=r"0001_other.sql, recorded as 0001_make_t1.sql, differs"):
            sql.pending()


def test_a_database_that_a_newer_image_has_migrated_is_ahead(sql: SqlFolder) -> None:
    sql.tables(1, 2, 3)
    sql.apply()
    for number in (2, 3):
        (sql.path / f"000{number}_make_t{number}.sql").unlink()
    finding = sql.step().check(sql.context())
    assert finding == Satisfied("ahead, at revision 0003", {"revision": ["0003"]})
    assert "ahead of" in sql.voice.warnings[0]
    with pytest.raises(PermanentError, match="it is ahead: at revision 0002, 0003"):
        sql.step(if_ahead="fail").check(sql.context())


class TestBaseline:
    def test_versions_up_to_it_are_recorded_and_not_run(self, sql: SqlFolder) -> None:
        sql.tables(1, 2, 3)
        sql.do("create table t1 (id int)")
        assert sql.pending(baseline="2") == ["0001", "0002", "0003"]
        sql.apply(baseline="2")
        assert sql.names() == {"t1", "t3"}
        assert sql.ledger() == [("0001", "baseline"), ("0002", "baseline"), ("0003", "applied")]
        assert not sql.pending()

    def test_it_is_recorded_though_nothing_is_left_to_run(self, sql: SqlFolder) -> None:
        sql.tables(1)
        sql.do("create table t1 (id int)")
        sql.apply(baseline="1")
        assert sql.ledger() == [("0001", "baseline")]

    def test_it_changes_nothing_where_something_is_recorded(self, sql: SqlFolder) -> None:
        sql.tables(1, 2, 3)
        sql.apply(to="1")
        assert sql.pending(baseline="2") == ["0002", "0003"]

    def test_an_empty_database_gets_everything(self, sql: SqlFolder) -> None:
        sql.tables(1, 2)
        sql.apply(baseline="1")
        assert sql.names() == {"t1", "t2"}

    def test_the_ledger_alone_does_not_make_a_database_one_in_use(self, sql: SqlFolder) -> None:
        sql.add("0001_bad.sql", "insert into nowhere values (1);")
        with pytest.raises(PermanentError, match="nowhere"):
            sql.apply(baseline="1")
        sql.add("0001_bad.sql", "create table t1 (id int);")
        sql.apply(baseline="1")
        assert sql.names() == {"t1"}
        assert sql.ledger() == [("0001", "applied")]

    def test_a_version_that_is_not_there_is_refused(self, sql: SqlFolder) -> None:
        sql.tables(1)
        sql.do("create table other (id int)")
        with pytest.raises(PermanentError, match="has no version 4"):
            sql.pending(baseline="4")


def test_a_version_that_comes_too_late_is_refused_unless_it_may(sql: SqlFolder) -> None:
    sql.tables(1, 3)
    sql.apply()
    sql.tables(2)
    with pytest.raises(PermanentError, match=r"0002_make_t2.sql would come before 0003, .* or use --out-of-order"):
        sql.pending()
    sql.apply(out_of_order=True)
    assert sql.names() == {"t1", "t2", "t3"}
    assert not sql.pending()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["schema.sql"], "the name of schema.sql says no version; name it like 0001_add_orders.sql"),
        (["1_a.sql", "001_b.sql"], r"001_b.sql and 1_a.sql both have version|1_a.sql and 001_b.sql both have version"),
        (["V1__a.sql", "V1.0__b.sql"], "both have version"),
    ],
)
def test_names_that_cannot_be_meant_are_refused(lite: SqlFolder, names: list[str], message: str) -> None:
    for name in names:
        lite.add(name, "select 1;")
    with pytest.raises(PermanentError, match=message):
        lite.pending()


def test_what_a_config_map_mounts_beside_its_files_is_passed_over_and_folders_are_warned_of(lite: SqlFolder) -> None:
    (lite.path / "..2024_01").mkdir()
    (lite.path / "..2024_01" / "1_a.sql").write_text("create table a (id int);")
    (lite.path / "1_a.sql").symlink_to(lite.path / "..2024_01" / "1_a.sql")
    lite.add(".2_b.sql.swp", "")
    lite.add("._3_c.sql", b"\0\1")
    lite.add("README.md", "")
    (lite.path / "old").mkdir()
    (lite.path / "old" / "0_z.sql").write_text("")
    assert lite.pending() == ["1"]
    assert lite.voice.warnings == [f"{lite.path}/old holds .sql files that are not read: move them up"]


def test_an_empty_folder_is_told(lite: SqlFolder) -> None:
    assert lite.step().check(lite.context()) == Satisfied("there are no revisions", {"revision": []})
    assert lite.voice.warnings == [f"{lite.path} holds no migrations"]


def test_bytes_that_are_no_text_are_refused(lite: SqlFolder) -> None:
    lite.add("1_a.sql", b"select '\xff'")
    with pytest.raises(PermanentError, match=r"1_a.sql: it is not UTF-8 \(at byte 8\); save it as UTF-8"):
        lite.pending()


def test_offline_sql_does_the_same_as_a_run(sql: SqlFolder) -> None:
    sql.tables(1, 2)
    sql.add("R__v.sql", "create view v as select ';' as a;")
    text = sql.engine().offline(None)
    assert "t1" not in sql.engine().offline("0001")
    sql.run_by_hand(text)
    assert sql.names() == {"t1", "t2"}
    assert sql.ledger() == [("0001", "applied"), ("0002", "applied"), ("R__v", "applied")]
    assert not sql.pending()


def test_offline_sql_after_a_version_that_is_not_there_is_refused(sql: SqlFolder) -> None:
    sql.tables(1, 2)
    with pytest.raises(UsageError, match=r"--from: .* has no version 9"):
        sql.engine().offline("9")


def test_a_file_that_drops_the_ledger_is_named(sql: SqlFolder) -> None:
    sql.tables(1)
    drop = "drop table initkit_migrations" if sql.is_sqlite else "drop schema public cascade; create schema public"
    sql.add("0002_drop.sql", f"{drop};")
    with pytest.raises(PermanentError, match=r"apply 0002_drop.sql: it drops initkit_migrations, or the schema"):
        sql.apply()
    assert sql.ledger() == [("0001", "applied")]


def test_what_is_there_before_anything_is_recorded_leads_to_a_baseline(sql: SqlFolder) -> None:
    sql.do("create table t1 (id integer)")
    sql.tables(1, 2)
    with pytest.raises(PermanentError, match=r"0001_make_t1.sql: line 1: .*already exists.*--baseline VERSION"):
        sql.apply()
    sql.apply(baseline="1")
    sql.add("0003_again.sql", "create table t1 (id integer);")
    with pytest.raises(PermanentError) as caught:
        sql.apply()
    assert "--baseline" not in caught.value.advice


def test_a_database_that_lacks_something_is_not_ahead(sql: SqlFolder) -> None:
    sql.tables(1, 2, 4)
    sql.apply()
    (sql.path / "0004_make_t4.sql").unlink()
    assert isinstance(sql.step().check(sql.context()), Satisfied)
    sql.tables(3)
    with pytest.raises(PermanentError, match=r"0003_make_t3.sql would come before 0004"):
        sql.pending()
    target = assemble(Migrations, {"path": str(sql.path), "url": sql.url})
    with pytest.raises(AbsentError, match="1 revision to be applied: 0003"):
        target.probe(sql.context())
    assert sql.pending(out_of_order=True) == ["0003"]
    assert isinstance(sql.step(out_of_order=True, to="2").check(sql.context()), Satisfied)
    sql.apply(out_of_order=True)
    assert sql.names() == {"t1", "t2", "t3", "t4"}
    assert target.probe(sql.context()) == "is ahead, at 0004"


def test_who_only_waits_leaves_changed_files_to_whoever_applies_them(sql: SqlFolder) -> None:
    sql.tables(1)
    sql.apply()
    (sql.path / "0001_make_t1.sql").rename(sql.path / "0001_other.sql")
    sql.add("0001_other.sql", "create table other (id integer);")
    target = assemble(Migrations, {"path": str(sql.path), "url": sql.url})
    assert target.probe(sql.context()) == "has 0001"


def test_who_only_waits_sees_what_is_pending_and_takes_no_offence(sql: SqlFolder) -> None:
    def look(**options: str) -> Standing:
        target = assemble(Migrations, {"path": str(sql.path), "url": sql.url} | options)
        return standing.look(target, find(sql.url, "--url"), sql.context())

    sql.tables(1, 3)
    assert [revision.id for revision in look().pending] == ["0001", "0003"]
    sql.apply()
    assert look().is_newest
    sql.tables(2)
    assert [revision.id for revision in look().pending] == ["0002"]
    sql.apply(out_of_order=True)
    (sql.path / "0003_make_t3.sql").unlink()
    assert look().is_ahead
    assert look(to="1").heads == ("0003",)
