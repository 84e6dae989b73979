"""Imports without packages that libraries load only because they find them, and that a server never uses.

structlog would load rich (and pygments), redis the OpenTelemetry SDK (and psutil): a fifth of what starting costs.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

NOT_FOR_SERVERS = ("rich", "opentelemetry")


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Have these look as if they were not installed to what is imported in the block; they can be imported after it."""
    names = [name for name in packages if name not in sys.modules]
    for name in names:
        sys.modules[name] = None  # type: ignore[assignment]  # the documented way to make an import fail
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
