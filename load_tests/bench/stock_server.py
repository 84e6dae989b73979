"""Stock aiortc as a server that only joins: what the relay's join is measured against. I/O: a unix socket, UDP.

`python -m load_tests.bench.stock_server PATH` answers offers by JSON lines with one RTCPeerConnection each. Nothing
is sent on them: the cost counted is offer, ICE, DTLS and SRTP keys, which favours stock aiortc.
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from load_tests.show.whip_aiortc import offer_loopback


async def answer_lines(
    peers: list[RTCPeerConnection], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one connection's offers until it ends."""
    while line := await reader.readline():
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peers.append(peer)
        await peer.setRemoteDescription(RTCSessionDescription(json.loads(line)["offer"], "offer"))
        for transceiver in peer.getTransceivers():
            transceiver.direction = "inactive"
        await peer.setLocalDescription(await peer.createAnswer())
        writer.write(json.dumps({"answer": peer.localDescription.sdp}).encode() + b"\n")
    writer.close()


async def serve(path: str) -> None:
    """Run until standard input ends."""
    peers: list[RTCPeerConnection] = []
    offer_loopback()
    await asyncio.start_unix_server(lambda reader, writer: answer_lines(peers, reader, writer), path)
    print(json.dumps({}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
