"""Seed steps in children that are killed at an instant of one's choice, and large files for them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fix_seed import Shop

RUN_STEP = Path(__file__).parent / "integration" / "seed" / "run_step.py"


class Ask(Protocol):
    """Have the step run in a child: to its end, or until it is killed after so many seconds."""

    def __call__(self, kill_after: float | None = None) -> dict[str, Any]: ...


class Runner(Protocol):
    """Makes a child that runs one step as often as it is asked."""

    def __call__(self, shop: Shop, **given: object) -> Ask: ...


@contextmanager
def _child(shop: Shop, given: dict[str, object]) -> Iterator[Ask]:
    step = json.dumps({"paths": [str(shop.folder)], "url": shop.sql.url, **given})
    places = os.pathsep.join([str(RUN_STEP.parents[2]), str(RUN_STEP.parents[3]), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, str(RUN_STEP), step],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": places},
    ) as child:
        assert child.stdin
        assert child.stdout
        stdin, stdout = child.stdin, child.stdout

        def ask(kill_after: float | None = None) -> dict[str, Any]:
            stdin.write("run\n" if kill_after is None else f"{kill_after}\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
            if "error" in answer:
                pytest.fail(answer["error"])
            return answer

        try:
            yield ask
        finally:
            stdin.close()


@pytest.fixture
def seed_runner() -> Iterator[Runner]:
    """Children are told to end when the test does."""
    with ExitStack() as children:

        def start(shop: Shop, **given: object) -> Ask:
            return children.enter_context(_child(shop, given))

        yield start


@pytest.fixture
def chance() -> random.Random:
    """Chance whose seed is shown where a test fails; INITKIT_TEST_SEED gives it."""
    seed = int(os.environ.get("INITKIT_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"INITKIT_TEST_SEED={seed}")  # noqa: T201 - pytest shows it
    return random.Random(seed)


def fill(shop: Shop, rows: int) -> None:
    """A file of customers, and one with an order of each."""
    customers = "".join(f"{number},customer {number},{number}@example.org\n" for number in range(rows))
    shop.write("customers.csv", "id,name,email\n" + customers)
    line = '{{"id": {0}, "customer_id": {0}, "item": "thing {0}", "price": {0}.50}}\n'
    shop.write("orders.ndjson", "".join(line.format(number) for number in range(rows)))


def instants(chance: random.Random, count: int, length: float) -> list[float]:
    """One in each of `count` equal parts of `length`, in any order, so that no part of a run is spared by chance."""
    found = [(number + chance.random()) / count * length for number in range(count)]
    chance.shuffle(found)
    return found


def each_until(kills: int, chance: random.Random, length: float, attempt: Callable[[float], bool]) -> None:
    """Call `attempt` with instants until so many of them came before a run's end."""
    left = kills
    while left > 0:
        left -= sum(map(attempt, instants(chance, left, length)))
