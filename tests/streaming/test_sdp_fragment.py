"""SDP fragments of PATCH: what clients send is read or refused, what is answered can be read again."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import BadSdp
from streaming.ice_lite import Credentials
from streaming.sdp_fragment import BundleTag, Fragment, build_fragment, parse_fragment

# RFC 9725 §4.3.3, figure 5, with one candidate.
RFC_RESTART = """a=ice-options:trickle ice2
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=mid:0
a=ice-ufrag:ysXw
a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k
a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1
"""


def test_the_rfcs_own_restart_is_read() -> None:
    assert parse_fragment(RFC_RESTART.replace("\n", "\r\n")) == Fragment("ysXw", "vw5LmwG4y/e6dPP/zAP9Gp5k")


def test_a_fragment_without_credentials_trickles() -> None:
    assert parse_fragment("m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n") == Fragment("", "")


def test_credentials_that_every_section_repeats_are_one() -> None:
    assert parse_fragment(RFC_RESTART + RFC_RESTART).ufrag == "ysXw"


@pytest.mark.parametrize(
    "text",
    [
        RFC_RESTART + "a=ice-ufrag:other\n",
        "a=ice-ufrag:abc\n",
        "a=ice-ufrag:with space\n",
        "a=ice-ufrag:" + "x" * 300,
        "a=ice-ufrag:ysXw\na=ice-pwd:short\n",
        '{"json": 1}',
        "a=x\n" * 501,
    ],
)
def test_what_is_no_fragment_is_refused(text: str) -> None:
    with pytest.raises(BadSdp):
        parse_fragment(text)


@given(st.text(max_size=400) | st.text(alphabet="a=:icepwdufrag-\r\nm 019", max_size=400))
def test_arbitrary_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadSdp):
        parse_fragment(text)


def test_what_is_answered_names_the_new_credentials_and_the_candidates() -> None:
    credentials = Credentials("freshufrag", "p" * 24, "theirs")
    written = build_fragment(
        credentials, ["a=candidate:1 1 udp 7 192.0.2.7 9000 typ host", "a=end-of-candidates"],
        BundleTag("video", "UDP/TLS/RTP/SAVPF", "v", 96),
    )  # fmt: skip
    assert parse_fragment(written) == Fragment("freshufrag", "p" * 24)
    lines = written.split("\r\n")
    assert lines[:3] == ["a=ice-lite", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:v"]
    assert lines[-3:] == ["a=candidate:1 1 udp 7 192.0.2.7 9000 typ host", "a=end-of-candidates", ""]
