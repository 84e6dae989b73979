"""Raises an error that quotes a secret at every boundary of a process that has our logs; run by a test."""

import asyncio
import gc
import logging
import sys
import threading

import asyncpg
import structlog

from server.log_scrubbing import log_of_loop
from server.logs import configure_logs

PLANTED = sys.argv[1]
LOGGERS = ("aiohttp.server", "websockets.server", "asyncio", "asyncpg", "redis", "chat.rooms", "commerce.service")


def fail() -> None:
    try:
        raise KeyError(PLANTED)
    except KeyError as error:
        raise asyncpg.UniqueViolationError(f"duplicate key\nDETAIL:  Key (login)=({PLANTED}) exists.") from error


async def fail_in_a_task() -> None:
    fail()


class FailsInRelease:
    def __del__(self) -> None:
        fail()


async def on_the_loop() -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_of_loop)
    asyncio.create_task(fail_in_a_task(), name="doomed")  # noqa: RUF006  # nobody asks for its outcome: that is the point
    loop.call_soon(lambda _: fail(), PLANTED)
    await asyncio.sleep(0.05)
    gc.collect()


def main() -> None:
    configure_logs("debug", readable=sys.argv[2] == "readable")
    for name in LOGGERS:
        try:
            fail()
        except asyncpg.PostgresError as error:
            logging.getLogger(name).exception("failed with %s", error)
            logging.getLogger(name).error(error)
            if not name.startswith(("chat", "commerce")):
                logging.getLogger(name).warning("of %s at %r and %d", PLANTED, {"name": PLANTED}, 7)
                logging.getLogger(name).error(f"failed: {error!r}", exc_info=error)
            structlog.get_logger("own").exception("own_failure", error=error, many=[error])
    asyncio.run(on_the_loop())
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    FailsInRelease()
    gc.collect()
    fail()


main()
