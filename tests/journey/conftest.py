"""Folders for demos that the service user may enter even when the tests run as root."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def demo_dir() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="wc-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
