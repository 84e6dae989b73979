"""The native module under test: the usual build, or the sanitizers' under `./run check --sanitize`."""

from __future__ import annotations

import os

import pytest

from streaming.native.build import PACKET_WRITER
from streaming.native.extension import Binding, NativeUnavailable

SANITIZED = "WEALTHCAST_TEST_SANITIZED"


def native_binding() -> Binding:
    """Load it; skips the test where it was not built, but never under the sanitizers."""
    sanitized = os.environ.get(SANITIZED) == "1"
    try:
        return PACKET_WRITER.load(sanitize=sanitized)
    except NativeUnavailable as error:
        if sanitized:
            raise
        pytest.skip(f"native packet writer: {error}")
