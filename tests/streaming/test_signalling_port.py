"""Signalling keeps one contract, whether media runs in this process, in another one, or in a fleet of them."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import redis.asyncio
from aiortc import RTCPeerConnection, VideoStreamTrack

from server.media.remote import Remotes
from server.media.wire import InternalSecret
from streaming.errors import BadSdp, MediaUnreachable, PublisherExists, UnknownResource, ViewerLimitReached
from streaming.media_settings import MediaSettings
from streaming.sdp_fragment import Fragment
from streaming.signalling_port import MediaSignalling
from tests.streaming.aiortc_clients import new_connection
from tests.streaming.media_house import SECRET, house

SETTINGS = MediaSettings(bind_host="127.0.0.1", max_viewers=2)
FRAGMENT = Fragment("anew", "a-password-of-22-chars".replace("-", "x"))


@pytest.fixture(params=["local", "remote", "fleet"])
async def media(request: pytest.FixtureRequest, redis_client: redis.asyncio.Redis) -> AsyncIterator[MediaSignalling]:
    async with house(redis_client, 1, SETTINGS) as built:
        remotes = Remotes(SECRET)
        kinds: dict[str, MediaSignalling] = {
            "local": built.rooms[0].engine,
            "remote": remotes.to(built.directory.processes[0].address),
            "fleet": built.fleet,
        }
        yield kinds[request.param]
        await remotes.aclose()


async def offer_of(stack: AsyncExitStack, direction: str) -> str:
    connection: RTCPeerConnection = new_connection()
    stack.push_async_callback(connection.close)
    if direction == "sendonly":
        connection.addTrack(VideoStreamTrack())
    else:
        connection.addTransceiver("video", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    return str(connection.localDescription.sdp)


async def test_a_session_is_known_by_its_name_until_it_is_closed(media: MediaSignalling) -> None:
    async with AsyncExitStack() as stack:
        published = await media.publish("show", await offer_of(stack, "sendonly"))
        viewed = await media.view("show", "anna", await offer_of(stack, "recvonly"), until_s=1_000.5)
    assert published.sdp.startswith("v=0")
    publisher, viewer = await media.owner_of(published.resource_id), await media.owner_of(viewed.resource_id)
    assert (publisher.kind, publisher.broadcast_id, publisher.holder_id) == ("publisher", "show", "")
    assert (viewer.kind, viewer.holder_id, viewer.etag) == ("viewer", "anna", viewed.etag)
    assert (publisher.until_s, viewer.until_s) == (math.inf, 1_000.5)
    assert publisher.resource_id == published.resource_id
    restarted = await media.restart_ice(viewed.resource_id, FRAGMENT)
    assert restarted.resource_id == viewed.resource_id
    assert restarted.etag != viewed.etag
    assert (await media.owner_of(viewed.resource_id)).remote_ufrag == FRAGMENT.ufrag
    await media.close(viewed.resource_id)
    with pytest.raises(UnknownResource):
        await media.owner_of(viewed.resource_id)
    with pytest.raises(UnknownResource):
        await media.close(viewed.resource_id)


async def test_what_is_refused_is_refused_with_the_same_error(media: MediaSignalling) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(BadSdp):
            await media.publish("show", "not an offer")
        await media.publish("show", await offer_of(stack, "sendonly"))
        with pytest.raises(PublisherExists) as exists:
            await media.publish("show", await offer_of(stack, "sendonly"))
        assert exists.value.retry_after_s == 2
        offers = [await offer_of(stack, "recvonly") for _ in range(3)]
        viewed = [await media.view("show", "anna", offer) for offer in offers[:2]]
        with pytest.raises(ViewerLimitReached) as full:
            await media.view("show", "bo", offers[2])
        assert full.value.retry_after_s == 5
        with pytest.raises(BadSdp):
            await media.restart_ice(viewed[0].resource_id, Fragment("", ""))
        with pytest.raises(UnknownResource):
            await media.owner_of("md-1.none")


async def test_a_process_that_is_gone_or_knows_another_secret_is_unreachable(redis_client: redis.asyncio.Redis) -> None:
    async with house(redis_client, 1, SETTINGS) as built, AsyncExitStack() as stack:
        strangers = Remotes(InternalSecret.derived_from("another installation"))
        stack.push_async_callback(strangers.aclose)
        for address in ("http://127.0.0.1:9", built.directory.processes[0].address):
            with pytest.raises(MediaUnreachable):
                await strangers.to(address).publish("show", "v=0")
