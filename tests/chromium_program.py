"""Which browser the tests drive: WEALTHCAST_TEST_CHROMIUM, or the one that is installed. Looks along PATH, once."""

import os
import shutil

import pytest

CHROMIUM = os.environ.get("WEALTHCAST_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
