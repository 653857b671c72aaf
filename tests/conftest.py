"""For all tests: the gateway that the live ones try, and no test that quietly does not run."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("machine", deadline=None)
settings.load_profile("machine")
"""How long an example takes is the machine's business: a busy one fails nothing."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the comparison with Biboumi."""
    parser.addoption(
        "--gateway",
        choices=("xmppbridge", "biboumi"),
        default="xmppbridge",
        help="the gateway that the live tests drive",
    )


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and that counts as a failure here: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure: what cannot run here is no success."""
    report = yield
    _fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure too."""
    report = yield
    _fail_instead(report)
    return report
