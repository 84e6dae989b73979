"""What is known to be riskier, or withdrawn, leaves every stage of every process at once: two `serve` commands."""

import time
from contextlib import AsyncExitStack

import pytest

from server.demo.bank import OWN_ID, PRODUCT_ID
from tests.journey.serving import in_the_room, serving
from tests.journey.test_survival import feature, on_air, seeded_url

__all__ = ["seeded_url"]
pytestmark = pytest.mark.timeout(240)

TOLD_WITHIN_S = 10.0  # the promise is 1 s: a machine that runs other tests gets ten times that


async def test_an_edited_rating_and_a_withdrawal_pull_the_card_in_the_other_process(
    seeded_url: str, redis_url: str
) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(serving(seeded_url, redis_url))
        other = await stack.enter_async_context(serving(seeded_url, redis_url, roles='["gateway", "api"]'))
        host = await stack.enter_async_context(on_air(one))
        (viewer,) = await stack.enter_async_context(in_the_room(other, "mei"))
        (checker,) = await stack.enter_async_context(in_the_room(one, "hejun"))
        path = f"/api/v1/products/{PRODUCT_ID}"

        await feature(host)
        await viewer.told.of("card_shown")
        edited = time.monotonic()
        await host.person.call("PATCH", path, {"issuer_rating": "R4"})
        await viewer.told.of("card_pulled", reason="re_rated")
        told_s = time.monotonic() - edited
        print(f"a riskier product: the other process's viewer was told after {told_s:.2f} s")
        assert told_s < TOLD_WITHIN_S
        (shelf,) = (await host.person.call("GET", f"/api/v1/broadcasts/{OWN_ID}/shelf"))["products"]
        assert shelf["approved_version"] is None, "on the shelf still, and off sale"

        await host.person.call("PATCH", path, {"issuer_rating": "R2"})
        for who, move in ((host, "submit"), (checker, "approve")):
            await who.person.call("POST", f"{path}/moves", {"move": move})
        await feature(host)
        withdrawn = time.monotonic()
        await checker.person.call("POST", f"{path}/moves", {"move": "withdraw"})
        await viewer.told.of("card_pulled", reason="withdrawn")
        told_s = time.monotonic() - withdrawn
        print(f"a withdrawn product: told after {told_s:.2f} s")
        assert told_s < TOLD_WITHIN_S
