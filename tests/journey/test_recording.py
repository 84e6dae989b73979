"""A show is recorded by the server as operators run it: on a disk that fills up, and through a SIGKILL."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from aiortc.mediastreams import AudioStreamTrack

from server.demo.bank import OWN_ID, PRODUCT_ID
from server.demo.seed import seed
from streaming.recording_chain import ChainReport, verify_chain
from streaming.recordings_postgres import PostgresRecordings
from streaming.segment_files import DirectoryFiles
from tests.commerce.bank import DATA_KEYS
from tests.journey.serving import Guest, Server, in_the_room, serving
from tests.journey.test_standard_clients import connection, encoder_token, negotiate
from tests.journey.test_survival import feature, on_air
from tests.streaming.aiortc_clients import MovingPicture

pytestmark = pytest.mark.timeout(180)
PATIENCE_S = 60.0


@pytest.fixture
async def seeded_url(postgres_url: str) -> str:
    await asyncio.to_thread(seed, postgres_url, DATA_KEYS)
    return postgres_url


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    mount = shutil.which("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    argv = [mount or "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(argv, capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@asynccontextmanager
async def publishing(server: Server, host: Guest) -> AsyncIterator[None]:
    token = str((await encoder_token(host.person))["token"])
    async with connection() as encoder:
        encoder.addTrack(MovingPicture())
        encoder.addTrack(AudioStreamTrack())
        status, answer = await negotiate(encoder, f"{server.base}/whip/{OWN_ID}", token)
        assert status == 201, answer
        yield


async def eventually(what: str, check: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(int(PATIENCE_S / 0.1)):
        if await check():
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"never happened: {what}")


def chain(folder: Path, kept: dict[int, str] | None = None) -> ChainReport:
    files = DirectoryFiles(folder)
    return verify_chain(OWN_ID, [(name, files.read(OWN_ID, name)) for name in files.names(OWN_ID)], kept)


def octets(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / OWN_ID).glob("*.wcrec"))


def fill(filler: Path) -> None:
    """Leave no block free, not even a small one."""
    with filler.open("wb", buffering=0) as full, contextlib.suppress(OSError):
        while True:
            full.write(bytes(4_096))


async def has_recorded(folder: Path, more_than: int) -> None:
    async def check() -> bool:
        return octets(folder) > more_than

    await eventually("packets on disk", check)


async def knows_its_clock(folder: Path) -> None:
    async def check() -> bool:
        return chain(folder).segments[-1].last_stream_time_ms is not None

    await eventually("a stream time in the newest segment", check)


async def refused_codes(viewer: Guest) -> set[str]:
    gate = await viewer.person.call("GET", f"/api/v1/broadcasts/{OWN_ID}/gate?product_id={PRODUCT_ID}")
    return {refusal["code"] for refusal in gate["refusals"]}


async def test_a_full_disk_takes_the_card_down_and_stops_buying_until_there_is_room_again(
    seeded_url: str, redis_url: str, small_disk: Path
) -> None:
    recordings = small_disk / "recordings"
    async with (
        serving(seeded_url, redis_url, recording_dir=str(recordings)) as server,
        on_air(server) as host,
        in_the_room(server, "mei") as (viewer,),
        publishing(server, host),
    ):
        await feature(host)
        await viewer.told.of("card_shown")
        await has_recorded(recordings, 1_000)
        assert "recording_unavailable" not in await refused_codes(viewer)
        filler = small_disk / "filler"
        fill(filler)
        assert (await viewer.told.of("card_pulled"))["reason"] == "recording_unavailable"
        assert "recording_unavailable" in await refused_codes(viewer)
        filler.unlink()

        async def buying_is_open() -> bool:
            return "recording_unavailable" not in await refused_codes(viewer)

        await eventually("buying again", buying_is_open)
        await feature(host)
        await has_recorded(recordings, octets(recordings) + 1_000)
    report = chain(recordings)
    assert report.problems == []
    assert sum(one.dropped_packets for one in report.segments) > 0


async def test_a_killed_server_leaves_a_sound_chain_and_the_next_one_goes_on_with_it(
    seeded_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        serving(seeded_url, redis_url, recording_dir=str(tmp_path)) as server,
        on_air(server) as host,
        publishing(server, host),
    ):
        await has_recorded(tmp_path, 30_000)
        await knows_its_clock(tmp_path)
        await server.kill()
    left = chain(tmp_path)
    assert all("left by a crash" in problem for problem in left.problems)
    assert left.segments[-1].packets > 0
    assert not left.segments[-1].ended
    async with (
        serving(seeded_url, redis_url, recording_dir=str(tmp_path)) as server,
        in_the_room(server, "zhoumin", "linxiao") as (_, host),
        publishing(server, host),
    ):
        await has_recorded(tmp_path, octets(tmp_path) + 30_000)
        await knows_its_clock(tmp_path)
    pool = await asyncpg.create_pool(seeded_url, min_size=1, max_size=1)
    kept = await PostgresRecordings(pool).seals(OWN_ID)
    await pool.close()
    whole = chain(tmp_path, kept)
    assert whole.problems == []
    assert [one.number for one in whole.segments] == list(range(1, len(whole.segments) + 1))
    assert whole.segments[: len(left.segments)] == left.segments
    last = whole.segments[-1]
    assert last.ended
    assert last.seal == kept[last.number]
    before_ms, after_ms = left.segments[-1].last_stream_time_ms, last.first_stream_time_ms
    assert before_ms is not None
    assert after_ms is not None
    assert before_ms < after_ms  # the clock went on from the first packet of the process that was killed
