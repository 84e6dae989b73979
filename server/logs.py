"""Structured logs: JSON lines in production, short readable ones in a demo. Configures the process once."""

import logging
import sys
from collections import Counter
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from server.log_scrubbing import ForeignArguments, scrub, take_over_uncaught
from server.log_stream import UnfailingStream

lines: Counter[str] = Counter()
"""How many lines this process has logged, by level; for metrics."""

stream = UnfailingStream(sys.stderr)


def _count(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    lines[event["level"]] += 1
    return event


# What the packages say beside their text, as fields of their own; libraries' extras are objects, not for a log.
_FIELDS = ("fact_id", "kind")


def configure_logs(level: str, *, readable: bool) -> None:
    """Send everything, the libraries' warnings too, to standard error in one form, scrubbed of what is people's own."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _count,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, scrub, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", stream)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.addFilter(ForeignArguments())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(_FIELDS), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                scrub,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    take_over_uncaught()
