"""Fifty pods start at once on a fresh database: all of them succeed, and each revision is applied once."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from fix_migrations import EngineName, Pod, chain, left_after, problems, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REPLICAS = 50
PATIENCE = 240.0  # seconds: fifty interpreters on a small machine


def applied(output: str) -> list[str]:
    """What the summary in JSON says."""
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    summary = next(event for event in reversed(events) if event["event"] == "summary")
    return [one["revision"] for one in summary.get("facts", {}).get("applied", ())]


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE + 60)
@pytest.mark.parametrize("engine", ["alembic", "sql"])
def test_fifty_at_once_all_succeed_and_apply_each_revision_once(
    postgres_url: str, tmp_path: Path, pod: Callable[..., Pod], engine: EngineName
) -> None:
    links = chain(6, alone_every=3 + 1)
    assert sum(link.alone for link in links) == 1
    folder = write(tmp_path / "migrations", links, engine)
    pods = [pod(folder, postgres_url, "--log-format", "json", host=f"shop-{number}") for number in range(REPLICAS)]
    codes = [one.child.wait(PATIENCE) for one in pods]
    assert Counter(codes) == {0: REPLICAS}, next(one.output for one, code in zip(pods, codes, strict=True) if code)
    assert problems(postgres_url, links, engine) == []
    told = Counter(name for one in pods for name in applied(one.output))
    assert len(told) == len(links)
    assert set(told.values()) == {1}
    assert left_after(postgres_url) == []
