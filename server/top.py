"""`./run top`: a live view of a deployment, asked at its admin ports. Does I/O: HTTP and the terminal."""

import asyncio
import time
from collections.abc import Sequence

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.live import Live
from rich.table import Table

from server.top_rows import Figures, Row, Target, gone, row

_ANSWER_S = 4.0
_COLUMNS = (
    ("cpu %", "cpu_percent"), ("MB", "memory_mb"), ("sockets", "connections"), ("viewers", "viewers"),
    ("events/s", "events_per_s"), ("frames/s", "frames_out_per_s"), ("pkt in/s", "packets_in_per_s"),
    ("pkt out/s", "packets_out_per_s"), ("orders/s", "orders_per_s"), ("HTTP/s", "requests_per_s"),
    ("outbox", "outbox_waiting"), ("room ms", "room_lag_ms"), ("loop ms", "loop_lag_ms"),
)  # fmt: skip


class TopError(Exception):
    """Nothing answers at the address; the message says what to try."""


class _Watch:
    """Remembers the last scrape of each process."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self._address = address
        self._session = session
        self._last: dict[Target, tuple[float, Figures]] = {}

    async def look(self) -> list[Row]:
        """Scrape every process at once; rates are those since the last look, 0 at the first. Raises TopError."""
        targets = await self._targets()
        rows = await asyncio.gather(*(self._row(target) for target in targets))
        self._last = {target: self._last[target] for target in targets if target in self._last}
        return rows

    async def _targets(self) -> list[Target]:
        """Ask the supervisor for its processes; a process without one stands for itself."""
        try:
            async with asyncio.timeout(_ANSWER_S), self._session.get(f"http://{self._address}/targets") as answer:
                if answer.status == 404:
                    return [Target(self._address, "all", "all")]
                groups = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            why = type(error).__name__
            raise TopError(f"nothing answers at {self._address} ({why}): name an admin port, --at HOST:PORT") from None
        return [Target(one["targets"][0], one["labels"]["process"], one["labels"]["role"]) for one in groups]

    async def _row(self, target: Target) -> Row:
        try:
            async with asyncio.timeout(_ANSWER_S), self._session.get(f"http://{target.address}/metrics") as answer:
                figures = _figures(await answer.text())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            self._last.pop(target, None)
            return gone(target)
        now_s = time.monotonic()
        before_s, before = self._last.get(target, (now_s - 1.0, figures))
        self._last[target] = now_s, figures
        return row(target, before, figures, now_s - before_s)


def _figures(text: str) -> Figures:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


async def show_once(address: str, every_s: float, *, as_json: bool) -> str:
    """Look twice, `every_s` apart, and write one frame. Raises TopError."""
    async with aiohttp.ClientSession() as session:
        watch = _Watch(address, session)
        await watch.look()
        await asyncio.sleep(every_s)
        rows = await watch.look()
    if as_json:
        return msgspec.json.encode({"processes": rows}).decode()
    console = Console(width=max(150, Console().width))
    with console.capture() as frame:
        console.print(_table(rows))
    return frame.get().rstrip()


async def show_live(address: str, every_s: float) -> None:
    """Draw a frame every `every_s` until cancelled; while nothing answers that is said in its place."""
    async with aiohttp.ClientSession() as session:
        watch = _Watch(address, session)
        with Live(auto_refresh=False, screen=True) as live:
            while True:
                try:
                    live.update(_table(await watch.look()), refresh=True)
                except TopError as error:
                    live.update(str(error), refresh=True)
                await asyncio.sleep(every_s)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title=f"Wealthcast  {time.strftime('%H:%M:%S')}", title_justify="left", box=None, pad_edge=False)
    table.add_column("process")
    for title, _ in _COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("alerts")
    for one in rows:
        cells = [_cell(getattr(one, name)) for _, name in _COLUMNS]
        table.add_row(one.process, *cells, ", ".join(one.trouble), style="red" if one.trouble else None)
    return table


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
