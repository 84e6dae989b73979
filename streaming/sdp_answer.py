"""Writes the answers to WHIP and WHEP offers (RFC 8829, RFC 9725). Pure.

An m-section that the relay cannot use is refused with port 0, so that the answer always has the offer's sections in the
offer's order.
"""

from __future__ import annotations

from dataclasses import dataclass

from streaming.sdp_negotiation import NegotiatedCodec, NegotiatedMedia, Negotiation
from streaming.sdp_offer import OfferedCodec, OfferedMedia


@dataclass(frozen=True, slots=True)
class AnsweringSource:
    """SSRCs under which the relay will send one section to a viewer."""

    ssrc: int
    rtx_ssrc: int


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """The relay's end: credentials, certificate and where it can be reached."""

    ufrag: str
    password: str
    fingerprint: str
    """SHA-256, upper case, colons."""
    addresses: tuple[tuple[str, int], ...]
    session_id: int
    cname: str


def build_answer(
    negotiation: Negotiation, local: LocalTransport, sources: dict[str, AnsweringSource] | None = None
) -> str:
    """Write the answer; `sources` names by kind what the relay sends (WHEP), None where it receives (WHIP)."""
    accepted = {media.mid: media for media in negotiation.media}
    lines = [
        "v=0",
        f"o=- {local.session_id} 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE " + " ".join(m.mid for m in negotiation.offer.media if m.mid in accepted),
        *(["a=extmap-allow-mixed"] if negotiation.offer.extmap_allow_mixed else []),
        "a=msid-semantic: WMS *",
    ]
    for offered in negotiation.offer.media:
        media = accepted.get(offered.mid)
        if media is None:
            lines += _refused_section(offered)
        else:
            lines += _media_section(offered, media, local, (sources or {}).get(media.kind))
    return "\r\n".join(lines) + "\r\n"


def _refused_section(offered: OfferedMedia) -> list[str]:
    return [
        f"m={offered.kind} 0 {offered.protocol} {offered.formats}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{offered.mid}",
        "a=inactive",
    ]


def _media_section(
    offered: OfferedMedia, media: NegotiatedMedia, local: LocalTransport, source: AnsweringSource | None
) -> list[str]:
    offered_by_type = {codec.payload_type: codec for codec in offered.codecs}
    formats: list[int] = []
    codec_lines: list[str] = []
    for entry in media.codecs:
        formats.append(entry.payload_type)
        codec_lines += _codec_lines(offered_by_type[entry.payload_type], entry)
        if entry.rtx_payload_type is not None:
            formats.append(entry.rtx_payload_type)
            codec_lines.append(f"a=rtpmap:{entry.rtx_payload_type} rtx/{entry.clock_rate}")
            codec_lines.append(f"a=fmtp:{entry.rtx_payload_type} apt={entry.payload_type}")
    return [
        f"m={media.kind} 9 {offered.protocol} {' '.join(map(str, formats))}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{media.mid}",
        *_transport_lines(local),
        *(["a=rtcp-rsize"] if offered.rtcp_rsize else []),
        *(f"a=extmap:{identifier} {uri}" for uri, identifier in media.extensions.items()),
        *codec_lines,
        *_layer_lines(media.rids),
        *_source_lines(media, local, source),
    ]


def _layer_lines(rids: tuple[str, ...]) -> list[str]:
    return [*(f"a=rid:{rid} recv" for rid in rids), f"a=simulcast:recv {';'.join(rids)}"] if rids else []


def _codec_lines(offered: OfferedCodec, entry: NegotiatedCodec) -> list[str]:
    suffix = f"/{offered.channels}" if offered.channels > 1 else ""
    lines = [f"a=rtpmap:{entry.payload_type} {offered.name}/{offered.clock_rate}{suffix}"]
    lines += [f"a=rtcp-fb:{entry.payload_type} {value}" for value in entry.feedback]
    if offered.fmtp:
        lines.append(f"a=fmtp:{entry.payload_type} {offered.fmtp}")
    return lines


def candidate_lines(addresses: tuple[tuple[str, int], ...]) -> list[str]:
    """The relay's candidates: exactly the addresses that it was told to advertise, and their end."""
    candidates = [
        f"a=candidate:{index + 1} 1 udp {_priority(index)} {host} {port} typ host"
        for index, (host, port) in enumerate(addresses)
    ]
    return [*candidates, "a=end-of-candidates"]


def _transport_lines(local: LocalTransport) -> list[str]:
    return [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        "a=setup:passive",
        "a=rtcp-mux",
        *candidate_lines(local.addresses),
    ]


def _priority(index: int) -> int:
    """Candidate priority (RFC 8445 §5.1.2.1): host type, the first address preferred."""
    return (126 << 24) | ((65535 - index) << 8) | 255


def _source_lines(media: NegotiatedMedia, local: LocalTransport, source: AnsweringSource | None) -> list[str]:
    if source is None:
        return ["a=recvonly"]
    lines = ["a=sendonly", f"a=msid:{local.cname} {local.cname}-{media.kind}"]
    named = [source.ssrc]
    if any(entry.rtx_payload_type is not None for entry in media.codecs):
        named.append(source.rtx_ssrc)
        lines.append(f"a=ssrc-group:FID {source.ssrc} {source.rtx_ssrc}")
    return lines + [f"a=ssrc:{ssrc} cname:{local.cname}" for ssrc in named]
