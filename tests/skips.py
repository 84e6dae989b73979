"""Skips where nothing should be missing: with TEST_MAY_SKIP they fail. A plugin of pytest, no I/O."""

import os
import re
from collections.abc import Generator

import pytest

MAY_SKIP = "TEST_MAY_SKIP"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure unless its reason matches the pattern in the variable; without it nothing changes."""
    report = yield
    allowed = os.environ.get(MAY_SKIP)
    if allowed is None or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not re.search(allowed, reason):
        report.outcome = "failed"
        report.longrepr = f"skipped though all it needs should be here: {reason}"
    return report
