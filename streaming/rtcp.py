"""RTCP compounds: parse what peers send, build what the relay sends (RFC 3550 §6, RFC 4585, RFC 5104). Pure.

Feedback is parsed into named tuples, which are made three times as fast as frozen dataclasses; kinds that the relay has
no use for are skipped, so that a new kind harms nobody.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streaming.errors import MalformedPacket

SR, RR, SDES, BYE, RTPFB, PSFB = 200, 201, 202, 203, 205, 206
_RTPFB_NACK, RTPFB_TRANSPORT_CC = 1, 15
_PSFB_PLI, _PSFB_FIR, _PSFB_APP = 1, 4, 15
MAX_NACKED = 512
"""Sequence numbers read from one NACK packet at most; the rest is asked for again by an honest peer."""

_NTP_FRACTION = 1 << 32
_REPORT = struct.Struct("!LLLLLL")


class SenderReport(NamedTuple):
    ssrc: int
    ntp_s: float
    ntp_middle: int
    """The middle 32 bits of the NTP timestamp, as a receiver echoes them in LSR."""
    rtp_timestamp: int


class ReceptionReport(NamedTuple):
    """One report block (RFC 3550 §6.4.1)."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int


class Nack(NamedTuple):
    media_ssrc: int
    sequences: tuple[int, ...]


class KeyframeRequest(NamedTuple):
    """A PLI, or one entry of a FIR."""

    media_ssrc: int


class BitrateEstimate(NamedTuple):
    """REMB: what the receiver believes it can take, over all the SSRCs named."""

    bitrate_bps: int


class Bye(NamedTuple):
    ssrcs: tuple[int, ...]


RtcpMessage = SenderReport | ReceptionReport | Nack | KeyframeRequest | BitrateEstimate | Bye


def parse_rtcp(data: bytes) -> list[RtcpMessage]:
    """Parse a compound; raises MalformedPacket where version or length lies."""
    messages: list[RtcpMessage] = []
    position, end = 0, len(data)
    while position < end:
        if position + 4 > end:
            raise MalformedPacket("RTCP header is truncated")
        first, kind, words = struct.unpack_from("!BBH", data, position)
        stop = position + 4 + 4 * words
        if first >> 6 != 2 or stop > end:
            raise MalformedPacket("RTCP version or length is wrong")
        messages.extend(_parse_one(kind, first & 0x1F, data[position + 4 : stop]))
        position = stop
    return messages


def _parse_one(kind: int, count: int, body: bytes) -> Iterator[RtcpMessage]:
    if kind == RR and len(body) >= 4:
        yield from _report_blocks(body, 4, count)
    elif kind == SR and len(body) >= 24:
        ssrc, seconds, fraction, rtp_timestamp = struct.unpack_from("!LLLL", body)
        middle = ((seconds & 0xFFFF) << 16) | (fraction >> 16)
        yield SenderReport(ssrc, seconds + fraction / _NTP_FRACTION, middle, rtp_timestamp)
        yield from _report_blocks(body, 24, count)
    elif kind == BYE:
        yield Bye(tuple(struct.unpack_from("!L", body, 4 * i)[0] for i in range(min(count, len(body) // 4))))
    elif kind == RTPFB and count == _RTPFB_NACK and len(body) >= 8:
        yield Nack(struct.unpack_from("!L", body, 4)[0], tuple(_nacked(body[8:])))
    elif kind == PSFB and len(body) >= 8:
        yield from _parse_payload_feedback(count, body)


def _parse_payload_feedback(fmt: int, body: bytes) -> Iterator[RtcpMessage]:
    if fmt == _PSFB_PLI:
        yield KeyframeRequest(struct.unpack_from("!L", body, 4)[0])
    elif fmt == _PSFB_FIR:
        for position in range(8, len(body) - 7, 8):
            yield KeyframeRequest(struct.unpack_from("!L", body, position)[0])
    elif fmt == _PSFB_APP and body[8:12] == b"REMB" and len(body) >= 16:
        exponent, mantissa = body[13] >> 2, ((body[13] & 0x03) << 16) | (body[14] << 8) | body[15]
        yield BitrateEstimate(mantissa << exponent)


def _report_blocks(body: bytes, position: int, count: int) -> Iterator[ReceptionReport]:
    for _ in range(count):
        if position + 24 > len(body):
            return
        ssrc, loss, highest, jitter, _, _ = _REPORT.unpack_from(body, position)
        lost = loss & 0xFFFFFF
        yield ReceptionReport(ssrc, loss >> 24, lost - (1 << 24) if lost & 0x800000 else lost, highest, jitter)
        position += 24


def _nacked(fci: bytes) -> list[int]:
    sequences: list[int] = []
    for position in range(0, len(fci) - 3, 4):
        first, following = struct.unpack_from("!HH", fci, position)
        sequences.append(first)
        while following:
            first += 1
            if following & 1:
                sequences.append(first & 0xFFFF)
            following >>= 1
        if len(sequences) >= MAX_NACKED:
            break
    return sequences[:MAX_NACKED]


def _packet(kind: int, count: int, body: bytes) -> bytes:
    assert len(body) % 4 == 0, "RTCP is counted in 32-bit words"
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def build_sender_report(ssrc: int, ntp_s: float, rtp_timestamp: int, packets: int, octets: int, cname: str) -> bytes:
    """A compound of SR and SDES; `ntp_s` counts seconds since 1900 (RFC 3550 §6.4.1)."""
    seconds = int(ntp_s)
    fraction = int((ntp_s - seconds) * _NTP_FRACTION)
    body = struct.pack(
        "!LLLLLL", ssrc, seconds & 0xFFFFFFFF, fraction, rtp_timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
    )
    return _packet(SR, 0, body) + _build_cname(ssrc, cname)


def _build_cname(ssrc: int, cname: str) -> bytes:
    encoded = cname.encode()[:255]
    chunk = struct.pack("!LBB", ssrc, 1, len(encoded)) + encoded
    return _packet(SDES, 1, chunk + bytes(4 - len(chunk) % 4))


def build_receiver_report(own_ssrc: int, blocks: Iterable[bytes]) -> bytes:
    """An RR with up to 31 report blocks, each built by `build_report_block`."""
    chosen = list(blocks)[:31]
    return _packet(RR, len(chosen), struct.pack("!L", own_ssrc) + b"".join(chosen))


def build_report_block(
    ssrc: int, fraction_lost: int, packets_lost: int, highest: int, jitter: int, last_sr: int, delay_s: float
) -> bytes:
    """One report block; `delay_s` is the time since that sender report came, 0 where none did."""
    lost = max(-0x800000, min(packets_lost, 0x7FFFFF)) & 0xFFFFFF
    delay = min(int(delay_s * 65536), 0xFFFFFFFF)
    return _REPORT.pack(ssrc, (fraction_lost << 24) | lost, highest & 0xFFFFFFFF, jitter, last_sr, delay)


def build_nack(own_ssrc: int, media_ssrc: int, sequences: Iterable[int]) -> bytes:
    """A generic NACK (RFC 4585 §6.2.1); `sequences` ascend (modulo 2^16), pairs are packed by 17."""
    pairs: list[list[int]] = []
    for sequence in sequences:
        distance = (sequence - pairs[-1][0] - 1) & 0xFFFF if pairs else 16
        if distance < 16:
            pairs[-1][1] |= 1 << distance
        else:
            pairs.append([sequence, 0])
    fci = b"".join(struct.pack("!HH", first, following) for first, following in pairs)
    return _packet(RTPFB, _RTPFB_NACK, struct.pack("!LL", own_ssrc, media_ssrc) + fci)


def build_pli(own_ssrc: int, media_ssrc: int) -> bytes:
    """A picture loss indication (RFC 4585 §6.3.1)."""
    return _packet(PSFB, _PSFB_PLI, struct.pack("!LL", own_ssrc, media_ssrc))


def build_remb(own_ssrc: int, bitrate_bps: int, ssrcs: Iterable[int]) -> bytes:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2), over all `ssrcs` together."""
    named = list(ssrcs)[:255]
    exponent = max(0, bitrate_bps.bit_length() - 18)
    mantissa = bitrate_bps >> exponent
    fci = b"REMB" + struct.pack("!BBH", len(named), (exponent << 2) | (mantissa >> 16), mantissa & 0xFFFF)
    return _packet(
        PSFB, _PSFB_APP, struct.pack("!LL", own_ssrc, 0) + fci + b"".join(struct.pack("!L", s) for s in named)
    )


def build_bye(ssrcs: Iterable[int]) -> bytes:
    """Tell a receiver that these streams end (RFC 3550 §6.6)."""
    named = list(ssrcs)[:31]
    return _packet(BYE, len(named), b"".join(struct.pack("!L", s) for s in named))


def build_transport_feedback(own_ssrc: int, media_ssrc: int, fci: bytes) -> bytes:
    """Wrap the FCI of transport-wide feedback; `fci` is padded here to whole words."""
    padded = fci + bytes(-len(fci) % 4)
    return _packet(RTPFB, RTPFB_TRANSPORT_CC, struct.pack("!LL", own_ssrc, media_ssrc) + padded)
