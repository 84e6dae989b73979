"""Buyers who order over HTTP in a closed loop: each sends, waits for its answer, and sends again. I/O: HTTP only.

Started with `--port`, `--seconds`, `--clients` and `--buyers FILE` (JSON lines: token, acknowledgement_id); prints one
JSON object. A lean client on purpose: a full one costs more than the order that it measures.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TIMEOUT_S = 30.0
_MINIMUM_MINOR, _INCREMENT_MINOR, _MAXIMUM_MINOR = 100_000, 10_000, 20_000_000


@dataclass
class Heard:
    """What the buyers were answered."""

    reserved: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    took_s: list[float] = field(default_factory=list)


class Line:
    """One kept-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def post(self, path: str, token: str, key: str, body: bytes) -> tuple[int, Any]:
        """Send one request and return its status and JSON."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        async with asyncio.timeout(_TIMEOUT_S):
            answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(answer.split("content-length:", 1)[1].split("\r\n", 1)[0])
            return int(answer[9:12]), json.loads(await self._reader.readexactly(length))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def amount_minor(number: int) -> int:
    """Mixed amounts; 22 % of them break a rule of the product."""
    kind = number % 50
    if kind in (3, 19, 32, 46):
        return _MINIMUM_MINOR - _INCREMENT_MINOR
    if kind in (9, 23, 37, 49):
        return _MINIMUM_MINOR + 1
    if kind in (14, 28, 41):
        return _MAXIMUM_MINOR + _INCREMENT_MINOR
    return _MINIMUM_MINOR + _INCREMENT_MINOR * (number * 7 % 19)


async def _buyer(port: int, buyers: list[dict[str, str]], first: int, step: int, until: float, heard: Heard) -> None:
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    number = first
    while time.monotonic() < until:
        buyer = buyers[number % len(buyers)]
        body = {
            "acknowledgement_id": buyer["acknowledgement_id"],
            "amount_minor": amount_minor(number),
            "currency": "CNY",
        }
        began = time.monotonic()
        status, answer = await line.post("/api/v1/orders", buyer["token"], f"http-{number}", json.dumps(body).encode())
        heard.took_s.append(time.monotonic() - began)
        if status == 201:
            heard.reserved.append(answer["order_id"])
        else:
            heard.refused[answer["code"]] += 1
        number += step
    line.close()


async def _run(port: int, buyers: list[dict[str, str]], clients: int, seconds: float) -> dict[str, Any]:
    heard, began = Heard(), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for n in range(clients):
            group.create_task(_buyer(port, buyers, n, clients, began + seconds, heard))
    elapsed_s = time.monotonic() - began
    ordered = sorted(heard.took_s)
    final = len(heard.reserved) + sum(n for code, n in heard.refused.items() if code not in ("busy", "in_progress"))
    return {
        "orders_per_s": final / elapsed_s,
        "reserved": heard.reserved,
        "refused": heard.refused,
        "p50_ms": 1000 * ordered[len(ordered) // 2],
        "p99_ms": 1000 * ordered[int(0.99 * (len(ordered) - 1))],
    }


def main() -> None:
    """Read the arguments, order, and print what was heard."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--buyers", type=Path, required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    buyers = [json.loads(line) for line in given.buyers.read_text().splitlines()]
    print(json.dumps(asyncio.run(_run(given.port, buyers, given.clients, given.seconds))))


if __name__ == "__main__":
    main()
