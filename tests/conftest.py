"""Figures that tests measure, told at the end of the run, from whatever process measured them."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have recorded with `record_property("figure", …)`."""
    figures = {
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "figure"
    }
    for figure in sorted(figures):
        terminalreporter.write_line(figure)
