"""Frames that wait for one viewer's socket, bounded by bytes. Pure."""

from collections import deque

from chat.shared_frame import MUST_ONLY, WHOLE, Form, SharedFrame


class Outbox:
    """A queue of shared frames; its overflow policy is *shed by class*, then *slow*: the caller ends the connection.

    Once something was shed, what is queued behind it is shed alike until the queue is empty. Frames are shared
    between viewers, so the bytes counted here are references rather than copies; the bound is what this viewer
    may still make the process write.
    """

    __slots__ = ("_frames", "_level", "_limit_bytes", "_window_bits", "shed_may", "shed_should", "size_bytes")

    def __init__(self, limit_bytes: int, window_bits: int = 0) -> None:
        self._frames: deque[tuple[SharedFrame, Form]] = deque()
        self._limit_bytes = limit_bytes
        self._window_bits = window_bits
        self._level = WHOLE
        self.size_bytes = 0
        self.shed_may = 0
        self.shed_should = 0

    def put(self, frame: SharedFrame) -> bool:
        """Queue a frame; False means that it does not fit however much is shed: the viewer is too slow."""
        form = frame.form(self._level, self._window_bits)
        self._count(form, 1)
        self._frames.append((frame, form))
        while self.size_bytes > self._limit_bytes:
            if self._level == MUST_ONLY:
                return False
            self._shed_more()
        return True

    def _shed_more(self) -> None:
        self._level += 1
        frames = [frame for frame, _ in self._frames]
        for _, form in self._frames:
            self._count(form, -1)
        self._frames.clear()
        for frame in frames:
            form = frame.form(self._level, self._window_bits)
            self._count(form, 1)
            self._frames.append((frame, form))

    def _count(self, form: Form, sign: int) -> None:
        self.size_bytes += sign * len(form.data)
        self.shed_may += sign * form.shed_may
        self.shed_should += sign * form.shed_should

    def take(self) -> bytes | None:
        """Take the oldest frame's bytes, which may be empty, or None."""
        if not self._frames:
            return None
        _, form = self._frames.popleft()
        self.size_bytes -= len(form.data)
        if not self._frames:
            self._level = WHOLE
        return form.data

    def clear(self) -> None:
        """Forget everything; the connection is ending."""
        self._frames.clear()
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._frames)
