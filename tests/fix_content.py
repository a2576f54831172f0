"""A dataset of one file, and what is read of it."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fix_clock import RecordingVoice, make_context

from initkit.core.errors import PermanentError
from initkit.steps.seed.content.content import Content
from initkit.steps.seed.dataset import Dataset, Form
from initkit.steps.seed.tables import Column, Table

if TYPE_CHECKING:
    from pathlib import Path

    from initkit.core.step import Context
    from initkit.steps.seed.content.reading import Batch

FORMATS = {"csv": "csv", "tsv": "csv", "ndjson": "ndjson", "json": "json", "yaml": "yaml", "sql": "sql"}
TABLE = Table(
    "t",
    "t",
    {
        "a": Column("a", "text"),
        "b": Column("b", "text"),
        "n": Column("n", "integer", has_default=True),
        "j": Column("j", "json", shape="json"),
        "l": Column("l", "text[]", shape="array"),
        "g": Column("g", "text", generated=True),
        "password": Column("password", "text"),
    },
)
REQUIRED = Table("t", "t", {"a": Column("a", "text", required=True), "b": Column("b", "text")})

# an object of JSON, and the text that it becomes
JSON_VALUES = [
    ('{"a": "x"}', {"a": "x"}),
    ('{"a": null, "n": 1}', {"a": None, "n": "1"}),
    ('{"a": 1.10, "b": 1e400}', {"a": "1.10", "b": "1e400"}),
    ('{"a": 12345678901234567890, "b": -0.0}', {"a": "12345678901234567890", "b": "-0.0"}),
    ('{"a": true, "b": false}', {"a": "true", "b": "false"}),
    ('{"a": {"k": [1.0, "ü", null, true, {}]}}', {"a": '{"k": [1.0, "ü", null, true, {}]}'}),
    ('{"j": "x", "l": ["y", null, 1.10, [true]]}', {"j": '"x"', "l": '{"y",NULL,"1.10",{"true"}}'}),
    ('{"j": null, "l": "{y}"}', {"j": None, "l": "{y}"}),
    ('{"j": 1.10, "n": null}', {"j": "1.10", "n": None}),
    ('  {"a": "\\ud83d\\ude00"}  \r', {"a": "😀"}),
    ('{"j": "\\u0000"}', {"j": '"\\u0000"'}),
    ('{"a" : "\\": {", "b":"{}"}', {"a": '": {', "b": "{}"}),
    (f'{{"n": {"9" * 5000}}}', {"n": "9" * 5000}),
    ('{"a":""}', {"a": ""}),
]


@dataclass
class SeedFile:
    """A file that is written and read."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    voice: RecordingVoice = field(default_factory=RecordingVoice)

    @property
    def context(self) -> Context:
        return make_context(environ=self.environ, voice=self.voice)

    def dataset(self, content: str | bytes, suffix: str = "csv", **form: Any) -> Dataset:
        path = self.folder / f"t.{suffix}"
        plain = content.encode() if isinstance(content, str) else content
        is_zipped = suffix.endswith(".gz")
        path.write_bytes(gzip.compress(plain) if is_zipped and not plain.startswith(b"\x1f\x8b") else plain)
        kind = FORMATS[suffix.removesuffix(".gz")]
        table = "" if kind == "sql" else "t"
        return Dataset(str(path), table, kind, compressed=is_zipped, form=Form(**form))  # type: ignore[arg-type]

    def content(self, content: str | bytes, suffix: str = "csv", **form: Any) -> Content:
        return Content(self.dataset(content, suffix, **form), self.context)

    def batches(self, content: str | bytes, suffix: str = "csv", **form: Any) -> list[Batch]:
        return list(self.content(content, suffix, **form).read(TABLE, complete=False).batches())

    def rows(self, content: str | bytes, suffix: str = "csv", **form: Any) -> list[dict[str, str | None]]:
        """Each row's columns that it says something about."""
        reading = self.content(content, suffix, **form).read(TABLE, complete=False)
        return [
            {name: value for name, value in zip(reading.columns, row, strict=True) if name in batch.given}
            for batch in reading.batches()
            for row in batch.rows
        ]

    def values(self, content: str | bytes, suffix: str = "csv", **form: Any) -> list[list[str | None]]:
        return [list(row.values()) for row in self.rows(content, suffix, **form)]

    def lines(self, content: str | bytes, suffix: str = "csv", **form: Any) -> list[int]:
        return [line for batch in self.batches(content, suffix, **form) for line in batch.lines]

    def refusal(self, content: str | bytes, suffix: str = "csv", **form: Any) -> str:
        with pytest.raises(PermanentError) as caught:
            self.rows(content, suffix, **form)
        return str(caught.value).removeprefix(f"cannot load {self.folder}/t.{suffix} into t: ")

    def plain(self, content: str | bytes, suffix: str = "csv", **form: Any) -> bytes | None:
        """What COPY would be given."""
        found = self.content(content, suffix, **form).read(TABLE, complete=False).plain()
        return b"".join(block for block, _ in found.blocks) if found else None


@pytest.fixture
def seed_file(tmp_path: Path) -> SeedFile:
    return SeedFile(tmp_path)
