from __future__ import annotations

import gzip
import hashlib
import os
import threading
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from fix_clock import RecordingVoice, VirtualClock, make_context
from fix_content import TABLE

from initkit.core.errors import PermanentError, Stopped
from initkit.core.stop import Stop
from initkit.steps.seed.content import source
from initkit.steps.seed.content.content import Content
from initkit.steps.seed.dataset import STDIN, Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fix_content import SeedFile

    from initkit.steps.seed.dataset import Format

ROWS = "".join(f'{number},"x\n{number}"\n' if number % 3 == 0 else f"{number},y\n" for number in range(5000))


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What is written there is read from standard input."""
    heard, write = os.pipe()
    monkeypatch.setattr(source, "_STDIN", heard)
    yield write
    os.close(heard)


def _stdin(format_: Format = "csv", *, stop: Stop | None = None) -> Content:
    return Content(Dataset(STDIN, "t", format_), make_context(stop=stop))


def _write(end: int, content: bytes) -> None:
    with os.fdopen(end, "wb") as file:
        file.write(content)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_the_hash_is_of_the_decompressed_content(seed_file: SeedFile, suffix: str) -> None:
    plain = ("a,b\n" + ROWS).encode()
    expected = hashlib.sha256(plain).hexdigest()
    assert seed_file.content(plain, suffix).sha256() == expected
    read = seed_file.content(plain, suffix)
    assert sum(len(batch.rows) for batch in read.read(TABLE, complete=False).batches()) == 5000
    os.unlink(read.dataset.path)
    assert read.sha256() == expected, "the pass that read the rows has taken it"


def test_the_hash_is_taken_anew_where_no_pass_came_to_the_end(seed_file: SeedFile) -> None:
    plain = ("a,b\n" + ROWS * 4).encode()
    content = seed_file.content(plain)
    next(content.read(TABLE, complete=False).batches())
    assert content.sha256() == hashlib.sha256(plain).hexdigest()
    next(content.read(TABLE, complete=False).batches())
    content.place(TABLE, 1)
    assert content.sha256() == hashlib.sha256(plain).hexdigest()


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        ('{"a": 1}\n\n', "ndjson"),
        ('[{"a": 1}]\n\n', "json"),
        ("[]", "json"),
        ("- a: 1\n...\n\n", "yaml"),
        ("# nothing\n", "yaml"),
        ("a,b\n", "csv"),
    ],
)
def test_every_format_is_read_to_its_end(seed_file: SeedFile, content: str, suffix: str) -> None:
    found = seed_file.content(content, suffix)
    list(found.read(TABLE, complete=False).batches())
    os.unlink(found.dataset.path)
    assert found.sha256() == hashlib.sha256(content.encode()).hexdigest()


def test_sql_is_read_to_its_end(seed_file: SeedFile) -> None:
    found = seed_file.content("select 1; -- x\n", "sql")
    assert len(list(found.statements("postgres"))) == 1
    os.unlink(found.dataset.path)
    assert found.sha256() == hashlib.sha256(b"select 1; -- x\n").hexdigest()


@pytest.mark.parametrize("suffix", ["csv", "ndjson", "json", "yaml"])
def test_a_batch_of_large_rows_is_short(seed_file: SeedFile, suffix: str) -> None:
    row = '{"a": "' + "x" * 300_000 + '"}'
    text = "a\n" + ("x" * 300_000 + "\n") * 20 if suffix == "csv" else "\n".join([row] * 20)
    content = text if suffix in {"csv", "ndjson"} else "[" + text.replace("\n", ",\n") + "]"
    batches = seed_file.batches(content, suffix)
    assert sum(len(batch.rows) for batch in batches) == 20
    assert max(len(batch.rows) for batch in batches) <= 5


def test_the_blocks_for_copy_give_the_hash_of_the_file(seed_file: SeedFile) -> None:
    plain = ("a,b\r\n" + ROWS).encode() + b"\n\n"
    content = seed_file.content(plain)
    found = content.read(TABLE, complete=False).plain()
    assert found is not None
    assert sum(count for _, count in found.blocks) == 5000
    os.unlink(content.dataset.path)
    assert content.sha256() == hashlib.sha256(plain).hexdigest()


def test_gzip_of_several_members_is_read_to_its_end(seed_file: SeedFile) -> None:
    members = gzip.compress(b"a,b\n1,") + gzip.compress(b"") + gzip.compress(b"2\n") + b"\0\0"
    assert seed_file.values(members, "csv.gz") == [["1", "2"]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (gzip.compress(("a,b\n" + ROWS).encode())[:-3000], "it ends before its end: it was cut off; compress it again"),
        (gzip.compress(b"a,b\n1,2\n")[:-1], "it ends before its end: it was cut off; compress it again"),
        (gzip.compress(b"a,b\n1,2\n")[:-5] + b"12345", "it is damaged: CRC check failed"),
        (gzip.compress(b"a,b\n1,2\n")[:10] + b"\x07" * 30, "it is damaged: "),
        (gzip.compress(b"a,b\n1,2\n") + b"a,b\n", "what follows the compressed content is not gzip"),
        (gzip.compress(("a,b\n" + ROWS * 9).encode()) + b"a,b\n", "what follows the compressed content is not gzip"),
    ],
)
def test_damaged_gzip_is_told(seed_file: SeedFile, content: bytes, expected: str) -> None:
    assert seed_file.refusal(content, "csv.gz").startswith(expected)


def test_what_is_not_gzip_is_told(seed_file: SeedFile) -> None:
    content = seed_file.content("a,b\n", "csv.gz")
    with open(content.dataset.path, "wb") as file:
        file.write(b"a,b\n1,2\n")
    with pytest.raises(PermanentError, match=r"into t: it is not gzip; compress it again"):
        content.read(TABLE, complete=False)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    content = Content(Dataset(str(tmp_path / "t.csv"), "t", "csv"), make_context())
    assert content.repeatable
    with pytest.raises(PermanentError, match=r"cannot read .*/t.csv: No such file or directory; make it readable"):
        content.read(TABLE, complete=False)


@pytest.mark.parametrize("suffix", ["csv", "ndjson", "json", "yaml"])
def test_a_row_is_found_again_by_its_number(seed_file: SeedFile, suffix: str) -> None:
    lines = [f'{{"a": {number}, "b": null}}' for number in range(3000)]
    content = {
        "csv": "a,b\n" + "".join(f"{number},\n" for number in range(3000)),
        "ndjson": "\n" + "\n".join(lines),
        "json": "[\n" + ",\n".join(lines) + "]",
        "yaml": "[\n" + ",\n".join(lines) + "]",
    }[suffix]
    found = seed_file.content(content, suffix)
    for number in (1, 2, 1000, 1001, 3000):
        assert found.place(TABLE, number) == (number + 1, {"a": str(number - 1), "b": None})
    assert found.place(TABLE, 3001) == (0, {})


def test_standard_input_is_read_once(stdin: int) -> None:
    writer = threading.Thread(target=_write, args=(stdin, ("a,b\n" + ROWS).encode()))
    writer.start()
    content = _stdin()
    assert not content.repeatable
    reading = content.read(TABLE, complete=False)
    assert reading.plain() is None
    rows = [row for batch in reading.batches() for row in batch.rows]
    writer.join()
    assert [row[0] for row in rows] == [str(number) for number in range(5000)]
    assert content.sha256() == hashlib.sha256(("a,b\n" + ROWS).encode()).hexdigest()
    with pytest.raises(PermanentError, match="load standard input into t: it was read already, and cannot be read aga"):
        content.read(TABLE, complete=False)


def test_lines_of_standard_input_are_remembered(stdin: int, seed_file: SeedFile) -> None:
    text = "a,b\n" + ROWS + "x,y\n\n\nx,y\n"
    writer = threading.Thread(target=_write, args=(stdin, text.encode()))
    writer.start()
    content = _stdin()
    reading = content.read(TABLE, complete=False)
    total = sum(len(batch.rows) for batch in reading.batches())
    writer.join()
    expected = seed_file.lines(text)
    assert [content.place(TABLE, number) for number in range(1, total + 1)] == [(line, {}) for line in expected]
    assert content.place(TABLE, total + 1) == (0, {})


def test_compressed_standard_input_is_known_by_its_first_bytes(stdin: int) -> None:
    _write(stdin, gzip.compress(b'{"a": 1}\n'))
    batches = list(_stdin("ndjson").read(TABLE, complete=False).batches())
    assert [row[0] for batch in batches for row in batch.rows] == ["1"]


def test_silence_on_standard_input_ends_when_the_end_is_asked_for(stdin: int) -> None:
    stop = Stop()
    content = _stdin(stop=stop)
    threading.Timer(0.05, stop.request, [15]).start()
    with pytest.raises(Stopped):
        content.read(TABLE, complete=False)
    os.close(stdin)


def test_reading_ends_when_the_end_is_asked_for(seed_file: SeedFile) -> None:
    stop = Stop()
    content = Content(seed_file.dataset("a,b\n" + ROWS * 10), make_context(stop=stop))
    batches = content.read(TABLE, complete=False).batches()
    next(batches)
    stop.request(15)
    with pytest.raises(Stopped):
        list(batches)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_progress_is_told_five_times_a_second(
    seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(source, "BLOCK", 2000)
    clock, voice = VirtualClock(), RecordingVoice()
    dataset = seed_file.dataset("a,b\n" + "1,2\n" * 100_000, suffix)
    content = Content(dataset, make_context(clock=clock, voice=voice))
    for _ in content.read(TABLE, complete=False).batches():
        clock.advance(0.01)
    names, texts, shares = zip(*voice.progressed, strict=True)
    assert 5 <= len(texts) <= 15
    assert set(names) == {dataset.name}
    assert texts[0].startswith("10499 rows, 0 MB, 49995 rows/s")
    assert texts[-1] == "100000 rows, 0 MB read; the database merges them"
    assert list(shares) == sorted(shares)
    assert shares[-1] == 1.0
    if suffix == "csv":
        assert 0.05 < shares[0] < 0.2
    assert voice.dones == []
    content.finished()
    assert voice.dones == [dataset.name]


def test_how_much_there_is_of_standard_input_is_not_known(stdin: int) -> None:
    voice = RecordingVoice()
    _write(stdin, b"a,b\n1,2\n")
    content = Content(Dataset(STDIN, "t", "csv"), make_context(voice=voice))
    list(content.read(TABLE, complete=False).batches())
    assert voice.progressed == [("stdin", "1 row, 0 MB read; the database merges them", None)]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "ndjson", "json", "yaml", "sql"])
def test_memory_does_not_grow_with_the_file(seed_file: SeedFile, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    kind = suffix.removesuffix(".gz")
    begin, row, end = {
        "csv": ("a,b\n", '1,"x ""y"" z"\n', ""),
        "ndjson": ("", '{"a": 1, "b": "x \\"y\\" z"}\n', ""),
        "json": ('[{"a": 1}', ',{"a": 1, "b": "x y z"}\n', "]"),
        "yaml": ("# rows\n", '- {a: 1, b: "x y z"}\n', ""),
        "sql": ("-- rows\n", "insert into t values (1, 'x; y'); -- done\n", ""),
    }[kind]

    def peak(count: int) -> int:
        content = seed_file.content(begin + row * count + end, suffix)
        tracemalloc.start()
        try:
            if kind == "sql":
                assert sum(1 for _ in content.statements("postgres")) == count
            else:
                assert sum(len(batch.rows) for batch in content.read(TABLE, complete=False).batches()) >= count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    monkeypatch.setattr(source, "BLOCK", 10_000)
    count = 100_000 // len(row)
    peak(count)  # what is imported now is no business of the others
    assert peak(count * 3) < peak(count) * 1.2 + 100_000
