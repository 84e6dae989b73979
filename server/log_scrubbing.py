"""Keeps what is people's own out of logs: texts of errors, arguments of libraries' messages, secrets and numbers.

An error's text may quote anything (a row of the database, a parameter, a line of a request), so none is ever written: a
trace has the places, the kinds of errors, and of Postgres' errors their code and the names of table and constraint.
The rest is a second net for what was put into a message by mistake. No I/O of its own.
"""

import asyncio
import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping
from typing import Any

import asyncpg
import structlog

from chat.personal_data import mask

_OURS = ("server", "chat", "streaming", "commerce")
_SECRETS = re.compile(
    r"eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"  # JWTs
    r"|\bwce_[\w-]+"  # encoder tokens
    r"|(?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    r"|(?i:\b(?:password|passwd|secret|token|api_key)[\"']?\s*[=:]\s*)\S+"
    r"|(?<=://)[^/@\s]+@"  # user and password in a URL
    r"|\bKey \([^)]*\)=\([^)]*\)"  # Postgres' DETAIL
    r"|\bDETAIL:.*"
)
_GONE = "[…]"
log = structlog.get_logger("program")


def trace_of(error: BaseException) -> str:
    """Write the chain of errors, oldest first, without a word of what they say."""
    lines: list[str] = []
    for one in reversed(_chain(error)):
        # Not extract_tb, which reads every file that an error passed through, and keeps them.
        for frame, line in traceback.walk_tb(one.__traceback__):
            lines.append(f"  {frame.f_code.co_filename}:{line} {frame.f_code.co_name}")
        lines.append(_kind(one))
        if isinstance(one, BaseExceptionGroup):
            lines += [f"  | {line}" for inner in one.exceptions for line in trace_of(inner).splitlines()]
    return "\n".join(lines)


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found and len(found) < 10:
        found.append(following)
        before = None if following.__suppress_context__ else following.__context__
        following = following.__cause__ or before
    return found


def _kind(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, asyncpg.PostgresError):
        told = (getattr(error, part, None) for part in ("sqlstate", "table_name", "constraint_name"))
        name += f" ({', '.join(str(part) for part in told if part)})"
    elif isinstance(error, OSError) and error.errno is not None:
        name += f" (errno {error.errno})"
    return name


def scrub(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last processor before the renderer: errors become traces without texts, all other texts are gone through."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    for name, value in list(event.items()):
        if name != "timestamp":  # whose digits could pass for a card's
            event[name] = _clean(value)
    if isinstance(error, BaseException):
        event["exception"] = trace_of(error)
    return event


def _clean(value: Any) -> Any:
    match value:
        case bool() | int() | float() | None:
            return value
        case BaseException():
            return _kind(value)
        case dict():
            return {str(name): _clean(inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(inner) for inner in value]
        case _:
            return mask(_SECRETS.sub(_GONE, str(value))).text


class ForeignArguments(logging.Filter):
    """Libraries' messages keep their words and lose what was put in, but for numbers; ours lose errors' texts."""

    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.name.partition(".")[0] in _OURS
        if isinstance(record.msg, BaseException):
            record.msg, record.args = _kind(record.msg), ()
        if isinstance(record.args, tuple):
            record.args = tuple(_argument(one, ours=ours) for one in record.args)
        elif record.args:
            record.args = {name: _argument(one, ours=ours) for name, one in record.args.items()}
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None and not ours:
            # Some put the error's text into the message too.
            for text in (str(error), repr(error)):
                record.msg = str(record.msg).replace(text, type(error).__name__) if len(text) > 2 else record.msg
        return True


def _argument(value: object, *, ours: bool) -> Any:
    if isinstance(value, BaseException):
        return _kind(value)
    return value if ours or isinstance(value, int | float) else type(value).__name__


def take_over_uncaught() -> None:
    """Have what nobody caught (in the main thread, in others, while objects are let go of) logged in this form."""

    def uncaught(kind: type[BaseException], error: BaseException, place: Any) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("uncaught", exc_info=error)

    sys.excepthook = uncaught
    threading.excepthook = lambda given: log.critical("uncaught_in_thread", exc_info=given.exc_value)
    sys.unraisablehook = lambda given: log.error("uncaught_in_release", exc_info=given.exc_value)


def log_of_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler: asyncio's own quotes errors and arguments."""
    error = context.get("exception")
    what = str(context.get("message", "")).partition("(")[0].partition("<")[0][:80]
    work = context.get("task") or context.get("future")
    name = work.get_name() if isinstance(work, asyncio.Task) else None
    log.error("loop_error", what=what, task=name, exc_info=error)
