"""Builds WebSocket frames once, to be written to many connections. Pure."""

import struct

_FIN_TEXT = 0x81


def text_frame(payload: bytes) -> bytes:
    """Build an unmasked, unfragmented text frame of a server (RFC 6455 section 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((_FIN_TEXT, length)) + payload
    if length < 65_536:
        return struct.pack("!BBH", _FIN_TEXT, 126, length) + payload
    return struct.pack("!BBQ", _FIN_TEXT, 127, length) + payload
