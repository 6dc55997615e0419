"""What concerns all tests: no function asks for what its role does not allow, and figures are told at the end."""

import sys
from collections.abc import Callable, Iterator

import pytest
from _pytest import runner


def _with_room(run: Callable[[], object]) -> object:
    return run()


_with_room.__code__ = _with_room.__code__.replace(co_stacksize=40 * 1024)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> object:
    """As pytest's own, in a frame that is said to be large.

    Python 3.11 and later keep frames in pieces of 16 KB, which are mapped when calls get that deep and unmapped when
    they come back: below pytest, Hypothesis, Chalice and botocore, a loop that stands on the edge of one did so a
    hundred times a request, a fifth of all CPU. A piece that begins with a large frame is large.
    """
    return _with_room(lambda: runner.pytest_runtest_protocol(item, nextitem))


@pytest.fixture(autouse=True)
def _roles_suffice() -> Iterator[None]:
    """Whatever a test lets a function do on the emulated AWS, the function's role allows."""
    yield
    roles = sys.modules.get("tests.roles")  # which tests without AWS need not load
    refused = [] if roles is None else roles.refused()
    told = [
        f"{function}: {need.action} on {need.resource} {need.partition or ''}" for function, need in refused
    ]
    assert not told, f"infra/roles does not allow {'; '.join(sorted(set(told)))}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first, or one worker ends with them alone while the others rest."""
    items.sort(key=lambda item: item.path.name != "test_crash_matrix.py")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print, from whatever process measured them, what tests have recorded with `record_property("figure", …)`."""
    figures = {
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "figure"
    }
    for figure in sorted(figures):
        terminalreporter.write_line(figure)
