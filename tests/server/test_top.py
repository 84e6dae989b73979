"""`./run top`: rates out of two scrapes, what is wrong said in words, and a frame of a real deployment."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from server.top import TopError, show_once
from server.top_rows import Figures, Target, row
from tests.journey.demo import free_port
from tests.server.test_metrics import program

ROOT = Path(__file__).resolve().parents[2]
TARGET = Target("127.0.0.1:1", "gateway-1", "gateway")


# Labels as Figures has them.
Labels = tuple[str, ...]


def events(must: float, may: float) -> Figures:
    return {"wealthcast_gateway_events_total": {("must",): must, ("may",): may}}


def test_rates_are_of_what_grew_between_two_looks() -> None:
    assert row(TARGET, events(10, 100), events(14, 110), 2.0).events_per_s == 7
    assert row(TARGET, {}, {}, 2.0).events_per_s is None


def test_a_counter_of_a_process_started_anew_counts_from_its_start() -> None:
    assert row(TARGET, events(1_000, 5), events(4, 5), 1.0).events_per_s == 4


def test_a_lag_is_that_of_the_last_interval_and_not_of_the_process_whole_life() -> None:
    name = "wealthcast_event_loop_lag_seconds_bucket"
    before: dict[str, dict[Labels, float]] = {name: {("0.005",): 900.0, ("0.25",): 1_000.0, ("+Inf",): 1_000.0}}
    now: dict[str, dict[Labels, float]] = {name: {("0.005",): 1_000.0, ("0.25",): 1_100.0, ("+Inf",): 1_100.0}}
    assert row(TARGET, before, now, 1.0).loop_lag_ms == 5
    assert row(TARGET, now, now, 1.0).loop_lag_ms is None


@pytest.mark.parametrize(
    ("figures", "trouble"),
    [
        ({"wealthcast_ready": {(): 1.0}, "wealthcast_part_up": {("redis",): 1.0}}, ()),
        ({"wealthcast_ready": {(): 0.0}, "wealthcast_part_up": {("redis",): 0.0}}, ("redis away",)),
        ({"wealthcast_ready": {(): 0.0}}, ("not ready",)),
        ({"wealthcast_ready": {(): 0.0}, "wealthcast_process_draining": {(): 1.0}}, ("draining",)),
        ({"wealthcast_recorder_healthy": {(): 0.0}}, ("does not record",)),
        ({"wealthcast_supervisor_serving": {("api",): 0.0, ("media-1",): 1.0}}, ("api down",)),
    ],
)
def test_what_is_wrong_is_said(figures: Figures, trouble: tuple[str, ...]) -> None:
    assert row(TARGET, figures, figures, 1.0).trouble == trouble


async def test_the_command_shows_a_process_as_a_frame_and_as_json(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with program(postgres_url, redis_url, tmp_path) as ports:
        at = f"127.0.0.1:{ports.admin_port}"
        frame = await show_once(at, 0.2, as_json=False)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", "top", "--json", "--at", at, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
    assert process.returncode == 0
    (one,) = json.loads(said)["processes"]
    assert one["trouble"] == []
    assert one["connections"] == 0
    assert one["frames_out_per_s"] == 0
    assert one["cpu_percent"] > 0
    assert one["loop_lag_ms"] > 0
    titles, values = frame.splitlines()[1:3]
    assert {"process", "events/s", "orders/s", "alerts"} <= set(titles.replace("pkt ", "pkt_").split())
    assert values.startswith("all")


async def test_where_nothing_answers_the_address_is_named() -> None:
    port = free_port()
    with pytest.raises(TopError, match=f"127.0.0.1:{port}"):
        await show_once(f"127.0.0.1:{port}", 0.1, as_json=True)
