"""The examples of docs/seed.md are read by what they are for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from initkit.core.options import options_of
from initkit.engine import plan
from initkit.steps.seed import datasets
from initkit.steps.seed.settings import FileSettings, Settings
from initkit.steps.seed.step import Seed

if TYPE_CHECKING:
    import pytest

PAGE = (Path(__file__).parents[2] / "docs/seed.md").read_text()
MANIFEST, PLAN = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_manifest_of_the_page_has_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "seed.yaml").write_text(MANIFEST)
    for name in ("countries.csv", "prices.csv", "roles.sql", "secrets.yaml", "notes.tsv"):
        (tmp_path / name).touch()
    found = {one.path.rpartition("/")[2]: one for one in datasets.find([str(tmp_path)], Settings())}
    assert {name: one.mode for name, one in found.items() if one.mode != "upsert"} == {"roles.sql": "once"}
    assert (found["countries.csv"].table, found["notes.tsv"].order) == ("geo.countries", 10)


def test_the_plan_of_the_page_has_no_mistake() -> None:
    (entry,) = plan.parse(PLAN, "seed.md", {"DATABASE_URL": "sqlite:////x"})
    assert isinstance(entry.step, Seed)
    assert [rule.file for rule in entry.step.files] == ["prod/*.csv", "countries.csv"]


def test_the_page_names_every_setting_and_mode() -> None:
    (listed,) = re.findall(r"The keys are (.*?)\. All", PAGE, re.DOTALL)
    assert re.findall(r"`([\w-]+)`", listed) == _sorted_as(listed, [option.key for option in options_of(FileSettings)])
    (mode,) = (option for option in options_of(Settings) if option.key == "mode")
    assert re.findall(
        r"^\| `([\w-]+)`(?: \(default\))? \| .* \| inserted \|", PAGE, re.MULTILINE
    ) == mode.metavar.split("|")


def _sorted_as(text: str, words: list[str]) -> list[str]:
    return sorted(words, key=lambda word: text.index(f"`{word}`"))


def test_the_commands_of_the_page_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////x")
    for option in (
        "--env",
        "--on-change",
        "--key",
        "--prune",
        "--nulls",
        "--delimiter",
        "--columns",
        "--table",
        "--format",
    ):
        assert option in PAGE
        assert option.removeprefix("--") in {one.key for one in options_of(Seed)}
