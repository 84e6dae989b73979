"""Frames that wait for one viewer's socket, bounded by bytes. Pure."""

from collections import deque


class Outbox:
    """A queue of shared frames; its overflow policy is *slow*: the caller ends the connection.

    Frames are shared between viewers, so the bytes counted here are references rather than copies; the bound
    is what this viewer may still make the process write.
    """

    __slots__ = ("_frames", "_limit_bytes", "size_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._frames: deque[bytes] = deque()
        self._limit_bytes = limit_bytes
        self.size_bytes = 0

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False means it does not fit, nothing was queued and the viewer is too slow."""
        if self.size_bytes + len(frame) > self._limit_bytes:
            return False
        self._frames.append(frame)
        self.size_bytes += len(frame)
        return True

    def take(self) -> bytes | None:
        """Take the oldest frame, or None."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self.size_bytes -= len(frame)
        return frame

    def clear(self) -> None:
        """Forget everything; the connection is ending."""
        self._frames.clear()
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._frames)
