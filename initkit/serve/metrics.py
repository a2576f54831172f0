"""The Prometheus text format, version 0.0.4; which metrics there are is known to whoever has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from initkit.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Sample(Record):
    """One line of a metric.

    Attributes:
        suffix: what the metric's name is followed by, such as ``_sum``; empty for most.
    """

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


class Metric(Record):
    """A metric with all its samples.

    Attributes:
        name: of letters, digits and underscores.
        type: what it can be used for.
        help: what it counts, and in which unit.
    """

    name: str
    type: Literal["counter", "gauge", "summary"]
    help: str
    samples: tuple[Sample, ...]


def single(name: str, kind: Literal["counter", "gauge"], help_: str, value: float) -> Metric:
    """A metric without labels."""
    return Metric(name, kind, help_, (Sample(value, {}),))


def exposition(metrics: Iterable[Metric]) -> bytes:
    """All of them as a scrape is answered."""
    return "".join(map(_text, metrics)).encode("utf-8", "replace")  # there is no other escape in it


def _text(metric: Metric) -> str:
    help_ = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    lines = [f"# HELP {metric.name} {help_}", f"# TYPE {metric.name} {metric.type}"]
    lines += [f"{metric.name}{one.suffix}{_labels(one.labels)} {_number(one.value)}" for one in metric.samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    """Whole numbers without an exponent: they are read by people too."""
    return str(int(value)) if value == int(value) else repr(value)
