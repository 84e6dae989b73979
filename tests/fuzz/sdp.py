"""Bodies of WHIP and WHEP: offers, and fragments of PATCH. No I/O but the stored offers."""

import contextlib
from pathlib import Path
from random import Random

from streaming.errors import StreamingError
from streaming.ingest import Ingest
from streaming.sdp_answer import AnsweringSource, LocalTransport, build_answer
from streaming.sdp_fragment import parse_fragment
from streaming.sdp_negotiation import negotiate_publisher, negotiate_viewer
from streaming.sdp_offer import parse_offer
from tests.fuzz.media import PUBLISHER_OFFER, VIEWER_OFFER
from tests.fuzz.mutation import mutated_text
from tests.fuzz.target import Broken

_OFFERS = Path(__file__).resolve().parents[1] / "streaming" / "offers"


class Sdp:
    """Offers of publishers and viewers, small and of Chromium's size."""

    name = "sdp"
    _WORDS = ("", "0", "1", "-1", "99999999999", "x" * 300, "a=mid:0", "*", "é", "\0", "m=video 9 UDP/TLS/RTP/SAVPF 96")

    def __init__(self) -> None:
        self._local = LocalTransport("ufrag", "p" * 24, "AB:" * 31 + "AB", (("192.0.2.1", 7_000),), 1, "cn")
        self._sources = {kind: AnsweringSource(1, 2) for kind in ("audio", "video")}
        self._large = [path.read_bytes().decode() for path in sorted(_OFFERS.glob("*.sdp"))]

    def make(self, chance: Random) -> bytes:
        large = chance.random() < 0.05
        text = chance.choice(self._large) if large else chance.choice((PUBLISHER_OFFER, VIEWER_OFFER))
        return mutated_text(chance, text, self._WORDS).encode("utf-8", "replace")

    def feed(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        with contextlib.suppress(StreamingError):
            offered = parse_offer(text)
            with contextlib.suppress(StreamingError):
                negotiation = negotiate_publisher(offered)
                build_answer(negotiation, self._local)
                Ingest(negotiation, 7, 1_000_000)
                assert negotiation.bundle_tag.mid
            negotiation = negotiate_viewer(offered, None)
            answer = build_answer(negotiation, self._local, self._sources)
            if answer.count("\r\nm=") != len(offered.media):
                raise Broken("an answer has other sections than its offer")


class SdpFragment:
    """Bodies of PATCH."""

    name = "sdp_fragment"
    _SOUND = (
        "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:ysXw\r\n"
        "a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\na=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"
    )

    def make(self, chance: Random) -> bytes:
        return mutated_text(chance, self._SOUND, ("", "x" * 300, "a=ice-ufrag:other", "\0", "é")).encode()

    def feed(self, data: bytes) -> None:
        with contextlib.suppress(StreamingError):
            fragment = parse_fragment(data.decode("utf-8", "replace"))
            if any(character in fragment.ufrag + fragment.password for character in "\r\n\0 :"):
                raise Broken("credentials hold what would break a line")
