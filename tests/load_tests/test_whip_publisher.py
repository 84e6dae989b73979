"""The show reaches a real WebRTC peer: pictures in order, sound, and a clean end."""

import asyncio
import time

import aiohttp
import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack

from load_tests.barcode import age_ms, read_barcode
from load_tests.http_client import ApiError, Door, Person, SignIn
from load_tests.show.clock import ShowClock
from load_tests.show.whip_aiortc import WhipPublisher, configure_encoder, offer_loopback
from tests.load_tests.whip_receiver import whip_receiver

DEADLINE_S = 30


async def test_a_peer_reads_frame_numbers_in_order_and_hears_the_presenter() -> None:
    offer_loopback()
    configure_encoder()
    async with whip_receiver() as (receiver, url), aiohttp.ClientSession() as session:
        person = Person(Door(url, session), SignIn("host", "secret"))
        until = asyncio.Event()
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(WhipPublisher(person, "bc_test", ShowClock()).publish(until))
            await receiver.both_tracks.wait()
            numbers = [await _next_number(receiver.tracks["video"]) for _ in range(30)]
            age = age_ms(numbers[-1], int(time.time() * 1000))
            loudest = max([await _peak(receiver.tracks["audio"]) for _ in range(100)])
            until.set()
        assert receiver.deleted.is_set()
    assert numbers == sorted(set(numbers))
    assert 0 <= age < DEADLINE_S * 1000
    assert loudest > 1_000


async def test_a_refused_publisher_raises_with_the_servers_wish() -> None:
    async with whip_receiver() as (receiver, url), aiohttp.ClientSession() as session:
        receiver.refusals = 1
        person = Person(Door(url, session), SignIn("host", "secret"))
        with pytest.raises(ApiError) as refused:
            await WhipPublisher(person, "bc_test", ShowClock()).publish(asyncio.Event())
    assert (refused.value.code, refused.value.retry_after_s) == ("publisher_exists", 1.0)


async def _next_number(track: MediaStreamTrack) -> int:
    """Read on until a picture with an intact barcode comes."""
    while True:
        frame = await track.recv()
        assert isinstance(frame, av.VideoFrame)
        number = read_barcode(np.asarray(frame.to_ndarray()[: frame.height, : frame.width], np.uint8))
        if number is not None:
            return number


async def _peak(track: MediaStreamTrack) -> int:
    frame = await track.recv()
    assert isinstance(frame, av.AudioFrame)
    return int(np.abs(frame.to_ndarray().astype(np.int32)).max())
