"""Whatever stands in a seed.yaml, it is taken or refused in our words; there is never a traceback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from initkit.core.errors import PermanentError
from initkit.steps.seed import datasets
from initkit.steps.seed.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

KEYS = [
    "table",
    "format",
    "mode",
    "key",
    "prune",
    "on-change",
    "order",
    "nulls",
    "delimiter",
    "quote",
    "columns",
    "expand",
]
WORDS = ["", "a", "a.b", "once", "upsert", "replace", "csv", "sql", "yes", "fail", "1", ",", ";", "tab", "none", "a,b"]
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(WORDS) | st.text(max_size=3)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=3)
SAID = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)
FILES = st.dictionaries(
    st.sampled_from(["a.csv", "b.sql", "c.json", "*.csv", "[", "**", "", "x/y"]), SAID | VALUES, max_size=3
)
MANIFESTS = st.fixed_dictionaries({}, optional={"defaults": SAID | VALUES, "files": FILES | VALUES}) | VALUES


def test_a_manifest_is_taken_or_refused_in_our_words(tmp_path: Path) -> None:
    for name in ("a.csv", "b.sql", "c.json"):
        (tmp_path / name).touch()

    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(MANIFESTS)
    def check(manifest: object) -> None:
        (tmp_path / "seed.yaml").write_text(json.dumps(manifest))
        try:
            found = datasets.find([str(tmp_path)], Settings())
        except PermanentError:
            return
        assert [one.path.rpartition("/")[2] for one in found] == ["a.csv", "b.sql", "c.json"]
        assert all(one.mode == "once" for one in found if one.format == "sql")
        assert all(one.mode == "upsert" for one in found if one.prune)

    check()
