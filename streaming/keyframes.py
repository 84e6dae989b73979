"""Where a keyframe begins in VP8 (RFC 7741) and H264 (RFC 6184), and when to ask for one. Pure; no I/O."""

from __future__ import annotations

from streaming.vp8_descriptor import begins_frame, descriptor_bytes

_NAL_IDR, _NAL_SPS, _STAP_A, _FU_A = 5, 7, 24, 28


def starts_keyframe(codec: str, payload: bytes) -> bool:
    """Say whether a viewer can begin at this packet; False for codecs other than VP8 and H264."""
    if codec == "VP8":
        return _vp8_starts_keyframe(payload)
    if codec == "H264":
        return _h264_starts_keyframe(payload)
    return False


def _vp8_starts_keyframe(payload: bytes) -> bool:
    """RFC 7741 §4.3: the start of a frame, and the inverse-keyframe bit P of the VP8 header is 0."""
    if not begins_frame(payload):
        return False
    start = descriptor_bytes(payload)
    return bool(start) and not payload[start] & 0x01


def _h264_starts_keyframe(payload: bytes) -> bool:
    """A parameter set, alone or aggregated, or the first fragment of an IDR slice."""
    if not payload:
        return False
    kind = payload[0] & 0x1F
    if kind == _STAP_A:
        return any(nal in (_NAL_SPS, _NAL_IDR) for nal in _aggregated_kinds(payload))
    if kind == _FU_A:
        return len(payload) > 1 and bool(payload[1] & 0x80) and payload[1] & 0x1F in (_NAL_SPS, _NAL_IDR)
    return kind in (_NAL_SPS, _NAL_IDR)


def _aggregated_kinds(payload: bytes) -> list[int]:
    kinds, position = [], 1
    while position + 2 < len(payload):
        size = (payload[position] << 8) | payload[position + 1]
        kinds.append(payload[position + 2] & 0x1F)
        position += 2 + size
    return kinds


class KeyframeRequests:
    """Merges all viewers' wishes for a keyframe into at most one request upstream an interval, whatever the layers.

    A wish that comes too early is kept and is due when the interval is over, unless a keyframe came meanwhile. Layers
    are named by number, None is a publisher without any.
    """

    __slots__ = ("_asked_s", "_interval_s", "_wanted", "sent")

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._asked_s: float | None = None
        self._wanted: set[int | None] = set()
        self.sent = 0

    def want(self, layer: int | None = None) -> None:
        """Note that somebody needs a keyframe."""
        self._wanted.add(layer)

    def due(self, now_s: float) -> tuple[int | None, ...]:
        """Give once the layers to send a request for now, none while it is too early; the caller then sends it."""
        if not self._wanted or (self._asked_s is not None and now_s - self._asked_s < self._interval_s):
            return ()
        due = tuple(self._wanted)
        self._wanted.clear()
        self._asked_s = now_s
        self.sent += 1
        return due

    def keyframe_arrived(self, layer: int | None = None) -> None:
        """Forget wishes that this keyframe fulfils; one for every layer is fulfilled by the first that comes."""
        self._wanted -= {layer, None}

    def publisher_changed(self) -> None:
        """Ask a new publisher at once: the throttle was for the old one."""
        self._asked_s = None
        self._wanted = {None} if self._wanted else set()
