"""The text format of Prometheus, as its parsers read it."""

from __future__ import annotations

from initkit.serve.metrics import Metric, Sample, exposition, single


def test_a_metric_has_its_help_its_type_and_a_line_for_each_sample() -> None:
    metric = Metric("m_seconds", "summary", "How long.", (Sample(0.25, {}, "_sum"), Sample(3, {}, "_count")))
    assert exposition([metric, single("n_total", "counter", "How often.", 0)]).decode() == (
        "# HELP m_seconds How long.\n# TYPE m_seconds summary\nm_seconds_sum 0.25\nm_seconds_count 3\n"
        "# HELP n_total How often.\n# TYPE n_total counter\nn_total 0\n"
    )


def test_what_would_end_a_label_or_a_help_is_escaped() -> None:
    metric = Metric("m", "gauge", "a\\b\nc", (Sample(1, {"a": 'x"y\\z\n', "b": ""}),))
    assert exposition([metric]).decode() == ('# HELP m a\\\\b\\nc\n# TYPE m gauge\nm{a="x\\"y\\\\z\\n",b=""} 1\n')


def test_a_time_is_written_in_full() -> None:
    assert exposition([single("m", "gauge", "x", 1795415544.6634698)]).endswith(b"\nm 1795415544.6634698\n")
    assert exposition([single("m", "gauge", "x", 1795415544.0)]).endswith(b"\nm 1795415544\n")


def test_a_name_that_is_not_utf_8_does_not_spoil_the_scrape() -> None:
    assert b'{a="x?"}' in exposition([Metric("m", "gauge", "x", (Sample(1, {"a": "x\udcff"}),))])
