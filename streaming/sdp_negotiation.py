"""What a WHIP or WHEP offer and its answer come to: which codecs, which extensions, which layers (RFC 8829). Pure.

The relay is ICE-lite, the DTLS server, and bundles everything on one port. A publisher that offers simulcast is
answered with its layers (RFC 8853); without those lines it would send one.
"""

from __future__ import annotations

from dataclasses import dataclass

from streaming.errors import BadSdp, FlowingCodecUnsupported, NoUsableCodec
from streaming.sdp_fragment import BundleTag
from streaming.sdp_offer import Offer, OfferedCodec, OfferedMedia

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_FROM_PUBLISHER = (MID, RID, REPAIRED_RID, TRANSPORT_CC, ABS_SEND_TIME)
_TO_VIEWER = (MID, ABS_SEND_TIME)
MAX_LAYERS = 3
"""Layers the relay takes of one publisher; further ones are not answered and so not sent."""
_FEEDBACK_FROM_PUBLISHER = ("nack", "nack pli", "ccm fir", "transport-cc", "goog-remb")
_FEEDBACK_TO_VIEWER = ("nack", "nack pli", "ccm fir", "goog-remb")


@dataclass(frozen=True, slots=True)
class CodecId:
    """A codec the relay carries; `profile` is H264's profile_idc and profile_iop, empty elsewhere."""

    name: str
    profile: str = ""


@dataclass(frozen=True, slots=True)
class NegotiatedCodec:
    """A codec of one m-section as both ends agreed on it."""

    codec: CodecId
    payload_type: int
    rtx_payload_type: int | None
    clock_rate: int
    feedback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NegotiatedMedia:
    """An m-section that carries media, with the codecs in the answer's order."""

    kind: str
    mid: str
    codecs: tuple[NegotiatedCodec, ...]
    extensions: dict[str, int]
    ssrcs: tuple[int, ...]
    repairs: dict[int, int]
    rids: tuple[str, ...] = ()
    """The layers a publisher sends, two or more; none where it sends one stream."""


@dataclass(frozen=True, slots=True)
class Negotiation:
    """What an offer and its answer come to: at most one audio and one video section."""

    media: tuple[NegotiatedMedia, ...]
    offer: Offer
    receives: bool
    """True when the relay receives (WHIP)."""

    def of_kind(self, kind: str) -> NegotiatedMedia | None:
        """The section of this kind, if it was accepted."""
        return next((media for media in self.media if media.kind == kind), None)

    @property
    def transport(self) -> OfferedMedia:
        """The section whose ICE and DTLS lines hold for the whole bundle (bundle-only sections have none)."""
        accepted = {media.mid for media in self.media}
        return max(self.offer.media, key=lambda media: (bool(media.ufrag), media.mid in accepted))

    @property
    def bundle_tag(self) -> BundleTag:
        """The first section that was accepted: its transport is the bundle's (RFC 9143 §7.2)."""
        accepted = {media.mid: media for media in self.media}
        offered = next(media for media in self.offer.media if media.mid in accepted)
        media = accepted[offered.mid]
        return BundleTag(media.kind, offered.protocol, media.mid, media.codecs[0].payload_type)


def negotiate_publisher(offer: Offer) -> Negotiation:
    """Accept what a publisher would send; raises BadSdp or NoUsableCodec."""
    return _negotiate(offer, ("sendonly", "sendrecv"), receives=True, first=None)


def negotiate_viewer(offer: Offer, flowing_video: CodecId | None) -> Negotiation:
    """Accept what a viewer would receive, the flowing codec first.

    Raises BadSdp, NoUsableCodec, or FlowingCodecUnsupported when the viewer wants video but not in that codec.
    """
    negotiation = _negotiate(offer, ("recvonly", "sendrecv"), receives=False, first=flowing_video)
    video = negotiation.of_kind("video")
    if flowing_video is not None and video is not None and video.codecs[0].codec.name != flowing_video.name:
        raise FlowingCodecUnsupported(f"the broadcast is in {flowing_video.name}, which the offer does not list")
    return negotiation


def payload_types_for(media: NegotiatedMedia, codec: CodecId) -> tuple[int, int | None] | None:
    """Give (payload type, RTX payload type) for a codec: its profile where negotiated, else the same name."""
    same_name = [entry for entry in media.codecs if entry.codec.name == codec.name]
    if not same_name:
        return None
    best = next((entry for entry in same_name if entry.codec == codec), same_name[0])
    return best.payload_type, best.rtx_payload_type


def _negotiate(offer: Offer, directions: tuple[str, ...], *, receives: bool, first: CodecId | None) -> Negotiation:
    accepted: dict[str, NegotiatedMedia] = {}
    wanted = False
    for media in offer.media:
        if media.rejected or media.kind not in ("audio", "video") or media.direction not in directions:
            continue
        wanted = True
        codecs = _usable_codecs(media, first, receives=receives)
        if not codecs or media.kind in accepted:
            continue
        carried = _FROM_PUBLISHER if receives else _TO_VIEWER
        extensions = {uri: media.extensions[uri] for uri in carried if uri in media.extensions}
        rids = _layers(media, extensions) if receives else ()
        accepted[media.kind] = NegotiatedMedia(
            media.kind, media.mid, codecs, extensions, media.ssrcs, media.repairs, rids
        )
    if not wanted:
        raise BadSdp("no audio or video section in a direction that fits this endpoint")
    if not accepted:
        raise NoUsableCodec("the relay carries VP8, H264 (packetization-mode=1) and Opus")
    negotiation = Negotiation(tuple(accepted.values()), offer, receives)
    if len(accepted) > 1 and not all(media.mid in offer.bundle for media in negotiation.media):
        raise BadSdp("BUNDLE is required")
    _check_transport(negotiation.transport)
    return negotiation


def _layers(media: OfferedMedia, extensions: dict[str, int]) -> tuple[str, ...]:
    """The layers to take: without the `rid` extension packets could not be told apart, and one layer is none."""
    rids = media.rids[:MAX_LAYERS]
    return rids if media.kind == "video" and RID in extensions and len(rids) > 1 else ()


def _check_transport(media: OfferedMedia) -> None:
    if not media.ufrag:
        raise BadSdp("ice-ufrag and ice-pwd are required")
    if not media.rtcp_mux:
        raise BadSdp("rtcp-mux is required")
    if media.setup not in ("actpass", "active"):
        raise BadSdp("setup must be actpass or active: the relay is the DTLS server")
    if not any(algorithm in ("sha-256", "sha-384", "sha-512") and digest for algorithm, digest in media.fingerprints):
        raise BadSdp("a sha-256 fingerprint is required")
    if "SAVPF" not in media.protocol:
        raise BadSdp("the profile must be SAVPF")


def _usable_codecs(media: OfferedMedia, first: CodecId | None, *, receives: bool) -> tuple[NegotiatedCodec, ...]:
    feedback = _FEEDBACK_FROM_PUBLISHER if receives else _FEEDBACK_TO_VIEWER
    usable = [
        NegotiatedCodec(
            identity,
            codec.payload_type,
            codec.rtx_payload_type,
            codec.clock_rate,
            tuple(value for value in codec.feedback if value in feedback),
        )
        for codec in media.codecs
        if (identity := _identify(media.kind, codec)) is not None
    ]
    if first is not None:
        usable.sort(key=lambda entry: (entry.codec != first, entry.codec.name != first.name))
    return tuple(usable)


def _identify(kind: str, codec: OfferedCodec) -> CodecId | None:
    name = codec.name.upper()
    if kind == "audio":
        return CodecId("opus") if name == "OPUS" and codec.clock_rate == 48000 else None
    if codec.clock_rate != 90000:
        return None
    if name == "VP8":
        return CodecId("VP8")
    if name == "H264" and codec.parameters.get("packetization-mode") == "1":
        return CodecId("H264", codec.parameters.get("profile-level-id", "42e01f").lower()[:4])
    return None
