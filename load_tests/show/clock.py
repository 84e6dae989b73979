"""The show's clock: a stream position for every moment since the show began to air. Reads the clock."""

import asyncio
import time
from typing import Final

from load_tests.barcode import TICK_MS, number_at


class ShowClock:
    """Positions count from the clock's making, which lies on a tick, so frames begin with their tick."""

    def __init__(self) -> None:
        self._start_unix_ms: Final = int(time.time() * 1000) // TICK_MS * TICK_MS
        # Steps of the wall clock must not stop the show, so from here on only the monotonic clock counts.
        self._start_monotonic: Final = time.monotonic() - (time.time() - self._start_unix_ms / 1000)

    def position_ms(self) -> float:
        """Return the stream position of this moment."""
        return (time.monotonic() - self._start_monotonic) * 1000

    def frame_number(self, position_ms: int) -> int:
        """Return the barcode's number for a position."""
        return number_at(self._start_unix_ms + position_ms)

    async def wait_for(self, position_ms: float) -> None:
        """Sleep until a position; return at once if it has passed."""
        await asyncio.sleep(max(0.0, (position_ms - self.position_ms()) / 1000))
