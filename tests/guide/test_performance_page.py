"""The tables of docs/performance.md are those of the benchmarks' results."""

from __future__ import annotations

from tests.benchmarks import page, results


def test_page_has_the_measured_results() -> None:
    measured, machine = results.read()
    text = page.PAGE.read_text("utf-8")
    assert page.filled(text, measured, machine) == text, "write it with page.write(*results.read())"
