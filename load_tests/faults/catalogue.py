"""The faults: what is broken, for how long, and what goes on meanwhile. Does I/O through the scene."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from load_tests.faults.scene import CannotTry, Scene

Needs = Literal["", "clock", "disk"]
Inject = Callable[[Scene], Awaitable[list[str]]]
"""Breaks something and mends it again; returns what did not go on as promised meanwhile."""

_DISK_FULL_S: Final = 10.0
_DEAD_GONE_S: Final = 60.0
_CLOCK_JUMP_S: Final = 300
_STRANDED_SHARE: Final = 0.3
_SLOW_SHARE: Final = 0.2
_KNOWN_AGAIN_S: Final = 5.0
_SALE_STOPPED: Final = ("monitor_absent", "recording_unavailable", "card_pulled")


@dataclass(frozen=True, slots=True)
class Fault:
    """`needs` says in which kind of installation it can be tried."""

    name: str
    inject: Inject
    needs: Needs = ""


def _killed(worker: str) -> Inject:
    async def inject(scene: Scene) -> list[str]:
        await scene.ask("kill", worker=worker)
        return []

    return inject


async def _media_killed(scene: Scene) -> list[str]:
    """The process that has the publisher: all viewers lose the picture with it."""
    for worker in (await scene.ask("workers"))["workers"]:
        if "media" in worker["roles"]:
            text = (await scene.ask("metrics", port=worker["admin_port"]))["text"]
            if "\nwealthcast_media_publishers 1.0\n" in text:
                await scene.ask("kill", worker=worker["name"])
                return []
    raise CannotTry("no media process has a publisher")


def _restarted(store: str, *, lose: bool = False) -> Inject:
    async def inject(scene: Scene) -> list[str]:
        await scene.ask("kill_store", store=store)
        if lose:
            await scene.ask("lose_redis_data")
        await scene.ask("start", store=store)
        return []

    return inject


def _stopped(store: str) -> Inject:
    async def inject(scene: Scene) -> list[str]:
        loop = asyncio.get_running_loop()
        await scene.ask("stop", store=store)
        began_s = loop.time()
        await asyncio.sleep(scene.away_s)
        failed = await _goes_on(scene, store, began_s)
        await scene.ask("start", store=store)
        if store == "redis":
            await asyncio.sleep(_KNOWN_AGAIN_S)
            stopped = {code: scene.market.sales.refused[code] for code in _SALE_STOPPED}
            if any(stopped.values()):
                failed.append(f"the sale was stopped, though monitor and recorder were there: {stopped}")
        return failed

    return inject


async def _goes_on(scene: Scene, store: str, began_s: float) -> list[str]:
    """Video always; buying without Redis; what needs durability is refused with a hint, and the probes say so."""
    loop = asyncio.get_running_loop()
    failed = []
    if dark := scene.dark_watchers(began_s):
        failed.append(f"{dark} watchers lost the picture while {store} was away")
    refused, sales = scene.sale.answers.refused, scene.market.sales
    if not refused["unavailable"]:
        failed.append(f"nobody was told in the room that {store} is away")
    if hintless := scene.sale.answers.without_hint + scene.show.answers.without_hint + sales.without_hint:
        failed.append(f"{hintless} refusals without a hint when to return")
    if store == "redis" and sales.last_decided_s < loop.time() - 5.0:
        failed.append(f"buying stopped while redis was away: {dict(sales.refused)}")
    asked_s = loop.time()
    ready = await scene.ask("ready")
    if ready["status"] != 503 or store not in ready["text"]:
        failed.append(f"/readyz said {ready['status']} while {store} was away")
    if loop.time() - asked_s > 5.0:
        failed.append(f"/readyz took {loop.time() - asked_s:.1f} s")
    for worker in (await scene.ask("workers"))["workers"]:
        text = (await scene.ask("metrics", port=worker["admin_port"]))["text"]
        if f'wealthcast_part_up{{part="{store}"}} 0.0' not in text:
            failed.append(f"the metrics of {worker['name']} do not say that {store} is away")
    return failed


def _network(**conditions: float | bool) -> Inject:
    async def inject(scene: Scene) -> list[str]:
        scene.road.set(**conditions)  # type: ignore[arg-type]
        await asyncio.sleep(scene.away_s)
        scene.road.set()
        return []

    return inject


async def _half_open(scene: Scene) -> list[str]:
    """Some vanish behind a NAT that forgot them; they come back by other connections, and the dead are found."""
    loop = asyncio.get_running_loop()
    expected = await scene.gateway_connections()
    stranded = scene.road.strand(_STRANDED_SHARE, scene.gateway_port)
    began_s = loop.time()
    await asyncio.sleep(5)
    while (held := await scene.gateway_connections()) > expected and loop.time() - began_s < _DEAD_GONE_S:  # noqa: ASYNC110
        await asyncio.sleep(1)
    failed = [f"{held - expected} of {stranded} dead connections are held yet"] if held > expected else []
    asked_s = loop.time()
    if (await scene.ask("ready"))["status"] != 200:
        failed.append("/readyz did not say ready with dead peers")
    if loop.time() - asked_s > 5.0:
        failed.append("dead peers held up /readyz")
    scene.road.clear_dead_ends()
    return failed


def _full(disk: str) -> Inject:
    async def inject(scene: Scene) -> list[str]:
        if disk == "recordings" and not scene.ready["recordings_can_be_filled"]:
            raise CannotTry("a small disk cannot be mounted here")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while loop.time() - began_s < _DISK_FULL_S:
            await scene.ask("fill", disk=disk)
            await asyncio.sleep(1)
        failed = []
        if dark := scene.dark_watchers(began_s):
            failed.append(f"{dark} watchers lost the picture while the disk was full")
        if disk == "recordings" and not scene.market.sales.refused["recording_unavailable"]:
            failed.append("buying was not paused while nothing could be recorded")
        await scene.ask("free", disk=disk)
        if disk == "data":  # as systemd would: a PostgreSQL that cannot write its log ends itself
            await scene.ask("start", store="postgres")
            await scene.ask("start", store="redis")
        return failed

    return inject


async def _clock_jump(scene: Scene) -> list[str]:
    for seconds in (_CLOCK_JUMP_S, 0):
        await scene.ask("jump", seconds=seconds)
        await asyncio.sleep(10)
    return []


async def _slow_readers(scene: Scene) -> list[str]:
    slow = scene.sale.people[: int(len(scene.sale.people) * _SLOW_SHARE)]
    for person in slow:
        person.read(False)
    await asyncio.sleep(scene.away_s)
    others = [one for one in scene.sale.people if one not in slow]
    failed = [f"{gone} others are out"] if (gone := sum(not one.welcomed for one in others)) else []
    for person in slow:
        person.read(True)
    return failed


async def _publisher_flaps(scene: Scene) -> list[str]:
    publisher = scene.publisher
    if publisher is None:
        raise CannotTry("there is no publisher in this load")
    joined = sum(watcher.joins for watcher in scene.watchers)
    for _ in range(5):
        publisher.allowed.clear()
        await asyncio.sleep(1)
        publisher.allowed.set()
        await asyncio.sleep(4)
    again = sum(watcher.joins for watcher in scene.watchers) - joined
    return [f"{again} watchers had to join again"] if again else []


async def _rolled(scene: Scene) -> list[str]:
    """Every process is replaced while all goes on."""
    outcome = (await scene.ask("roll"))["outcome"]
    return [] if outcome == "done" else [f"the rolling restart was {outcome}"]


async def _monitor_gone(scene: Scene) -> list[str]:
    scene.staff.send_monitor_away(True)
    await asyncio.sleep(scene.away_s)
    refused = scene.market.sales.refused
    failed = [] if refused["monitor_absent"] or refused["card_pulled"] else ["buying went on without a monitor"]
    scene.staff.send_monitor_away(False)
    return failed


FAULTS: Final = (
    Fault("api_killed", _killed("api")),
    Fault("commerce_killed", _killed("commerce")),
    Fault("gateway_killed", _killed("gateway-1")),
    Fault("media_killed", _media_killed),
    Fault("redis_restarted", _restarted("redis")),
    Fault("redis_stopped_20s", _stopped("redis")),
    Fault("redis_data_lost", _restarted("redis", lose=True)),
    Fault("postgres_restarted", _restarted("postgres")),
    Fault("postgres_stopped_20s", _stopped("postgres")),
    Fault("network_slow", _network(delay_s=0.3)),
    Fault("network_lossy", _network(loss=0.05)),
    Fault("network_cut", _network(cut=True)),
    Fault("half_open", _half_open),
    Fault("disk_full", _full("data"), "disk"),
    Fault("clock_jump", _clock_jump, "clock"),
    Fault("slow_readers", _slow_readers),
    Fault("publisher_flaps", _publisher_flaps),
    Fault("monitor_gone", _monitor_gone),
    Fault("recorder_disk_full", _full("recordings")),
    Fault("rolling_restart", _rolled),
)
OPTIONS: Final[dict[Needs, tuple[str, ...]]] = {"": (), "clock": ("--clock",), "disk": ("--disk-mib", "900")}
