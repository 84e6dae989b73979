"""What a frame to one viewer costs nginx with its nchan module, in the same run, where both are installed. I/O.

One worker serves as many WebSocket readers; frames of the same size are posted to it as often. Its CPU time holds the
posts as well, one for each turn over all viewers.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from load_tests.bench.processes import BenchFailed, Usage, started

_MODULE: Final = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_START_TIMEOUT_S: Final = 10.0
_SPARE_CONNECTIONS: Final = 64

_CONFIGURATION: Final = """
load_module {module};
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile {connections};
pid nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = / {{ nchan_subscriber websocket; nchan_channel_id room; nchan_subscriber_first_message newest; }}
    location = /post {{ nchan_publisher http; nchan_channel_id room; nchan_message_buffer_length 10; }}
  }}
}}
"""


async def nchan_us_per_frame(viewers: int, size: int, per_s: float, seconds: float, core: int | None) -> float | None:
    """Write frames of `size` bytes to as many viewers, as often; return the CPU of one, or None without nchan."""
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if nginx is None or not _MODULE.exists():
        return None
    async with (
        _serving(nginx, viewers, core) as (port, workers),
        started("load_tests.bench.bare_readers", str(port), str(viewers), "--upgrade") as readers,
    ):
        await readers.read(120)
        before_s = sum(Usage.of(pid).cpu_s for pid in workers)
        turns = await _post(port, viewers, size, int(per_s * seconds), per_s)
        used_s = sum(Usage.of(pid).cpu_s for pid in workers) - before_s
    return round(used_s * 1e6 / turns / viewers, 2)


async def _post(port: int, viewers: int, size: int, turns: int, per_s: float) -> int:
    """Post at that pace; return how often. Raises BenchFailed when nchan says that fewer were listening."""
    loop = asyncio.get_running_loop()
    began_s, data = loop.time(), b"[" + b" " * (size - 6) + b"]"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        for turn in range(turns):
            if (wait_s := began_s + turn / per_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            async with session.post(f"http://127.0.0.1:{port}/post", data=data) as answer:
                answer.raise_for_status()
                if f"active subscribers: {viewers}\r\n" not in (told := await answer.text()):
                    raise BenchFailed(f"nchan does not write to {viewers} viewers: {told!r}")
    return turns


@asynccontextmanager
async def _serving(nginx: str, viewers: int, core: int | None) -> AsyncIterator[tuple[int, list[int]]]:
    """Run nginx in a folder of its own; yields its port and its processes."""
    with tempfile.TemporaryDirectory(prefix="wcn-") as folder:
        port = _configure(Path(folder), viewers)
        pin = ("taskset", "-c", str(core)) if core is not None else ()
        command = (*pin, nginx, "-p", folder, "-c", "nginx.conf", "-e", "stderr")
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        try:
            yield port, [process.pid, *await _workers(process.pid, port)]
        finally:
            process.terminate()
            try:
                async with asyncio.timeout(_START_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def _configure(folder: Path, viewers: int) -> int:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port: int = reserved.getsockname()[1]
    user = "user root;" if os.getuid() == 0 else ""
    told = _CONFIGURATION.format(port=port, module=_MODULE, connections=viewers + _SPARE_CONNECTIONS, user=user)
    (folder / "nginx.conf").write_text(told)
    return port


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _workers(master: int, port: int) -> list[int]:
    """Wait until nginx answers; return its children. Raises TimeoutError."""
    async with asyncio.timeout(_START_TIMEOUT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return _children(master)
