"""The relay benchmark in small: real processes, real DTLS-SRTP viewers, and an answer with the promised keys."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from load_tests.bench import pattern


async def run_bench(*arguments: str) -> dict[str, object]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "load_tests.bench", *arguments, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, object] = json.loads(printed.decode().splitlines()[-1])
    return found


@pytest.mark.parametrize("writer", ["auto", "python"])
async def test_viewers_of_the_relay_bench_lose_nothing(writer: str) -> None:
    found = await run_bench("relay", "--viewers", "3", "--seconds", "1", "--writer", writer)
    assert list(found) == [
        "us_per_packet", "floor_us", "ratio", "loss", "viewers", "writer", "janus_us_per_packet",
    ]  # fmt: skip
    assert found["viewers"] == 3
    assert found["loss"] == 0


def test_the_pattern_has_a_megabit_a_second_and_never_goes_back() -> None:
    taken = [moment for moment, _ in zip(pattern.moments(), range(800), strict=False)]
    assert [moment.at_s for moment in taken] == sorted(moment.at_s for moment in taken)
    within = [moment for moment in taken if moment.at_s < 5]
    frames = sum(moment.video for moment in within)
    assert (frames, len(within) - frames) == (5 * pattern.FRAMES_PER_S, 5 * pattern.AUDIO_PER_S)
    assert 0.9e6 < pattern.FRAMES_PER_S * pattern.PACKETS_PER_FRAME * pattern.VIDEO_BYTES * 8 < 1.1e6


def test_payloads_tell_when_they_were_sent() -> None:
    assert pattern.sent_ns(pattern.audio_payload(12345)) == 12345
    assert pattern.sent_ns(pattern.video_payload(3, 0, 67890)) == 67890
    assert pattern.video_payload(30, 0, 1)[:2] == bytes([0x10, 0])
    assert pattern.video_payload(31, 1, 1)[:2] == bytes([0x00, 1])


@pytest.mark.browser
async def test_the_latency_bench_answers_with_its_percentiles() -> None:
    found = await run_bench("latency", "--seconds", "4")
    assert list(found) == ["p50_ms", "p95_ms"]


async def test_the_joins_bench_compares_with_stock_aiortc_in_one_run() -> None:
    found = await run_bench("joins", "--viewers", "5")
    assert list(found) == [
        "cpu_ms_per_join", "stock_ms_per_join", "ratio", "joins_per_s", "rss_per_viewer_bytes", "first_frame_p95_ms",
        "freeze_longest_ms", "behind_live_p95_ms", "keyframe_requests_per_s",
    ]  # fmt: skip
    assert isinstance(found["first_frame_p95_ms"], float), "a joiner decoded a picture"


async def test_without_a_compiler_a_bench_says_so_in_one_line() -> None:
    path = str(Path(sys.executable).parent)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "load_tests.bench", "relay", "--viewers", "1", "--seconds", "0.1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "PATH": path},
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().splitlines()[-1].startswith("bench relay: many viewers are read in C, and cc failed")


@pytest.mark.browser
async def test_the_loss_bench_tells_how_long_the_picture_froze_in_a_minute() -> None:
    found = await run_bench("loss", "--seconds", "3")
    assert list(found) == ["frozen_ms_per_minute", "freezes", "frames_per_s", "lost", "repaired", "keyframe_requests"]
    assert isinstance(found["frames_per_s"], float)
    assert found["frames_per_s"] > 1
