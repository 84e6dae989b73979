"""A small fake of the gateway's door, because what it does to the pages is what is tested. Does I/O: WebSockets."""

import asyncio
from typing import Any

from aiohttp import WSMsgType, web
from playwright.async_api import ConsoleMessage, Page

from server.http.pages import load_site

PATIENCE_S = 30.0
SITE = load_site()
MODULES = f"/static/{SITE.digest}/js"
WELCOME = {
    "type": "welcome", "connection_id": "cn", "server_time_ms": 0, "heartbeat_s": 15, "reconnect_after_ms": 10,
    "you": {"account_id": "ac_a", "nickname": "a", "role": "viewer"}, "points_balance": 5,
    "limits": {"text_chars": 200, "comments_per_10s": 5}, "snapshot": {"comments": []}, "epoch": "e1", "offset": 7,
}  # fmt: skip


class Door:
    """What the fake gateway heard, connection by connection, and how it behaves."""

    def __init__(self) -> None:
        self.heard: list[list[dict[str, Any]]] = []
        self.addresses: list[str] = []
        self.close_codes: list[int] = []  # after the first comment of each connection; empty means it is answered
        self.replies: list[dict[str, Any] | None] = []  # to the first frames with an id, in turn; None is silence
        self.sockets: list[web.WebSocketResponse] = []
        self.arrived = asyncio.Condition()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["wealthcast.v1.json"])
        await socket.prepare(request)
        mine: list[dict[str, Any]] = []
        self.heard.append(mine)
        self.sockets.append(socket)
        self.addresses.append(str(request.url))
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            frame = message.json()
            async with self.arrived:
                mine.append(frame)
                self.arrived.notify_all()
            await self._answer(socket, frame)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        if frame["type"] == "hello":
            await socket.send_json([WELCOME])
        elif self.close_codes:
            await socket.close(code=self.close_codes.pop(0))
        elif "id" in frame and self.replies:
            reply = self.replies.pop(0)
            if reply is not None:
                await socket.send_json([{"type": "error", "message": "", **reply, "id": frame["id"]}])
        elif "id" in frame:
            await socket.send_json([{"type": "ack", "id": frame["id"], "verdict": "pass"}])

    def asked(self) -> list[dict[str, Any]]:
        """Every frame with an id, over all connections."""
        return [frame for frames in self.heard for frame in frames if "id" in frame]

    async def until_connections(self, count: int, frames: int) -> None:
        """Wait until the connection of that number has sent that many frames."""
        async with self.arrived:
            await asyncio.wait_for(
                self.arrived.wait_for(lambda: len(self.heard) >= count and len(self.heard[count - 1]) >= frames),
                PATIENCE_S,
            )


def complaints(page: Page) -> list[str]:
    """Collect what the page complains of from now on: errors, and refusals of the policy among them."""
    found: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found
