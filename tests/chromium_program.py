"""Which browser the tests drive: TEST_CHROMIUM, or the one that is installed. Looks along PATH, once."""

import os
import shutil

import pytest

CHROMIUM = os.environ.get("TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
