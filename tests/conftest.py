"""For all tests: the gateway that the live ones try, and no test that quietly does not run."""

from __future__ import annotations

from collections.abc import Generator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the comparison with Biboumi."""
    parser.addoption(
        "--gateway",
        choices=("xmppbridge", "biboumi"),
        default="xmppbridge",
        help="the gateway that the live tests drive",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure: what cannot run here is no success."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, and that counts as a failure here: {report.longrepr}"
    return report
