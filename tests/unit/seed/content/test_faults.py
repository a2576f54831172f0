from __future__ import annotations

from initkit.core.redact import learn
from initkit.steps.seed.content.faults import bad_row, cut
from initkit.steps.seed.dataset import STDIN, Dataset

DATASET = Dataset("/seed/t.csv", "public.t", "csv")


def test_a_bad_row_is_told_with_all_that_is_known() -> None:
    whole = bad_row(DATASET, 17, 'invalid input "abc"', column="age", value="abc", advice="mend it")
    assert str(whole) == (
        "cannot load /seed/t.csv into public.t: line 17, column age, value 'abc': invalid input \"abc\"; mend it"
    )
    assert str(bad_row(DATASET, 0, "why")) == "cannot load /seed/t.csv into public.t: why; mend the file"
    assert str(bad_row(DATASET, 0, "why", value="")).startswith("cannot load /seed/t.csv into public.t: value '': why")
    assert str(bad_row(Dataset("x.sql", "", "sql"), 3, "why")) == "cannot load x.sql: line 3: why; mend the file"
    assert "load standard input into t:" in str(bad_row(Dataset(STDIN, "t", "csv"), 3, "why"))


def test_a_value_is_cut_and_without_secrets() -> None:
    learn("known-secret-value")
    long = str(bad_row(DATASET, 1, "x" * 1000, column="c" * 500, value="v\n\x1b" * 500_000))
    assert len(long) < 450
    assert "\x1b" not in long
    assert "\n" not in long
    assert "known-secret" not in str(bad_row(DATASET, 1, "why", column="a", value="x" * 50 + "known-secret-value"))
    assert "value 'postgres://u:***@h/d'" in str(bad_row(DATASET, 1, "why", column="a", value="postgres://u:pw@h/d"))


def test_a_value_of_a_secret_column_is_not_shown() -> None:
    told = str(bad_row(DATASET, 1, 'value "hunter2" is too long', column="user_password", value="hunter2"))
    assert "column user_password, value '***': value \"***\" is too long" in told


def test_a_long_text_is_cut_and_keeps_its_end() -> None:
    assert cut("a\nb") == "a b"
    assert cut("x" * 100 + '"', 20) == "x" * 18 + "…" + "x"
    assert len(cut("x" * 1_000_000)) == 200
