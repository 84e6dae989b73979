"""Offers of the load clients: VP8 with RTX and Opus in one bundle, as browsers write them. Pure."""

from __future__ import annotations

from typing import Final

VIDEO_PAYLOAD_TYPE: Final = 96
AUDIO_PAYLOAD_TYPE: Final = 111
_ABS_SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"


def offer(ufrag: str, password: str, fingerprint: str, address: tuple[str, int], direction: str) -> str:
    """Write an offer; `direction` is "sendonly" (WHIP) or "recvonly" (WHEP)."""
    transport = [
        "c=IN IP4 0.0.0.0",
        "a=rtcp-mux",
        f"a={direction}",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{password}",
        f"a=fingerprint:sha-256 {fingerprint}",
        "a=setup:active",
        f"a=candidate:1 1 udp 2130706431 {address[0]} {address[1]} typ host",
        "a=end-of-candidates",
        f"a=extmap:3 {_ABS_SEND_TIME}",
    ]
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        f"m=audio 9 UDP/TLS/RTP/SAVPF {AUDIO_PAYLOAD_TYPE}",
        "a=mid:0",
        *transport,
        f"a=rtpmap:{AUDIO_PAYLOAD_TYPE} opus/48000/2",
        f"m=video 9 UDP/TLS/RTP/SAVPF {VIDEO_PAYLOAD_TYPE} 97",
        "a=mid:1",
        *transport,
        f"a=rtpmap:{VIDEO_PAYLOAD_TYPE} VP8/90000",
        *(f"a=rtcp-fb:{VIDEO_PAYLOAD_TYPE} {kind}" for kind in ("nack", "nack pli", "goog-remb")),
        "a=rtpmap:97 rtx/90000",
        f"a=fmtp:97 apt={VIDEO_PAYLOAD_TYPE}",
    ]
    return "\r\n".join(lines) + "\r\n"
