"""One socket serves everybody: packets find their session, strangers find nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterator

import pytest
from aioice import stun

from streaming.ice_lite import Address, Credentials, IceLiteAgent
from streaming.port import MAX_ADDRESSES, MediaPort
from tests.streaming.harness import eventually

PASSWORD = "p" * 24


class Recorder:
    """An endpoint that notes what reaches it."""

    def __init__(self, ufrag: str) -> None:
        self.ice = IceLiteAgent(Credentials(ufrag, PASSWORD, "theirs"), 0.0)
        self.seen: list[tuple[str, object]] = []
        self.rtp_arrived_s = 0.0

    def addressed(self, address: Address, *, nominated: bool, now_s: float) -> None:
        self.seen.append(("nominated" if nominated else "addressed", address))

    def receive_dtls(self, datagram: bytes) -> None:
        self.seen.append(("dtls", datagram))

    def receive_rtp(self, datagram: bytes, now_s: float) -> None:
        self.seen.append(("rtp", datagram))
        self.rtp_arrived_s = now_s

    def receive_rtcp(self, datagram: bytes, now_s: float) -> None:
        self.seen.append(("rtcp", datagram))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.seen]


def binding(ufrag: str, password: str = PASSWORD) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes.update({"USERNAME": f"{ufrag}:theirs", "USE-CANDIDATE": None})
    message.add_message_integrity(password.encode())
    return bytes(message)


def open_port(host: str = "127.0.0.1") -> MediaPort:
    return MediaPort(host, 0, send_buffer_bytes=1 << 20, receive_buffer_bytes=1 << 20, clock=lambda: 1.0)


@pytest.fixture
def port() -> Iterator[MediaPort]:
    opened = open_port()
    yield opened
    opened.stop()


def test_a_restarted_session_is_found_under_both_names_until_the_new_one_is_nominated(port: MediaPort) -> None:
    endpoint, here, there = Recorder("ours"), ("203.0.113.1", 5), ("203.0.113.2", 6)
    port.register(endpoint)
    for ufrag in ("lost", "fresh"):
        port.reroute(endpoint, endpoint.ice.restart(Credentials(ufrag, PASSWORD, "theirs")))
    assert set(port._by_ufrag) == {"ours", "fresh"}
    port._dispatch(binding("ours"), here)
    port._dispatch(binding("fresh"), there)
    assert set(port._by_ufrag) == {"fresh"}
    assert endpoint.seen == [("nominated", here), ("nominated", there)]
    port._dispatch(binding("ours"), here)
    assert port.counters.unknown_ufrag == 1
    port.unregister(endpoint)
    assert not port._by_ufrag
    assert not port._by_address
    assert not port._addresses


def test_packets_are_told_apart_by_their_first_byte_and_sent_by_address(port: MediaPort) -> None:
    endpoint, address = Recorder("ours"), ("203.0.113.1", 5)
    port.register(endpoint)
    rtp, rtcp, dtls = bytes([128, 96]) + bytes(20), bytes([128, 200]) + bytes(20), bytes([22]) + bytes(20)
    for datagram in (rtp, rtcp, dtls):
        port._dispatch(datagram, address)
    assert endpoint.seen == []
    assert port.counters.unknown_address == 3
    port._dispatch(binding("ours"), address)
    for datagram in (rtp, rtcp, dtls, bytes([64]) + bytes(20), b"\x80"):
        port._dispatch(datagram, address)
    assert endpoint.kinds() == ["nominated", "rtp", "rtcp", "dtls"]
    assert port.counters.malformed == 2
    port._dispatch(rtp, ("203.0.113.1", 6))
    assert len(endpoint.seen) == 4


def test_a_stranger_or_a_wrong_password_opens_no_address(port: MediaPort) -> None:
    endpoint, address = Recorder("ours"), ("203.0.113.1", 5)
    port.register(endpoint)
    port._dispatch(binding("nobody"), address)
    port._dispatch(binding("ours", "q" * 24), address)
    port._dispatch(bytes([128, 96]) + bytes(20), address)
    assert endpoint.seen == []
    assert (port.counters.unknown_ufrag, port.counters.stun_rejected, port.counters.unknown_address) == (1, 1, 1)


def test_a_session_holds_few_addresses_and_none_after_its_end(port: MediaPort) -> None:
    endpoint = Recorder("ours")
    port.register(endpoint)
    for number in range(100):
        port._dispatch(binding("ours"), ("203.0.113.1", 1000 + number))
    assert len(port._by_address) == MAX_ADDRESSES
    assert ("203.0.113.1", 1099) in port._by_address
    port.unregister(endpoint)
    assert not port._by_address
    assert not port._by_ufrag
    port.unregister(endpoint)


def test_an_address_taken_by_another_session_can_be_won_back(port: MediaPort) -> None:
    first, second, address = Recorder("first"), Recorder("second"), ("203.0.113.1", 5)
    port.register(first)
    port.register(second)
    for _ in range(3 * MAX_ADDRESSES):
        port._dispatch(binding("first"), address)
        port._dispatch(binding("second"), address)
    assert port._by_address[address] is second
    port._dispatch(binding("first"), address)
    port.unregister(second)
    assert port._by_address == {address: first}


def test_the_kernels_buffers_are_reported(port: MediaPort) -> None:
    assert port.send_buffer_bytes >= 4096
    assert port.receive_buffer_bytes == port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def test_a_port_in_use_is_an_error_and_leaks_no_socket(port: MediaPort) -> None:
    with pytest.raises(OSError, match="in use"):
        MediaPort(
            "127.0.0.1", port.local_port, send_buffer_bytes=1 << 16, receive_buffer_bytes=1 << 16, clock=lambda: 0.0
        )


@pytest.mark.skipif(sys.platform != "linux", reason="kernel time stamps are Linux's")
def test_a_packet_that_waited_in_the_kernel_keeps_its_true_arrival_time(port: MediaPort) -> None:
    endpoint = Recorder("ours")
    port.register(endpoint)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(binding("ours"), ("127.0.0.1", port.local_port))
        sender.sendto(bytes([128, 96]) + bytes(20), ("127.0.0.1", port.local_port))
        time.sleep(0.1)
        port._readable()
    assert endpoint.kinds() == ["nominated", "rtp"]
    assert endpoint.rtp_arrived_s <= 1.0 - 0.09


async def test_an_endpoint_that_fails_does_not_stop_the_port(port: MediaPort) -> None:
    class Broken(Recorder):
        def receive_rtp(self, datagram: bytes, now_s: float) -> None:
            raise RuntimeError("broken")

    broken, sound = Broken("broken"), Recorder("sound")
    port.register(broken)
    port.register(sound)
    port.start(asyncio.get_running_loop(), lambda *_: None)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bad,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as good,
    ):
        for sender, ufrag in ((bad, "broken"), (good, "sound")):
            sender.sendto(binding(ufrag), ("127.0.0.1", port.local_port))
            sender.sendto(bytes([128, 96]) + bytes(20), ("127.0.0.1", port.local_port))
        await eventually("the sound one is served", lambda: "rtp" in sound.kinds())


@pytest.mark.parametrize(("bind", "client"), [("::1", "::1"), ("::", "127.0.0.1")])
async def test_ipv6_and_mapped_ipv4_clients_are_answered(bind: str, client: str) -> None:
    try:
        port = open_port(bind)
    except OSError:
        pytest.skip("this machine has no IPv6")
    endpoint, answers = Recorder("ours"), list[bytes]()
    port.register(endpoint)
    port.start(asyncio.get_running_loop(), lambda answer, address: answers.append(answer))
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.bind((client, 0))
        sender.sendto(binding("ours"), (client, port.local_port))
        await eventually("the binding is answered", lambda: bool(answers))
        mapped = stun.parse_message(answers[0]).attributes["XOR-MAPPED-ADDRESS"]
        assert mapped == (client, sender.getsockname()[1])
    port.stop()


def test_random_datagrams_from_anywhere_never_raise(port: MediaPort) -> None:
    port.register(Recorder("ours"))
    for length in range(0, 300):
        port._dispatch(os.urandom(length), ("203.0.113.1", length))
    assert port.counters.packets_received == 300
