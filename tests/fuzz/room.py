"""The room's doors: WebSocket frames as the gateway has them read, what a session makes of them, texts, and headers."""

import ipaddress
import json
import zlib
from random import Random

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from chat.close_codes import CloseCode
from chat.codec import encode
from chat.moderation import Moderator
from chat.permissions import Standing
from chat.phrase_list import shipped_phrases
from chat.ports import Principal
from chat.rate_limit import AccountBuckets
from chat.session import Authenticate, Dismiss, Execute, Join, Say, Session, SessionLimits
from server.gateway.addresses import Addresses, AddressLimits
from server.gateway.options import GatewayOptions
from server.http.asyncapi import client_frames
from server.http.asyncapi_examples import EXAMPLES
from tests.fuzz.mutation import mutated
from tests.fuzz.target import Broken

_FRAMES = [json.dumps(EXAMPLES[kind], ensure_ascii=False).encode() for kind in client_frames()]
_HELLO = _FRAMES[0]
_MONITOR = Principal("ac_m", "monitor", "监看", 0.0)
_STANDING = Standing("monitor", moderates=True, state="live", tips_enabled=True)
_MAX_BYTES = GatewayOptions().max_frame_bytes
# A peer's few bytes may be answered by a pong or a close of as many, never by more.
_ANSWER_BYTES = 64


def text(chance: Random) -> bytes:
    """JSON as clients send it, then mostly not quite: deep, huge numbers, lone surrogates, other types, torn."""
    data, kind = chance.choice(_FRAMES), chance.randrange(8)
    if kind == 0:
        depth = chance.choice((10, 1_000, 8_000))
        return b'{"type":"like","count":' + b"[" * depth + b"]" * chance.choice((0, depth)) + b"}"
    if kind == 1:
        return data.replace(b"}", b',"count":%d,"points":1e%d}' % (10 ** chance.randrange(40), chance.randrange(500)))
    if kind == 2:
        return data.replace(b'":"', b'":"\\ud8%02x' % chance.randrange(256), 1)
    if kind == 3:
        return data.replace(chance.choice((b'"', b"_", b":", b"{")), chance.choice((b"null", b"[]", b"-0", b"\xff")), 2)
    return data if kind < 6 else mutated(chance, data)


class RoomFrames:
    """Bytes on a connection that is open: frames of every kind, fragmented, interleaved, compressed, torn."""

    name = "room_frames"

    def __init__(self) -> None:
        self._session = _Person()
        self._now_s = 0.0

    def make(self, chance: Random) -> bytes:
        """Some frames behind each other, mostly almost right."""
        made = b"".join(self._frame(chance) for _ in range(chance.randint(1, 5)))
        return mutated(chance, made, 3) if chance.random() < 0.5 else made

    def _frame(self, chance: Random) -> bytes:
        opcode = chance.choice((Opcode.TEXT, Opcode.TEXT, Opcode.TEXT, *Opcode))
        data, first = text(chance), 0
        if opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            data = data[: chance.choice((0, 1, 2, 125, 126))]
        elif chance.random() < 0.2:
            # A bomb now and then: 16 MiB in 16 KiB.
            plain = b" " * (16 << 20) if chance.random() < 0.002 else data
            packed = zlib.compressobj(wbits=-12)
            data, first = (packed.compress(plain) + packed.flush(zlib.Z_SYNC_FLUSH))[:-4], 0x40
        return masked(first | opcode | (0x80 if chance.random() < 0.8 else 0), data)

    def feed(self, data: bytes) -> None:
        """Read as the gateway does; what is read goes to a session."""
        protocol = ServerProtocol(state=OPEN, max_size=_MAX_BYTES)
        protocol.extensions = [PerMessageDeflate(True, True, 12, 15)]
        protocol.receive_data(data)
        whole = b""
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                whole += bytes(event.data)
                if len(whole) > _MAX_BYTES and event.fin:
                    raise Broken("more was read than one message may hold")
                if event.fin:
                    self._now_s += 0.1
                    self._session.hear(whole.decode("utf-8", "replace"), self._now_s)
                    whole = b""
        if sum(map(len, protocol.data_to_send())) > len(data) + _ANSWER_BYTES:
            raise Broken("a peer's bytes are answered by more")


def masked(first: int, data: bytes) -> bytes:
    """A client's frame under a mask of nought, valid or not."""
    size = len(data)
    if size < 126:
        return bytes((first, 0x80 | size)) + bytes(4) + data
    if size < 65_536:
        return bytes((first, 0x80 | 126)) + size.to_bytes(2, "big") + bytes(4) + data
    return bytes((first, 0x80 | 127)) + size.to_bytes(8, "big") + bytes(4) + data


class _Person:
    """A session that is joined anew whenever it ended."""

    def __init__(self) -> None:
        self._limits = SessionLimits()
        self._buckets = AccountBuckets(self._limits.comments)
        self._session = self._begun(0.0)
        self.executed = 0

    def _begun(self, now_s: float) -> Session:
        session = Session(self._limits, self._buckets, now_s)
        session.receive(_HELLO.decode(), now_s, None)
        session.authenticated(_MONITOR, 3_600.0, now_s)
        session.joined()
        return session

    def hear(self, frame: str, now_s: float) -> None:
        effects = self._session.receive(frame, now_s, _STANDING)
        for effect in effects:
            if isinstance(effect, Execute):
                self.executed += 1
                encode(effect.command)
            elif isinstance(effect, Say):
                encode(effect.event)
            elif isinstance(effect, Dismiss):
                if self._session.receive(frame, now_s, _STANDING):
                    raise Broken("a session that is over answers")
                if effect.close_code is CloseCode.INTERNAL:
                    raise Broken("what a client says is an internal error")
                self._session = self._begun(now_s)
            elif not isinstance(effect, Authenticate | Join):
                raise Broken(f"a strange effect: {effect}")


class RoomCommands:
    """Whole text frames into a session, without the WebSocket around them."""

    name = "room_commands"

    def __init__(self) -> None:
        self.person = _Person()
        self._now_s = 0.0

    def make(self, chance: Random) -> bytes:
        """One frame."""
        return text(chance)

    def feed(self, data: bytes) -> None:
        """Hear it; time goes on, and now and then back, as clocks do."""
        self._now_s += -5.0 if data[:1] == b"\xff" else 1.0
        self.person.hear(data.decode("utf-8", "surrogateescape"), self._now_s)


class RoomText:
    """Texts before the moderator: phrases among signs of every kind."""

    name = "room_text"

    def __init__(self) -> None:
        self._moderator = Moderator(shipped_phrases())
        self._phrases = [phrase.text for phrase in shipped_phrases()]

    def make(self, chance: Random) -> bytes:
        """Pieces of phrases, numbers and any characters at all."""
        pieces = [
            chance.choice(
                (
                    chance.choice(self._phrases),
                    str(chance.randrange(10 ** chance.randint(1, 19))),
                    chr(chance.randrange(0x110000)),
                    chance.choice("\u202e\u202c\u200b\u20e3🇨🇳１①Ⓐ.@:/-"),
                )
            )
            for _ in range(chance.randint(1, 40))
        ]
        return "".join(pieces).encode("utf-8", "surrogatepass")

    def feed(self, data: bytes) -> None:
        """Judge; only personal data is changed, and that sign for sign."""
        written = data.decode("utf-8", "surrogatepass")
        judged = self._moderator.judge(written)
        if len(judged.text) != len(written):
            raise Broken("a text changed its length")
        if judged.verdict == "pass" and judged.reasons:
            raise Broken("passed for a reason")


class ForwardedAddress:
    """What stands in X-Forwarded-For, behind a proxy that is trusted."""

    name = "forwarded_address"

    def __init__(self) -> None:
        self._addresses = Addresses(AddressLimits(trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),)))
        self._now_s = 0.0

    def make(self, chance: Random) -> bytes:
        """A list of addresses, mostly torn."""
        listed = ", ".join(
            chance.choice(("10.1.2.3", "203.0.113.9", "2001:db8::1", "[2001:db8::1]:443", "unknown", "::ffff:10.0.0.1"))
            for _ in range(chance.randint(1, 4))
        )
        return mutated(chance, listed.encode(), 2)

    def feed(self, data: bytes) -> None:
        """Find the address and let it in or not."""
        self._now_s += 0.001
        self._addresses.admit(
            self._addresses.key("10.9.9.9", {"X-Forwarded-For": data.decode("latin-1"), "X-Forwarded-Proto": "https"}),
            self._now_s,
        )
