"""One build shared by all who ask at the same moment. No I/O of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """While a build runs, those who ask wait for it; a build whose caller was cancelled passes to the next one."""

    def __init__(self) -> None:
        self._running: asyncio.Future[T] | None = None

    async def run(self, build: Callable[[], Awaitable[T]]) -> T:
        """Return the result, or raise the error, of the build under way or of a new one."""
        while self._running is not None:
            running = self._running
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                if not running.cancelled():
                    raise
            finally:
                del running  # its error's traceback holds this frame
        self._running = asyncio.get_running_loop().create_future()
        return await self._build(build, self._running)

    async def _build(self, build: Callable[[], Awaitable[T]], shared: "asyncio.Future[T]") -> T:
        try:
            result = await build()
        except asyncio.CancelledError:
            shared.cancel()
            raise
        except Exception as error:
            shared.set_exception(error)
            shared.exception()  # those who waited raise it too; without them it must not count as unheard
            raise
        else:
            shared.set_result(result)
            return result
        finally:
            self._running = None
            del shared
