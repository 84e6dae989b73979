"""The wire format: client frames in, server frames out. Pure.

A client frame is one JSON object; a server frame is a JSON array of events. Events are encoded once and their
bytes are shared, so a frame for a thousand viewers costs one encoding.
"""

from collections.abc import Iterable

import msgspec

from chat.commands import ClientFrame, MessageId
from chat.connection_events import ServerEvent
from chat.errors import FrameRefused


class _Named(msgspec.Struct):
    """All that is read of a frame that is refused."""

    id: MessageId


_named = msgspec.json.Decoder(_Named)
_frames: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)
_events = msgspec.json.Decoder(list[ServerEvent])
_encoder = msgspec.json.Encoder()


def decode_client_frame(data: str | bytes) -> ClientFrame:
    """Decode one client frame, strictly: no coercion of types, fields that are not known are ignored.

    Raises FrameRefused: `binary_frame`, `malformed_json`, `unknown_type` or `invalid_field`; the latter two with the
    frame's `id` where that is good.
    """
    if isinstance(data, bytes):
        raise FrameRefused("binary_frame", "frames are text")
    try:
        return _frames.decode(data)
    except msgspec.ValidationError as error:
        raise FrameRefused(_code_of(error), str(error)[:200], _id_of(data)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # RecursionError is msgspec's answer to nesting deeper than the interpreter's limit.
        raise FrameRefused("malformed_json", "the frame is not a JSON object") from None


def _id_of(data: str) -> str | None:
    try:
        return _named.decode(data).id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _code_of(error: msgspec.ValidationError) -> str:
    # msgspec names the tag field's path; a frame without a type is as unknown as one with a strange type.
    text = str(error)
    return "unknown_type" if text.endswith("`$.type`") or "field `type`" in text else "invalid_field"


def encode_event(event: ServerEvent) -> bytes:
    """Encode one event as a JSON object."""
    return _encoder.encode(event)


def encode(value: msgspec.Struct) -> bytes:
    """Encode any struct of this package, for embedding as `msgspec.Raw`."""
    return _encoder.encode(value)


def join_events(events: Iterable[bytes]) -> bytes:
    """Put encoded events into the payload of one server frame."""
    return b"[" + b",".join(events) + b"]"


def decode_server_frame(payload: str | bytes) -> list[ServerEvent]:
    """Decode a server frame, as a client would; raises msgspec.ValidationError for what is not of the protocol."""
    return _events.decode(payload)
