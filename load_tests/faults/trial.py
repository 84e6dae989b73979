"""One fault from its injection to its verdict. Does I/O through the scene."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from load_tests.faults.catalogue import Fault
from load_tests.faults.room_people import Room
from load_tests.faults.scene import CannotTry, Load, Scene
from load_tests.faults.verdict import RECOVERS_WITHIN_S, Verdict

_QUOTA_FOR_S: Final = 20.0
_MEAN_AMOUNT_MINOR: Final = 200_000
_GIVE_UP_S: Final = 1.5 * RECOVERS_WITHIN_S

Say = Callable[[str], None]
Rss = tuple[dict[str, float], dict[str, float]]
"""Resident megabytes of each process, before and after."""


async def tried(fault: Fault, scene: Scene, load: Load, after_s: float, say: Say) -> Verdict:
    """Break, wait for recovery and `after_s` more, compare; a fault that cannot be tried says why."""
    loop = asyncio.get_running_loop()
    await scene.ask(
        "leave_quota", amount_minor=int(load.buyers_per_s * _QUOTA_FOR_S * _MEAN_AMOUNT_MINOR) // 100_000 * 100_000
    )
    await scene.until_whole(_GIVE_UP_S)
    well_by_s = loop.time() + _GIVE_UP_S
    while (unwell := scene.unwell(0.0)) and loop.time() < well_by_s:  # noqa: ASYNC110  # many processes: none notifies us
        await asyncio.sleep(0.5)
    if unwell:
        return Verdict(fault.name, untried=f"the load was not well before it: {unwell} {dict(scene.stand.said)}")
    scene.begin_anew()
    rss_before = await scene.rss_mb()
    await asyncio.sleep(load.steady_s)
    say(f"{fault.name}: injected")
    began_s = loop.time()
    try:
        failed = await fault.inject(scene)
    except CannotTry as error:
        return Verdict(fault.name, untried=str(error))
    ended_s = loop.time()
    recovery_s = await scene.until_well(ended_s, _GIVE_UP_S)
    if recovery_s is None:
        failed += [f"still: {what}" for what in scene.unwell(ended_s)]
        say(f"{fault.name}: did not recover: {scene.unwell(ended_s)} {dict(scene.stand.said)}")
    else:
        say(f"{fault.name}: {ended_s - began_s:.1f} s broken, everybody served {recovery_s:.1f} s after; watching on")
    await asyncio.sleep(after_s)
    if dark := sorted(watcher.longest_dark_s for watcher in scene.watchers):
        middle, most = dark[len(dark) // 2], dark[-1]
        said = dict(scene.stand.said)
        say(f"{fault.name}: watchers were without media for {middle:.1f} s (median), {most:.1f} s at most {said}")
    await scene.until_whole(_GIVE_UP_S)
    rss_after = await scene.rss_mb()
    return await _judged(fault.name, scene, failed, recovery_s, (rss_before, rss_after), say)


async def _judged(name: str, scene: Scene, failed: list[str], recovery_s: float | None, rss: Rss, say: Say) -> Verdict:
    sales = scene.market.sales
    comments = {**scene.sale.answers.comments}
    held = scene.sale.answers.held
    tips = {one.account_id: one.acked for one in scene.show.people}
    promised: dict[str, Any] = {
        "comments": [*comments, *held],
        "tips": tips,
        "orders": dict(sales.orders),
    }
    found = await scene.ask("compare", promised=promised)
    # Read after the database was: what is asked meanwhile must not look like too much.
    doubled = [
        *_beyond("tips", found["tipped"], {one.account_id: one.asked for one in scene.show.people}),
        *_beyond("orders", found["bought"], {one.account_id: one.asked for one in scene.market.buyers}),
    ]
    audit = await scene.ask("audit")
    gaps = [*_gaps(scene.sale), *_gaps(scene.show)]
    for line in sales.after_retries[:20] if doubled else []:
        say(f"{name}: {line}")
    for excess in doubled[:5]:
        say(f"{name}: {excess}")
    for gap in gaps[:5]:
        say(f"{name}: undeclared gap: {gap}")
    say(
        f"{name}: {len(comments)} comments ({len(held)} held), {len(sales.orders)} orders, refused "
        f"{dict(scene.sale.answers.refused)} {dict(sales.refused)}; {_declared(scene.sale)}"
    )
    if not audit["clean"]:
        say(f"{name}: {audit['said']}")
    before_mb, after_mb = (sum(one.values()) for one in rss)
    grown = {process: round(mb - rss[0].get(process, 0.0), 1) for process, mb in rss[1].items()}
    say(f"{name}: memory grew by {grown}")
    return Verdict(
        name,
        acked=len(comments) + len(held) + len(sales.orders) + sum(tips.values()),
        acked_lost=len(found["lost_comments"]) + len(found["lost_orders"]) + found["lost_tips"],
        orders=len(sales.orders),
        oversold=max(0, found["sold_minor"] - found["quota_minor"]),
        doubled=len(doubled),
        undeclared_gaps=len(gaps),
        repeats=scene.sale.ledger.repeats() + scene.show.ledger.repeats(),
        recovery_s=None if recovery_s is None else round(recovery_s, 1),
        rss_growth_mb=round(after_mb - before_mb, 1),
        audit_clean=audit["clean"],
        failed=tuple(failed),
        sold_minor=found["sold_minor"],
        quota_minor=found["quota_minor"],
        rss_before_mb=before_mb,
    )


def _beyond(what: str, there: dict[str, int], asked: dict[str, int]) -> list[str]:
    """One line for each row more than a customer has asked for, from the beginning of the run."""
    return [
        f"{who} has {there[who]} {what} and asked for {most}"
        for who, most in asked.items()
        for _ in range(there.get(who, 0) - most)
    ]


def _gaps(room: Room) -> list[str]:
    return room.ledger.undeclared_gaps(room.answers.comments)


def _declared(room: Room) -> str:
    snapshots = sum(viewer.snapshots for viewer in room.ledger.viewers)
    lost = sum(viewer.lost for viewer in room.ledger.viewers)
    return f"{snapshots} returned to a snapshot, {lost} were told of a loss"
