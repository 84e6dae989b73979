"""Reads a WHIP or WHEP offer (RFC 8866, RFC 8829) into what the answerer needs. Pure.

Hostile input is the rule here: every number is checked, every list bounded, and only BadSdp is raised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from streaming.errors import BadSdp

MAX_MEDIA_SECTIONS = 16
MAX_LINES = 2000
_M_LINE = re.compile(r"m=(audio|video|application|text|message) (\d{1,5})(?:/\d+)? ([A-Z/0-9]{1,40}) (.{1,600})")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~/-]{1,64}")
_ICE = re.compile(r"[A-Za-z0-9+/]{4,256}")
_RID = re.compile(r"[A-Za-z0-9]{1,16}")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_LISTED = ("rtpmap", "fmtp", "rtcp-fb", "extmap", "ssrc", "ssrc-group", "rid", "simulcast")


@dataclass(frozen=True, slots=True)
class OfferedCodec:
    """One rtpmap line and what belongs to it; `rtx_payload_type` is the RTX format that repairs it."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int
    fmtp: str
    feedback: tuple[str, ...]
    rtx_payload_type: int | None

    @property
    def parameters(self) -> dict[str, str]:
        """The fmtp line as a mapping, keys in lower case."""
        pairs = (item.strip().partition("=") for item in self.fmtp.split(";") if item.strip())
        return {key.strip().lower(): value.strip() for key, _, value in pairs}


@dataclass(frozen=True, slots=True)
class OfferedMedia:
    """One m-section."""

    kind: str
    protocol: str
    formats: str
    mid: str
    direction: str
    rejected: bool
    rtcp_mux: bool
    rtcp_rsize: bool
    codecs: tuple[OfferedCodec, ...]
    extensions: dict[str, int]
    """URI → id."""
    ssrcs: tuple[int, ...]
    repairs: dict[int, int]
    """RTX SSRC → the SSRC it repairs, from `ssrc-group:FID`."""
    rids: tuple[str, ...]
    """Simulcast layers the offer would send (RFC 8853), in its order."""
    ufrag: str
    password: str
    setup: str
    fingerprints: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A whole offer; `bundle` lists the mids of the first BUNDLE group."""

    media: tuple[OfferedMedia, ...]
    bundle: tuple[str, ...]
    extmap_allow_mixed: bool


@dataclass(slots=True)
class _Section:
    single: dict[str, str] = field(default_factory=dict)
    listed: dict[str, list[str]] = field(default_factory=dict)
    fingerprints: list[tuple[str, str]] = field(default_factory=list)


def parse_offer(sdp: str) -> Offer:
    """Parse an offer; raises BadSdp with what is wrong."""
    lines = sdp.splitlines()
    if not lines or lines[0].strip() != "v=0" or len(lines) > MAX_LINES:
        raise BadSdp("the body does not begin with v=0, or is too long")
    session, blocks = _split(lines)
    if not blocks:
        raise BadSdp("the offer has no m-section")
    if len(blocks) > MAX_MEDIA_SECTIONS:
        raise BadSdp("the offer has too many m-sections")
    media = tuple(_parse_media(block, session) for block in blocks)
    mids = [section.mid for section in media]
    if len(set(mids)) != len(mids):
        raise BadSdp("mids are not unique")
    groups = (value.split() for value in session.listed.get("group", []))
    bundle = next((tuple(group[1:]) for group in groups if group and group[0] == "BUNDLE"), ())
    return Offer(media, bundle, "extmap-allow-mixed" in session.single)


def _split(lines: list[str]) -> tuple[_Section, list[tuple[str, _Section]]]:
    session = _Section()
    current = session
    blocks: list[tuple[str, _Section]] = []
    for raw in lines:
        line = raw.strip()
        if line.startswith("m="):
            current = _Section()
            blocks.append((line, current))
        elif line.startswith("a="):
            _read_attribute(line[2:], current)
        elif line and not re.match(r"[a-z]=", line):
            raise BadSdp("a line is not of the form x=value")
    return session, blocks


def _read_attribute(text: str, section: _Section) -> None:
    name, _, value = text.partition(":")
    if name in _LISTED or name == "group":
        section.listed.setdefault(name, []).append(value)
    elif name == "fingerprint":
        algorithm, _, digest = value.partition(" ")
        section.fingerprints.append((algorithm.lower(), digest.strip()))
    elif name in _DIRECTIONS:
        section.single["direction"] = name
    else:
        section.single[name] = value


def _parse_media(block: tuple[str, _Section], session: _Section) -> OfferedMedia:
    line, section = block
    match = _M_LINE.fullmatch(line)
    if match is None:
        raise BadSdp("an m-line is malformed")
    kind, port, protocol, formats = match.groups()
    single = {**session.single, **section.single}
    mid = single.get("mid", "")
    if not _TOKEN.fullmatch(mid):
        raise BadSdp("an m-section has no mid")
    ufrag, password = single.get("ice-ufrag", ""), single.get("ice-pwd", "")
    if (ufrag or password) and not (_ICE.fullmatch(ufrag) and _ICE.fullmatch(password)):
        raise BadSdp("ice-ufrag or ice-pwd is malformed")
    ssrcs, repairs = _sources(section)
    return OfferedMedia(
        kind=kind,
        protocol=protocol,
        formats=formats,
        mid=mid,
        direction=single.get("direction", "sendrecv"),
        rejected=port == "0" and "bundle-only" not in single,
        rtcp_mux="rtcp-mux" in single,
        rtcp_rsize="rtcp-rsize" in single,
        codecs=_codecs(section, formats) if kind in ("audio", "video") else (),
        extensions=_extensions(section),
        ssrcs=ssrcs,
        repairs=repairs,
        rids=_simulcast_rids(section),
        ufrag=ufrag,
        password=password,
        setup=single.get("setup", "actpass"),
        fingerprints=tuple(section.fingerprints or session.fingerprints)[:8],
    )


def _simulcast_rids(section: _Section) -> tuple[str, ...]:
    """The layers of the simulcast line's `send` list that have a `rid` line; of alternatives (`a,b`) the first."""
    declared = {bits[0] for value in section.listed.get("rid", [])[:16] if (bits := value.split())[1:2] == ["send"]}
    bits = next((value.split() for value in section.listed.get("simulcast", [])), [])
    streams = next((after for word, after in pairwise(bits) if word == "send"), "")
    named = (stream.partition(",")[0].removeprefix("~") for stream in streams.split(";")[:16])
    return tuple(dict.fromkeys(rid for rid in named if rid in declared and _RID.fullmatch(rid)))


def _number(text: str, lowest: int, highest: int, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or not lowest <= int(text) <= highest:
        raise BadSdp(f"{what} is not a number from {lowest} to {highest}")
    return int(text)


def _codecs(section: _Section, formats: str) -> tuple[OfferedCodec, ...]:
    by_type: dict[int, tuple[str, int, int]] = {}
    for value in section.listed.get("rtpmap", []):
        head, _, description = value.partition(" ")
        bits = description.strip().split("/")
        if len(bits) < 2:
            raise BadSdp("an rtpmap line is malformed")
        channels = _number(bits[2], 1, 255, "channels") if len(bits) > 2 else 1
        by_type[_number(head, 0, 127, "payload type")] = (bits[0], _number(bits[1], 1, 10**6, "clock rate"), channels)
    fmtp = dict(_keyed(section.listed.get("fmtp", [])))
    repair, feedback = _repair_formats(by_type, fmtp), _feedback(section)
    order = [_number(item, 0, 127, "payload type") for item in formats.split()]
    return tuple(
        OfferedCodec(
            payload_type, *by_type[payload_type], fmtp.get(payload_type, ""),
            tuple(feedback.get(str(payload_type), []) + feedback.get("*", [])), repair.get(payload_type),
        )
        for payload_type in dict.fromkeys(order)
        if payload_type in by_type
    )  # fmt: skip


def _keyed(values: list[str]) -> list[tuple[int, str]]:
    pairs = (value.partition(" ") for value in values)
    return [(_number(head, 0, 127, "payload type"), rest.strip()) for head, _, rest in pairs]


def _repair_formats(by_type: dict[int, tuple[str, int, int]], fmtp: dict[int, str]) -> dict[int, int]:
    repair: dict[int, int] = {}
    for payload_type, (name, _, _) in by_type.items():
        match = re.search(r"(?:^|;)\s*apt=(\d{1,3})(?:;|$)", fmtp.get(payload_type, ""))
        if name.lower() == "rtx" and match is not None:
            repair.setdefault(int(match.group(1)), payload_type)
    return repair


def _feedback(section: _Section) -> dict[str, list[str]]:
    """Group the rtcp-fb lines by payload type as written; "*" holds for all."""
    grouped: dict[str, list[str]] = {}
    for value in section.listed.get("rtcp-fb", []):
        head, _, rest = value.partition(" ")
        grouped.setdefault(head, []).append(rest.strip())
    return grouped


def _extensions(section: _Section) -> dict[str, int]:
    extensions: dict[str, int] = {}
    for value in section.listed.get("extmap", []):
        bits = value.split()
        if len(bits) < 2:
            raise BadSdp("an extmap line is malformed")
        extensions.setdefault(bits[1], _number(bits[0].partition("/")[0], 1, 255, "extmap id"))
    return extensions


def _sources(section: _Section) -> tuple[tuple[int, ...], dict[int, int]]:
    heads = (value.split(" ", 1)[0] for value in section.listed.get("ssrc", [])[:64])
    ssrcs = tuple(dict.fromkeys(_number(head, 0, 0xFFFFFFFF, "ssrc") for head in heads))
    repairs: dict[int, int] = {}
    for value in section.listed.get("ssrc-group", [])[:16]:
        bits = value.split()
        if len(bits) == 3 and bits[0] == "FID":
            repairs[_number(bits[2], 0, 0xFFFFFFFF, "ssrc")] = _number(bits[1], 0, 0xFFFFFFFF, "ssrc")
    return ssrcs, repairs
