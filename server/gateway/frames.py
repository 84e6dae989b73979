"""Builds WebSocket frames once, to be written to many connections. Pure."""

import struct
import zlib

_FIN_TEXT = 0x81
_RSV1 = 0x40
# Below this the frame would hardly shrink.
_WORTH_DEFLATING_BYTES = 256


def text_frame(payload: bytes, window_bits: int = 0) -> bytes:
    """Build an unmasked, unfragmented text frame of a server (RFC 6455 section 5.2).

    With `window_bits` it is compressed (RFC 7692 section 7.2.1) for connections that agreed to a deflate window of at
    least that size and to the server taking over no context: only then does every message stand alone.
    """
    first = _FIN_TEXT
    if window_bits and len(payload) >= _WORTH_DEFLATING_BYTES:
        payload, first = _deflated(payload, window_bits), _FIN_TEXT | _RSV1
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65_536:
        return struct.pack("!BBH", first, 126, length) + payload
    return struct.pack("!BBQ", first, 127, length) + payload


def own_frame(payload: bytes, _window_bits: int = 0) -> bytes:
    """Build a frame for one connection alone, plain: compressing it would cost more than writing it."""
    return text_frame(payload)


def _deflated(payload: bytes, window_bits: int) -> bytes:
    compressor = zlib.compressobj(wbits=-window_bits)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data[:-4]  # the tail 00 00 ff ff, which the receiver puts back
