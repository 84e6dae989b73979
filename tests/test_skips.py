"""Where CI says that nothing is missing, a skipped test fails."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SKIPPING = """
import pytest
def test_without_browser():
    pytest.skip("no chromium on this machine")
def test_on_a_busy_machine():
    pytest.skip("the machine is too busy to encode")
@pytest.mark.xfail
def test_known():
    assert False
"""


@pytest.mark.parametrize(("may_skip", "failed"), [(None, 0), ("too busy|IPv6", 1), (".", 0)])
def test_only_what_may_be_skipped_is(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, may_skip: str | None, failed: int
) -> None:
    monkeypatch.delenv("TEST_MAY_SKIP", raising=False)
    if may_skip is not None:
        monkeypatch.setenv("TEST_MAY_SKIP", may_skip)
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1]))
    pytester.makepyfile(SKIPPING)
    pytester.makeconftest('pytest_plugins = ["tests.skips"]')
    outcome = pytester.runpytest_inprocess("-p", "no:playwright", "-o", "asyncio_default_fixture_loop_scope=function")
    outcome.assert_outcomes(failed=failed, skipped=2 - failed, xfailed=1)
    if failed:
        outcome.stdout.fnmatch_lines(["*all it needs should be here: Skipped: no chromium*"])
