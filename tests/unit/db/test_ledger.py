"""What initkit applied is told from what somebody else did."""

from __future__ import annotations

from initkit.db.ledger import Row, lineage

ROWS = [Row("a1"), Row("b2", down=("a1",)), Row("c3", down=("b2",)), Row("m4", down=("c3", "x9"))]


def test_a_newer_revision_leads_down_to_the_known_one_that_it_was_applied_on() -> None:
    assert lineage(ROWS, ["c3"], ["a1", "b2"]) == {"b2"}


def test_a_merge_leads_down_by_all_its_parents() -> None:
    assert lineage([*ROWS, Row("x9", down=("a1",))], ["m4"], ["a1", "b2"]) == {"a1", "b2"}


def test_what_the_ledger_does_not_know_has_no_lineage() -> None:
    assert lineage(ROWS, ["zz"], ["a1"]) is None
    assert lineage(ROWS, ["m4"], ["a1", "b2"]) is None, "one parent of the merge is nobody's"


def test_what_was_only_started_proves_nothing() -> None:
    assert lineage([Row("b2", state="started", down=("a1",))], ["b2"], ["a1"]) is None


def test_a_first_revision_lies_on_nothing() -> None:
    assert lineage(ROWS, ["a1"], ["other"]) == set()
