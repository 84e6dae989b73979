"""SDP fragments of WHIP's and WHEP's PATCH (RFC 8840 §9, RFC 9725 §4.3): trickled candidates, ICE restarts. Pure.

Of what a client sends only its credentials matter: an ICE-lite end sends no checks, so its candidates are not needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from streaming.errors import BadSdp
from streaming.ice_lite import Credentials

MAX_LINES = 500
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A client's fragment; both are empty where it only trickles without naming its credentials."""

    ufrag: str
    password: str


@dataclass(frozen=True, slots=True)
class BundleTag:
    """The section whose transport the whole bundle uses, as the offer named it."""

    kind: str
    protocol: str
    mid: str
    payload_type: int


def parse_fragment(text: str) -> Fragment:
    """Read a fragment; raises BadSdp for what is none, and where sections disagree about the credentials."""
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise BadSdp("the fragment is too long")
    found: dict[str, set[str]] = {"ice-ufrag": set(), "ice-pwd": set()}
    for line in lines:
        if line.strip() and not re.match(r"[a-z]=", line):
            raise BadSdp("a line is not of the form x=value")
        name, _, value = line[2:].strip().partition(":")
        if line.startswith("a=") and name in found:
            found[name].add(value)
    if any(len(values) > 1 for values in found.values()):
        raise BadSdp("the sections of a bundle share one ufrag and one password")
    ufrag, password = (next(iter(values), "") for values in found.values())
    if ufrag and not _UFRAG.fullmatch(ufrag):
        raise BadSdp("ice-ufrag is malformed")
    if password and not _PASSWORD.fullmatch(password):
        raise BadSdp("ice-pwd is malformed")
    return Fragment(ufrag, password)


def build_fragment(credentials: Credentials, candidate_lines: Sequence[str], tag: BundleTag) -> str:
    """Write what a restart is answered with: new credentials, and the candidates once more."""
    lines = [
        "a=ice-lite",
        f"m={tag.kind} 9 {tag.protocol} {tag.payload_type}",
        f"a=mid:{tag.mid}",
        f"a=ice-ufrag:{credentials.ufrag}",
        f"a=ice-pwd:{credentials.password}",
        *candidate_lines,
    ]
    return "\r\n".join(lines) + "\r\n"
