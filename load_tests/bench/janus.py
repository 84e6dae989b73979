"""Janus with one streaming mountpoint, where it is installed: the relay everybody can compare with. Starts a process.

Debian's packages put the plugins under /usr/lib; only the streaming plugin and the HTTP transport are loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from load_tests.bench.offers import AUDIO_PAYLOAD_TYPE, VIDEO_PAYLOAD_TYPE
from load_tests.bench.webrtc_client import ConnectFailed, WebRtcClient

_START_TIMEOUT_S: Final = 20.0
_EVENT_TIMEOUT_S: Final = 30.0
_MOUNTPOINT: Final = 1


class JanusUnavailable(Exception):
    """Janus is not installed, or did not start."""


@dataclass(frozen=True, slots=True)
class Janus:
    """A running Janus: where its API is, and where the mountpoint takes plain RTP."""

    pid: int
    api: str
    audio_port: int
    video_port: int


@asynccontextmanager
async def running() -> AsyncIterator[Janus]:
    """Run Janus for the length of the block; raises JanusUnavailable."""
    program, libraries = _installed()
    with tempfile.TemporaryDirectory() as folder:
        http, audio, video = _free_ports()
        _configure(Path(folder), libraries, http, audio, video)
        process = await asyncio.create_subprocess_exec(
            program, "-F", folder, "-C", f"{folder}/janus.jcfg", "--disable-stdout",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            janus = Janus(process.pid, f"http://127.0.0.1:{http}/janus", audio, video)
            await _wait_until_up(janus, process)
            yield janus
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _installed() -> tuple[str, Path]:
    program = shutil.which("janus")
    libraries = next(Path("/usr/lib").glob("*/janus"), None)
    if program is None or libraries is None:
        raise JanusUnavailable("janus is not installed")
    return program, libraries


def _free_ports() -> tuple[int, int, int]:
    with (
        socket.socket() as http,
        socket.socket(type=socket.SOCK_DGRAM) as audio,
        socket.socket(type=socket.SOCK_DGRAM) as video,
    ):
        for opened in (http, audio, video):
            opened.bind(("127.0.0.1", 0))
        return http.getsockname()[1], audio.getsockname()[1], video.getsockname()[1]


def _configure(folder: Path, libraries: Path, http: int, audio: int, video: int) -> None:
    for kind, name in (("plugins", "libjanus_streaming.so"), ("transports", "libjanus_http.so")):
        (folder / kind).mkdir()
        (folder / kind / name).symlink_to(libraries / kind / name)
    for kind in ("events", "loggers"):
        (folder / kind).mkdir()
    folders = "\n".join(f'{kind}_folder = "{folder}/{kind}"' for kind in ("plugins", "transports", "events", "loggers"))
    (folder / "janus.jcfg").write_text(
        f'general: {{ configs_folder = "{folder}"\n{folders}\nsession_timeout = 0\ndebug_level = 1 }}\n'
        "nat: { ice_lite = true }\n"
    )
    (folder / "janus.transport.http.jcfg").write_text(
        f'general: {{ http = true\nport = {http}\nip = "127.0.0.1"\nhttps = false }}\nadmin: {{ admin_http = false }}\n'
    )
    (folder / "janus.plugin.streaming.jcfg").write_text(
        f'bench: {{ type = "rtp"\nid = {_MOUNTPOINT}\naudio = true\nvideo = true\n'
        f'audioport = {audio}\naudiopt = {AUDIO_PAYLOAD_TYPE}\naudiocodec = "opus"\n'
        f'videoport = {video}\nvideopt = {VIDEO_PAYLOAD_TYPE}\nvideocodec = "vp8" }}\n'
    )


async def _wait_until_up(janus: Janus, process: asyncio.subprocess.Process) -> None:
    async with ClientSession(timeout=ClientTimeout(total=2)) as http:
        for _ in range(int(_START_TIMEOUT_S / 0.2)):
            await asyncio.sleep(0.2)
            with contextlib.suppress(ClientError, TimeoutError):
                async with http.get(f"{janus.api}/info") as response:
                    if response.status == 200:
                        return
            if process.returncode is not None:
                break
    raise JanusUnavailable("janus did not start")


class JanusSession:
    """One API session with a handle a viewer; events are fetched by long poll."""

    def __init__(self, http: ClientSession, api: str) -> None:
        self._http = http
        self._api = api
        self._url = ""
        self._offers: dict[int, asyncio.Future[str]] = {}

    async def open(self) -> None:
        """Create the session."""
        self._url = f"{self._api}/{(await self._post(self._api, janus='create'))['data']['id']}"

    async def poll_forever(self) -> None:
        """Hand offers to those who wait for them."""
        while True:
            async with self._http.get(self._url, params={"maxev": "10"}) as response:
                events = await response.json()
            for event in events if isinstance(events, list) else [events]:
                waiting = self._offers.pop(event.get("sender", 0), None) if "jsep" in event else None
                if waiting is not None and not waiting.done():
                    waiting.set_result(event["jsep"]["sdp"])

    async def watch(self, client: WebRtcClient) -> str:
        """Watch the mountpoint: Janus offers, we answer; returns its offer, which says where to connect."""
        attached = await self._post(self._url, janus="attach", plugin="janus.plugin.streaming")
        handle = attached["data"]["id"]
        offered = self._offers[handle] = asyncio.get_running_loop().create_future()
        url = f"{self._url}/{handle}"
        await self._post(url, janus="message", body={"request": "watch", "id": _MOUNTPOINT})
        async with asyncio.timeout(_EVENT_TIMEOUT_S):
            offer: str = await offered
        jsep = {"type": "answer", "sdp": _answer_to(offer, client)}
        await self._post(url, janus="message", body={"request": "start"}, jsep=jsep)
        return offer

    async def _post(self, url: str, **message: Any) -> dict[str, Any]:
        async with self._http.post(url, data=json.dumps({"transaction": "bench", **message})) as response:
            answer: dict[str, Any] = await response.json()
        if answer.get("janus") not in ("success", "ack"):
            raise ConnectFailed(f"janus answered {answer}")
        return answer


def _answer_to(offer: str, client: WebRtcClient) -> str:
    sections = re.split(r"(?m)^(?=m=)", offer.replace("\r\n", "\n"))[1:]
    mids = [match.group(1) for section in sections if (match := re.search(r"(?m)^a=mid:(\S+)", section))]
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {' '.join(mids)}"]
    for section, mid in zip(sections, mids, strict=True):
        lines += [
            section.splitlines()[0],
            "c=IN IP4 0.0.0.0",
            f"a=mid:{mid}",
            "a=recvonly",
            "a=rtcp-mux",
            f"a=ice-ufrag:{client.ufrag}",
            f"a=ice-pwd:{client.password}",
            f"a=fingerprint:sha-256 {client.identity.fingerprint}",
            "a=setup:active",
            *re.findall(r"(?m)^a=rtpmap:.*$", section),
            f"a=candidate:1 1 udp 2130706431 127.0.0.1 {client.address[1]} typ host",
        ]
    return "\r\n".join(lines) + "\r\n"
