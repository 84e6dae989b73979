"""Offers of real clients are answered so that they understand; what is no offer is refused with a code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import BadSdp, FlowingCodecUnsupported, NoUsableCodec, StreamingError
from streaming.sdp_answer import AnsweringSource, LocalTransport, build_answer
from streaming.sdp_negotiation import (
    MID,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    CodecId,
    negotiate_publisher,
    negotiate_viewer,
    payload_types_for,
)
from streaming.sdp_offer import parse_offer

OFFERS = Path(__file__).parent / "offers"
PUBLISHER = (OFFERS / "chromium_publisher.sdp").read_bytes().decode()
SIMULCAST = (OFFERS / "chromium_simulcast_publisher.sdp").read_bytes().decode()
VIEWER = (OFFERS / "chromium_viewer.sdp").read_bytes().decode()
LOCAL = LocalTransport("ufrag", "p" * 24, "AB:" * 31 + "AB", (("192.0.2.1", 7000), ("2001:db8::1", 7000)), 1, "cn")
SOURCES = {"audio": AnsweringSource(1, 2), "video": AnsweringSource(3, 4)}


def without(offer: str, *parts: str) -> str:
    return "".join(line for line in offer.splitlines(keepends=True) if not any(part in line for part in parts))


def video_formats(offer: str, *keep: str) -> str:
    """Leave only the rtpmap lines of these names among the video codecs."""
    names = ("VP8", "VP9", "H264", "AV1", "H265", "rtx", "red", "ulpfec", "flexfec-03")
    gone = tuple(f" {name}/90000" for name in names if name not in keep)
    return without(offer, *gone)


def answer_lines(text: str) -> list[str]:
    assert text.endswith("\r\n")
    return text.split("\r\n")


def test_a_chromium_publisher_gets_the_codecs_and_feedback_the_relay_carries() -> None:
    negotiation = negotiate_publisher(parse_offer(PUBLISHER))
    video = negotiation.of_kind("video")
    assert video is not None
    assert {codec.codec.name for codec in video.codecs} == {"VP8", "H264"}
    assert all(codec.rtx_payload_type is not None for codec in video.codecs)
    assert set(video.codecs[0].feedback) == {"nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"}
    assert {MID, RID, TRANSPORT_CC} <= set(video.extensions)
    lines = answer_lines(build_answer(negotiation, LOCAL))
    for line in ("a=ice-lite", "a=setup:passive", "a=rtcp-mux", "a=recvonly", "a=end-of-candidates"):
        assert line in lines
    assert "a=group:BUNDLE 0 1" in lines
    assert "a=candidate:1 1 udp 2130706431 192.0.2.1 7000 typ host" in lines
    assert "a=candidate:2 1 udp 2130706175 2001:db8::1 7000 typ host" in lines
    assert not any("packetization-mode=0" in line for line in lines)


def test_the_answer_is_read_by_another_implementation() -> None:
    text = build_answer(negotiate_viewer(parse_offer(VIEWER), None), LOCAL, SOURCES)
    answer = SessionDescription.parse(text)
    assert [media.kind for media in answer.media] == ["video", "audio"]
    assert [media.direction for media in answer.media] == ["sendonly", "sendonly"]
    assert answer.media[0].ssrc_group[0].items == [3, 4]
    assert answer.media[0].ice is not None
    assert answer.media[0].ice.iceLite
    assert answer.media[0].dtls is not None
    assert answer.media[0].dtls.role == "server"


def test_a_simulcast_offer_is_answered_with_its_layers() -> None:
    negotiation = negotiate_publisher(parse_offer(SIMULCAST))
    assert [media.rids for media in negotiation.media] == [(), ("q", "h", "f")]
    lines = answer_lines(build_answer(negotiation, LOCAL))
    layers = [line for line in lines if line.startswith(("a=rid", "a=simulcast"))]
    assert layers == ["a=rid:q recv", "a=rid:h recv", "a=rid:f recv", "a=simulcast:recv q;h;f"]
    assert {RID, REPAIRED_RID} <= set(negotiation.media[1].extensions)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda offer: without(offer, "a=simulcast"), id="no simulcast line"),
        pytest.param(lambda offer: without(offer, "a=rid:h", "a=rid:f"), id="one layer"),
        pytest.param(lambda offer: without(offer, "sdes:rtp-stream-id"), id="no rid extension"),
        pytest.param(lambda offer: offer.replace("a=simulcast:send q;h;f", "a=simulcast:recv q;h;f"), id="receives"),
    ],
)
def test_what_is_no_simulcast_offer_is_answered_without_layers(changed: Callable[[str], str]) -> None:
    text = build_answer(negotiate_publisher(parse_offer(changed(SIMULCAST))), LOCAL)
    assert "a=rid" not in text
    assert "a=simulcast" not in text


def test_more_layers_than_the_relay_takes_are_not_answered() -> None:
    offer = SIMULCAST.replace("a=simulcast:send q;h;f", "a=rid:x send\r\na=simulcast:send q,x;~h;f;x")
    assert parse_offer(offer).media[1].rids == ("q", "h", "f", "x")
    assert negotiate_publisher(parse_offer(offer)).media[1].rids == ("q", "h", "f")


@pytest.mark.parametrize("name", ["VP8", "H264"])
def test_a_viewer_is_answered_with_the_flowing_codec_first(name: str) -> None:
    negotiation = negotiate_viewer(parse_offer(VIEWER), CodecId(name, "42e0" if name == "H264" else ""))
    video = negotiation.of_kind("video")
    assert video is not None
    assert video.codecs[0].codec.name == name
    assert {codec.codec.name for codec in video.codecs} == {"VP8", "H264"}
    if name == "H264":
        assert video.codecs[0].codec.profile == "42e0"


def test_a_viewer_that_lacks_the_flowing_codec_is_told_so() -> None:
    offer = parse_offer(video_formats(VIEWER, "VP8", "rtx"))
    with pytest.raises(FlowingCodecUnsupported):
        negotiate_viewer(offer, CodecId("H264", "42e0"))
    assert negotiate_viewer(offer, CodecId("VP8")).media


def test_an_h264_profile_the_viewer_did_not_list_falls_back_to_another() -> None:
    video = negotiate_viewer(parse_offer(VIEWER), None).of_kind("video")
    assert video is not None
    exact = payload_types_for(video, CodecId("H264", "42e0"))
    assert exact is not None
    assert payload_types_for(video, CodecId("H264", "6400")) is not None
    assert payload_types_for(video, CodecId("AV1")) is None


async def test_an_aiortc_offer_is_answered() -> None:
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    client.addTransceiver("video", direction="recvonly")
    await client.setLocalDescription(await client.createOffer())
    negotiation = negotiate_viewer(parse_offer(client.localDescription.sdp), None)
    assert [media.kind for media in negotiation.media] == ["video"]
    await client.close()


@pytest.mark.parametrize(
    "offer",
    [
        "", "hello", "v=0", "v=0\r\n", '{"sdp": "v=0"}', "v=0\r\nnonsense\r\n", "v=0\r\nm=video\r\n", "\x00" * 100,
        "v=0\r\n" + "a=x\r\n" * 3000,
        PUBLISHER.replace("m=video 9", "m=video nine"),
        PUBLISHER.replace("a=mid:1", "a=mid:0"),
        without(PUBLISHER, "a=mid"),
        without(PUBLISHER, "ice-ufrag"),
        without(PUBLISHER, "fingerprint"),
        without(PUBLISHER, "rtcp-mux"),
        without(PUBLISHER, "group:BUNDLE"),
        PUBLISHER.replace("setup:actpass", "setup:passive"),
        PUBLISHER.replace("sendonly", "recvonly"),
        PUBLISHER.replace("opus/48000/2", "opus/many/2"),
    ],
)  # fmt: skip
def test_what_is_no_sound_offer_is_bad_sdp(offer: str) -> None:
    with pytest.raises(BadSdp) as refusal:
        negotiate_publisher(parse_offer(offer))
    assert refusal.value.code == "bad_sdp"


def test_an_offer_without_usable_codecs_has_its_own_code() -> None:
    offer = without(video_formats(PUBLISHER, "VP9", "AV1"), "opus/48000")
    with pytest.raises(NoUsableCodec) as refusal:
        negotiate_publisher(parse_offer(offer))
    assert refusal.value.code == "no_usable_codec"


def test_h264_without_packetization_mode_1_is_not_usable() -> None:
    offer = without(video_formats(PUBLISHER, "H264").replace("packetization-mode=1", "packetization-mode=0"), "opus/")
    with pytest.raises(NoUsableCodec):
        negotiate_publisher(parse_offer(offer))


def test_sections_the_relay_cannot_use_are_refused_in_their_place() -> None:
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\na=sctp-port:5000\r\n"
    second = PUBLISHER[PUBLISHER.index("m=video") :].replace("a=mid:1", "a=mid:3")
    offer = (PUBLISHER + data + second).replace("BUNDLE 0 1", "BUNDLE 0 1 2 3")
    answer = SessionDescription.parse(build_answer(negotiate_publisher(parse_offer(offer)), LOCAL))
    assert [(media.kind, bool(media.port)) for media in answer.media] == [
        ("audio", True),
        ("video", True),
        ("application", False),
        ("video", False),
    ]


def test_an_audio_only_publisher_is_welcome() -> None:
    offer = PUBLISHER[: PUBLISHER.index("m=video")].replace("BUNDLE 0 1", "BUNDLE 0")
    assert [media.kind for media in negotiate_publisher(parse_offer(offer)).media] == ["audio"]


@given(text=st.text(max_size=600))
def test_arbitrary_text_is_refused_with_a_code(text: str) -> None:
    with pytest.raises(BadSdp):
        parse_offer("x" + text)
    with contextlib.suppress(StreamingError):
        negotiate_publisher(parse_offer("v=0\r\n" + text))


@given(data=st.data())
def test_mutated_offers_are_answered_or_refused(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from([PUBLISHER, SIMULCAST, VIEWER]))
    lines = source.split("\r\n")
    for _ in range(data.draw(st.integers(1, 6))):
        index = data.draw(st.integers(0, len(lines) - 1))
        act = data.draw(st.sampled_from(["drop", "cut", "insert", "repeat", "digits"]))
        line = lines[index]
        if act == "drop":
            lines[index] = ""
        elif act == "cut":
            lines[index] = line[: data.draw(st.integers(0, len(line)))]
        elif act == "insert":
            at = data.draw(st.integers(0, len(line)))
            lines[index] = line[:at] + data.draw(st.text(max_size=5)) + line[at:]
        elif act == "repeat":
            lines.insert(index, line)
        else:
            lines[index] = line.replace("1", "99999999999")
    with contextlib.suppress(StreamingError):
        offer = parse_offer("\r\n".join(lines))
        build_answer(negotiate_publisher(offer), LOCAL)
    with contextlib.suppress(StreamingError):
        offer = parse_offer("\r\n".join(lines))
        build_answer(negotiate_viewer(offer, CodecId("VP8")), LOCAL, SOURCES)
