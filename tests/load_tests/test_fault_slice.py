"""A slice of `./run faults`: a gateway killed, both stores stopped, under a small load; what is promised goes on."""

import asyncio

import pytest

from load_tests.faults.catalogue import FAULTS
from load_tests.faults.scene import Load, staged
from load_tests.faults.trial import tried

LOAD = Load(sockets=12, events_per_s=6, buyers_per_s=2, viewers=2, away_s=6, steady_s=1)
ALL_IN_S = 120.0


@pytest.mark.timeout(400)
async def test_nothing_acknowledged_is_lost_and_what_is_promised_goes_on() -> None:
    faults = {fault.name: fault for fault in FAULTS}
    async with staged(LOAD) as scene:
        since_s = asyncio.get_running_loop().time()
        assert await scene.until_well(since_s, ALL_IN_S) is not None, scene.unwell(since_s)
        for name in ("gateway_killed", "redis_stopped_20s", "postgres_stopped_20s"):
            verdict = await tried(faults[name], scene, LOAD, 0.0, print)
            # Times and memory are judged by the command: a busy machine fails no test.
            assert verdict.failed == (), name
            assert verdict.acked > 0
            assert verdict.orders > 0
            assert verdict.recovery_s is not None
            assert verdict.acked_lost == verdict.oversold == verdict.doubled == 0
            assert verdict.undeclared_gaps == verdict.repeats == 0
            assert verdict.audit_clean
