"""The whole relay over real UDP on loopback, with stock aiortc peers: join, leave, come back, be cut off."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time

import pytest

from load_tests.fault_link import FaultLink
from streaming.engine import RELAY_KEPT_S, MediaEngine
from streaming.errors import (
    EngineStopped,
    PublisherExists,
    TooManyHandshakes,
    UnknownResource,
    ViewerLimitReached,
)
from streaming.media_events import (
    PublisherGone,
    PublisherResumed,
    PublisherStalled,
    PublisherStarted,
    ViewerJoined,
    ViewerLeft,
)
from streaming.media_settings import MediaSettings
from streaming.publisher import FEEDBACK_INTERVAL_S
from streaming.rtcp import build_bye
from tests.streaming.aiortc_clients import publish, watch
from tests.streaming.harness import eventually, station
from tests.streaming.test_sdp_answer import PUBLISHER, VIEWER

LOOPBACK = MediaSettings(bind_host="127.0.0.1")


def settings(**changes: object) -> MediaSettings:
    return MediaSettings(bind_host="127.0.0.1", **changes)  # type: ignore[arg-type]


async def test_two_viewers_decode_what_one_publisher_sends() -> None:
    async with station() as show:
        early = await watch(show, bearer="early")
        host = await publish(show)
        late = await watch(show, bearer="late")
        for viewer in (early, late):
            await eventually("video decodes", lambda seen=viewer.frames: seen["video"] >= 15)  # type: ignore[misc]
            await eventually("audio decodes", lambda seen=viewer.frames: seen["audio"] >= 15)  # type: ignore[misc]
        snapshot = show.engine.snapshot()
        assert (snapshot.publishers, snapshot.viewers, snapshot.half_open) == (1, 2, 0)
        assert snapshot.packets_dropped == 0
        (started,) = show.of_type(PublisherStarted)
        assert isinstance(started, PublisherStarted)
        assert started.at.tzinfo is not None
        assert not started.returned
        assert len(show.of_type(ViewerJoined)) == 2
        assert [await viewer.packets_lost() for viewer in (early, late)] == [0, 0]
        for client in (early, late, host):
            await client.leave()
        await eventually("everything is freed", lambda: not len(show.engine._resources))
        assert {event.reason for event in show.of_type(ViewerLeft) if isinstance(event, ViewerLeft)} == {"peer_closed"}
        assert len(show.of_type(PublisherGone)) == 1
        assert not show.engine._port._by_address  # type: ignore[union-attr]


async def test_a_relay_that_nobody_uses_is_let_go_after_a_while() -> None:
    now_s = 1_000.0
    engine = MediaEngine(LOOPBACK, lambda _: None, clock=lambda: now_s)
    await engine.start()
    await engine.view("show", "anna", VIEWER)
    now_s += RELAY_KEPT_S / 2
    await eventually("the handshake is given up", lambda: not engine.resources())
    await asyncio.sleep(3 * FEEDBACK_INTERVAL_S)
    assert engine.broadcast_ids() == ("show",)
    now_s += RELAY_KEPT_S
    await eventually("the relay is let go", lambda: not engine.broadcast_ids())
    await engine.stop()


async def test_a_publisher_that_returns_finds_its_viewers_still_there() -> None:
    async with station() as show:
        viewer = await watch(show)
        first = await publish(show)
        await eventually("the first publisher is seen", lambda: viewer.frames["video"] >= 10)
        await first.leave()
        await eventually("the first publisher is gone", lambda: bool(show.of_type(PublisherGone)))
        second = await publish(show)
        before = dict(viewer.frames)
        await eventually("video goes on", lambda: viewer.frames["video"] >= before["video"] + 20)
        await eventually("audio goes on", lambda: viewer.frames["audio"] >= before["audio"] + 20)
        assert not show.of_type(ViewerLeft)
        assert await viewer.packets_lost() == 0
        returns = [event.returned for event in show.of_type(PublisherStarted) if isinstance(event, PublisherStarted)]
        assert returns == [False, True]
        await second.leave()
        await viewer.leave()


async def test_a_second_publisher_is_refused_while_the_first_is_alive() -> None:
    async with station() as show:
        host = await publish(show)
        await eventually("media flows", lambda: bool(show.of_type(PublisherStarted)))
        with pytest.raises(PublisherExists) as refusal:
            await show.engine.publish("show", PUBLISHER)
        assert refusal.value.retry_after_s is not None
        await show.engine.publish("another", PUBLISHER)
        await host.leave()
        await eventually("the first is gone", lambda: bool(show.of_type(PublisherGone)))
        await show.engine.publish("show", PUBLISHER)


async def test_a_silent_publisher_is_noticed_and_may_be_replaced() -> None:
    silent = False
    link = FaultLink(lambda _, upwards: silent and upwards)
    async with station(settings(publisher_silent_s=0.5, advertised_port=link.port)) as show:
        link.open(show.engine.local_port)
        viewer = await watch(show)
        first = await publish(show)
        await eventually("media flows", lambda: viewer.frames["video"] >= 5)
        silent = True
        await eventually("the silence is noticed", lambda: bool(show.of_type(PublisherStalled)))
        silent = False
        await eventually("the return is noticed", lambda: bool(show.of_type(PublisherResumed)))
        silent = True
        await eventually("it stalls again", lambda: len(show.of_type(PublisherStalled)) >= 2)
        second = await publish(show)
        silent = False
        before = viewer.frames["video"]
        await eventually("the second publisher is seen", lambda: viewer.frames["video"] >= before + 15)
        gone = [event for event in show.of_type(PublisherGone) if isinstance(event, PublisherGone)]
        assert [event.reason for event in gone] == ["replaced"]
        assert not show.of_type(ViewerLeft)
        for client in (first, second, viewer):
            await client.leave()
        link.close()


async def test_lost_packets_are_repaired_on_both_legs() -> None:
    chance = random.Random(4)
    link = FaultLink(lambda datagram, _: len(datagram) > 200 and chance.random() < 0.08)
    async with station(settings(advertised_port=link.port)) as show:
        link.open(show.engine.local_port)
        host = await publish(show)
        viewer = await watch(show)
        await eventually("video decodes in spite of losses", lambda: viewer.frames["video"] >= 40)
        await eventually("viewers' NACKs are answered", lambda: show.engine.snapshot().retransmitted >= 3)
        await eventually("the publisher is asked again", lambda: show.engine.snapshot().nacks_sent >= 2)
        assert link.dropped > 0
        await host.leave()
        await viewer.leave()
        link.close()


async def test_delete_and_drop_and_end_free_everything_at_once() -> None:
    async with station() as show:
        host = await publish(show)
        viewers = [await watch(show, bearer=name) for name in ("anna", "bert", "carl")]
        await eventually("all have joined", lambda: len(show.of_type(ViewerJoined)) == 3)
        await show.engine.close(viewers[0].location.rpartition("/")[2])
        assert show.engine.drop_viewer("show", "bert", "banned") == 1
        assert show.engine.drop_viewer("show", "bert") == 0
        show.engine.end_broadcast("show", "terminated")
        left = [event for event in show.of_type(ViewerLeft) if isinstance(event, ViewerLeft)]
        assert [(event.viewer_id, event.reason) for event in left] == [
            ("anna", "deleted"),
            ("bert", "banned"),
            ("carl", "terminated"),
        ]
        gone = [event for event in show.of_type(PublisherGone) if isinstance(event, PublisherGone)]
        assert [event.reason for event in gone] == ["terminated"]
        assert not len(show.engine._resources)
        for client in (*viewers, host):
            transport = client.connection.getTransceivers()[0].receiver.transport
            await eventually("the peer was told", lambda t=transport: t.state == "closed")  # type: ignore[misc]
            await client.leave()
        with pytest.raises(UnknownResource):
            await show.engine.close(viewers[0].location.rpartition("/")[2])


async def test_a_viewer_that_says_goodbye_by_rtcp_is_let_go() -> None:
    async with station() as show:
        client = await watch(show)
        await eventually("it joined", lambda: bool(show.of_type(ViewerJoined)))
        (viewer,) = show.engine._relays["show"].viewers.values()
        viewer.peer_rtcp(build_bye([1]), time.monotonic())
        left = [event.reason for event in show.of_type(ViewerLeft) if isinstance(event, ViewerLeft)]
        assert left == ["bye"]
        assert not len(show.engine._resources)
        await client.leave()


async def test_a_peer_that_stops_consenting_is_let_go() -> None:
    async with station(settings(consent_timeout_s=0.3)) as show:
        viewer = await watch(show)
        await eventually("it joined", lambda: bool(show.of_type(ViewerJoined)))
        await eventually("it was let go", lambda: bool(show.of_type(ViewerLeft)))
        (left,) = show.of_type(ViewerLeft)
        assert isinstance(left, ViewerLeft)
        assert left.reason == "consent_expired"
        await viewer.leave()


async def test_half_open_handshakes_are_bounded_in_count_and_time() -> None:
    async with station(settings(max_half_open=3, handshake_timeout_s=0.3)) as show:
        for index in range(3):
            await show.engine.view("show", f"viewer-{index}", VIEWER)
        with pytest.raises(TooManyHandshakes):
            await show.engine.view("show", "one more", VIEWER)
        await eventually("they time out", lambda: show.engine.snapshot().half_open == 0)
        await show.engine.view("show", "one more", VIEWER)
        assert not show.of_type(ViewerLeft)


async def test_the_number_of_viewers_is_bounded() -> None:
    async with station(settings(max_viewers=1)) as show:
        await show.engine.view("show", "anna", VIEWER)
        with pytest.raises(ViewerLimitReached):
            await show.engine.view("show", "bert", VIEWER)


async def test_a_storm_of_hostile_packets_costs_the_viewers_nothing() -> None:
    chance = random.Random(1)
    async with station() as show:
        host = await publish(show)
        viewer = await watch(show)
        await eventually("video decodes", lambda: viewer.frames["video"] >= 5)
        attacker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(100):
            for _ in range(50):
                first = chance.choice((0, 1, 22, 63, 64, 128, 144, 191, 255))
                datagram = bytes([first, chance.randrange(256)]) + chance.randbytes(chance.choice((0, 10, 30, 1200)))
                attacker.sendto(datagram, ("127.0.0.1", show.engine.local_port))
            await asyncio.sleep(0.01)
        attacker.close()
        before = viewer.frames["video"]
        await eventually("video still decodes", lambda: viewer.frames["video"] >= before + 15)
        snapshot = show.engine.snapshot()
        assert snapshot.unknown_address > 1000
        assert snapshot.malformed > 100
        assert await viewer.packets_lost() == 0
        assert not show.of_type(ViewerLeft)
        await host.leave()
        await viewer.leave()


async def test_garbage_from_the_publishers_own_address_harms_nobody() -> None:
    async with station() as show:
        host = await publish(show)
        viewer = await watch(show)
        await eventually("video decodes", lambda: viewer.frames["video"] >= 5)
        peer = next(iter(show.engine._relays.values())).publisher.peer  # type: ignore[union-attr]
        for length in (12, 13, 60, 1500, 2000):
            for first in (22, 128, 144, 191):
                peer.receive_rtp(bytes([first]) + os.urandom(length), time.monotonic())
                peer.receive_rtcp(bytes([first]) + os.urandom(length), time.monotonic())
                peer.receive_dtls(bytes([first]) + os.urandom(length))
        before = viewer.frames["video"]
        await eventually("video still decodes", lambda: viewer.frames["video"] >= before + 15)
        await host.leave()
        await viewer.leave()


async def test_a_listener_that_fails_does_not_stop_the_packets() -> None:
    async with station() as show:

        def fail(_: object) -> None:
            raise RuntimeError("listener")

        show.engine._on_event = fail
        host = await publish(show)
        viewer = await watch(show)
        await eventually("video decodes", lambda: viewer.frames["video"] >= 5)
        await host.leave()
        await viewer.leave()


async def test_resource_ids_are_unguessable_and_name_their_owner() -> None:
    async with station() as show:
        answers = [await show.engine.view("show", "anna", VIEWER) for _ in range(20)]
        assert len({answer.resource_id for answer in answers}) == 20
        assert min(len(answer.resource_id) for answer in answers) >= 32
        resource = await show.engine.owner_of(answers[0].resource_id)
        assert (resource.broadcast_id, resource.kind, resource.holder_id) == ("show", "viewer", "anna")


async def test_a_stopped_engine_says_so_and_leaves_no_task_behind() -> None:
    tasks_before = asyncio.all_tasks()
    async with station() as show:
        engine = show.engine
        viewer = await watch(show)
        await engine.view("show", "half-open", VIEWER)
        await eventually("it joined", lambda: bool(show.of_type(ViewerJoined)))
        started = time.monotonic()
        await engine.stop()
        assert time.monotonic() - started < 10
        assert not engine._tasks._tasks
        with pytest.raises(EngineStopped):
            await engine.publish("show", PUBLISHER)
        await viewer.leave()
    await asyncio.sleep(0)
    assert not {task for task in asyncio.all_tasks() - tasks_before if "establish" in task.get_name()}


def test_settings_that_make_no_sense_are_refused_by_name() -> None:
    for wrong in ({"advertised_ips": ("example",)}, {"port": 70_000}, {"ring_packets": 100}, {"consent_timeout_s": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            settings(**wrong)
