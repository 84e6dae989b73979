"""Compiles and runs the floor of forwarding (`floor.c`): crypto alone, and a bare sendmmsg. Starts processes."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from load_tests.bench import pattern

_SOURCE: Final = Path(__file__).with_name("floor.c")
_COMPILE_TIMEOUT_S: Final = 60.0


class FloorUnavailable(Exception):
    """No compiler or no OpenSSL headers: there is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Microseconds of CPU a packet and receiver."""

    crypto_us: float
    send_us: float

    @property
    def total_us(self) -> float:
        """Both together: what no relay can undercut."""
        return self.crypto_us + self.send_us


async def measure(ports: list[int], seconds: float) -> Floor:
    """Send the pattern's bytes to these loopback ports in its pace; raises FloorUnavailable."""
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder, "floor"))
        await _run(["cc", "-O2", "-o", program, str(_SOURCE), "-lcrypto"], b"", _COMPILE_TIMEOUT_S)
        given = "".join(f"{port}\n" for port in ports).encode()
        sizes = [str(pattern.VIDEO_BYTES), str(pattern.AUDIO_BYTES)]
        costs = []
        for mode in ("crypto", "send"):
            printed = await _run([program, mode, f"{seconds:g}", *sizes], given, seconds * 3 + 30)
            packets, cpu_s = printed.split()
            costs.append(float(cpu_s) * 1e6 / max(1, int(packets)))
    return Floor(*costs)


async def _run(command: list[str], given: bytes, timeout_s: float) -> str:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    except FileNotFoundError:
        raise FloorUnavailable(f"{command[0]} is not installed") from None
    try:
        async with asyncio.timeout(timeout_s):
            printed, errors = await process.communicate(given)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise FloorUnavailable(f"{command[0]} took longer than {timeout_s:g} s") from None
    if process.returncode != 0:
        raise FloorUnavailable(errors.decode(errors="replace").strip()[-500:])
    return printed.decode()
