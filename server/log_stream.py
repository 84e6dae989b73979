"""Where a process's log goes: standard error, whose trouble never becomes that of who logs. Does I/O."""

from io import TextIOBase
from typing import TextIO


class UnfailingStream(TextIOBase):
    """A stream whose lines are gone, and counted in `lost`, when its disk is full or its reader has left.

    An installation ended with all its processes when the disk of its log was full: each log line raised where it was
    logged. What is written is handed on with the next `flush`.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: list[str] = []
        self.lost = 0

    def write(self, text: str) -> int:
        """Take a piece; never raises."""
        self._waiting.append(text)
        return len(text)

    def flush(self) -> None:
        """Write what was taken; never raises."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self._stream.write("".join(waiting))
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self.lost += 1
