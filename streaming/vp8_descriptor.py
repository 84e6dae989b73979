"""The VP8 payload descriptor (RFC 7741 §4.2): its length, and the numbers that a change of layers rewrites. Pure."""

from __future__ import annotations

PICTURE_ID_MODULUS = 1 << 15
TL0_MODULUS = 1 << 8


def descriptor_bytes(payload: bytes) -> int:
    """The descriptor's length; 0 where it is cut short or nothing follows it."""
    if not payload:
        return 0
    position = 1
    if payload[0] & 0x80:
        if len(payload) < 2:
            return 0
        flags = payload[1]
        position = 2
        if flags & 0x80:
            position += 2 if len(payload) > 2 and payload[2] & 0x80 else 1
        position += bool(flags & 0x40) + bool(flags & 0x30)
    return position if position < len(payload) else 0


def begins_frame(payload: bytes) -> bool:
    """Say whether the packet is the first of its frame: the start of partition 0."""
    return bool(payload) and payload[0] & 0x17 == 0x10


def keyframe_size(payload: bytes) -> tuple[int, int] | None:
    """Width and height from the first packet of a keyframe (RFC 6386 §9.1); None where it does not hold them."""
    start = descriptor_bytes(payload)
    if not start or len(payload) < start + 10 or payload[start + 3 : start + 6] != b"\x9d\x01\x2a":
        return None
    width, height = (int.from_bytes(payload[start + at : start + at + 2], "little") & 0x3FFF for at in (6, 8))
    return width, height


class PictureIds:
    """Picture id and TL0PICIDX of one packet, and where they stand in its payload; an offset of 0 says: not there."""

    __slots__ = ("picture_id", "picture_id_at", "picture_id_bytes", "tl0", "tl0_at")

    def __init__(self, picture_id: int, picture_id_at: int, picture_id_bytes: int, tl0: int, tl0_at: int) -> None:
        self.picture_id = picture_id
        self.picture_id_at = picture_id_at
        self.picture_id_bytes = picture_id_bytes
        self.tl0 = tl0
        self.tl0_at = tl0_at

    def write(self, buffer: bytearray | memoryview, start: int, picture_id_delta: int, tl0_delta: int) -> None:
        """Rewrite both in a payload that begins at `start`; a 7-bit picture id stays one, modulo 2^7."""
        if self.picture_id_bytes:
            at, moved = start + self.picture_id_at, self.picture_id + picture_id_delta
            if self.picture_id_bytes == 1:
                buffer[at] = moved & 0x7F
            else:
                buffer[at] = 0x80 | (moved >> 8 & 0x7F)
                buffer[at + 1] = moved & 0xFF
        if self.tl0_at:
            buffer[start + self.tl0_at] = (self.tl0 + tl0_delta) & 0xFF


def picture_ids(payload: bytes) -> PictureIds | None:
    """Read them from a packet; None where it carries neither, or is cut short."""
    end = descriptor_bytes(payload)
    if not end or not payload[0] & 0x80 or not payload[1] & 0xC0:
        return None
    flags, position = payload[1], 2
    picture_id = picture_id_at = picture_id_bytes = tl0 = tl0_at = 0
    if flags & 0x80:
        picture_id_at, picture_id = position, payload[position] & 0x7F
        picture_id_bytes = 2 if payload[position] & 0x80 else 1
        if picture_id_bytes == 2:
            picture_id = picture_id << 8 | payload[position + 1]
        position += picture_id_bytes
    if flags & 0x40:
        tl0_at, tl0 = position, payload[position]
    return PictureIds(picture_id, picture_id_at, picture_id_bytes, tl0, tl0_at)
