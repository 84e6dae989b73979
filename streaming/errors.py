"""The errors of the streaming package, each with a stable machine code. Pure; no I/O.

The mapping of codes to HTTP statuses stands in one place, `server/http/signalling.py`.
"""

from __future__ import annotations


class StreamingError(Exception):
    """Base of every error this package raises; `code` is stable and may be shown to clients."""

    code = "streaming_error"

    def __init__(self, detail: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(detail or self.code)
        self.detail = detail or self.code
        self.retry_after_s = retry_after_s


class BadSdp(StreamingError):
    """The offer is not SDP, or lacks what RFC 8829 and RFC 9725 demand of an offer."""

    code = "bad_sdp"


class NoUsableCodec(StreamingError):
    """The offer is sound SDP, but names no codec that the relay carries."""

    code = "no_usable_codec"


class FlowingCodecUnsupported(StreamingError):
    """The viewer's offer cannot receive the codec that the publisher is sending now."""

    code = "flowing_codec_unsupported"


class PublisherExists(StreamingError):
    """A publisher of this broadcast is alive; try again once it ended or fell silent."""

    code = "publisher_exists"


class TooManyHandshakes(StreamingError):
    """As many half-open connections as the settings allow; try again shortly."""

    code = "too_many_handshakes"


class ViewerLimitReached(StreamingError):
    """This process serves as many viewers as the settings allow."""

    code = "viewer_limit_reached"


class TooManyJoins(StreamingError):
    """More joins a second than the settings allow; try again after the time given."""

    code = "too_many_joins"


class UnknownResource(StreamingError):
    """No such WHIP or WHEP resource, or no longer."""

    code = "unknown_resource"


class EngineStopped(StreamingError):
    """The engine is not running, so nothing can be published or viewed."""

    code = "engine_stopped"


class MalformedPacket(StreamingError):
    """A datagram from outside that is not what its first byte claims; it is dropped and counted."""

    code = "malformed_packet"


class MediaUnreachable(StreamingError):
    """The media process cannot be asked, or there is none."""

    code = "media_unreachable"
