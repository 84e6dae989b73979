"""The recorder keeps what the relay gives it, never holds the relay up, and says when it cannot keep something."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from streaming.ingest import Source, _Format
from streaming.recorder_disk import DiskRecorder, RecorderLimits
from streaming.recording_chain import verify_chain
from streaming.recording_format import GapRecord, PacketRecord, parse_segment
from streaming.rtp import RtpPacket
from streaming.sdp_negotiation import CodecId
from streaming.segment_files import DirectoryFiles, SegmentFile, _AppendedFile
from streaming.segment_writer import SegmentLimits

PATIENCE_S = 30.0
QUICK = RecorderLimits(batch_every_s=0.005, calm_after_s=0.1, retry_every_s=0.02, stalled_after_s=0.2)


def video() -> Source:
    return Source(7, _Format("video", CodecId("VP8"), 90_000, None), repairable=True)


def packet(sequence: int) -> RtpPacket:
    return RtpPacket(96, sequence & 0xFFFF, sequence * 3_000, 7, b"x" * 1_100)


class FaultyFiles(DirectoryFiles):
    """A real directory whose disk can be made full or slow."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.room: int | None = None
        self.hangs = threading.Event()
        self.hangs.set()

    def create(self, broadcast_id: str, name: str) -> SegmentFile:
        return _FaultyFile(self, super().create(broadcast_id, name))

    def probe(self) -> None:
        self.take(1)
        super().probe()

    def take(self, octets: int) -> int:
        """How many of these bytes still fit; raises ENOSPC when none do."""
        self.hangs.wait(PATIENCE_S)
        if self.room is None:
            return octets
        fit = min(octets, self.room)
        self.room -= fit
        if not fit:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return fit


class _FaultyFile:
    def __init__(self, disk: FaultyFiles, file: SegmentFile) -> None:
        self._disk = disk
        self._file = file
        self.sync, self.close = file.sync, file.close

    def write(self, data: bytes) -> None:
        fit = self._disk.take(len(data))
        self._file.write(data[:fit])
        if fit < len(data):
            self._disk.take(len(data) - fit)


@contextmanager
def recording(files: DirectoryFiles, limits: RecorderLimits = QUICK) -> Iterator[DiskRecorder]:
    recorder = DiskRecorder(files, limits)
    recorder.start()
    try:
        yield recorder
    finally:
        assert recorder.stop(PATIENCE_S)


def eventually(what: str, check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.005)


def _has(recorder: DiskRecorder, packets: int) -> bool:
    return recorder.counters.packets == packets


def recorded(files: DirectoryFiles, broadcast_id: str = "bc_a") -> tuple[list[int], int]:
    """Verify the chain; give the sequence numbers kept and how many packets its gaps name."""
    segments = [(name, files.read(broadcast_id, name)) for name in files.names(broadcast_id)]
    assert verify_chain(broadcast_id, segments).problems == []
    records = [record for _, data in segments if data for record in parse_segment(data).records]
    kept = [record.packet.sequence for record in records if isinstance(record, PacketRecord)]
    return kept, sum(record.packets for record in records if isinstance(record, GapRecord))


def test_every_packet_is_kept_once_over_rotated_segments(tmp_path: Path) -> None:
    files, source = DirectoryFiles(tmp_path), video()
    limits = RecorderLimits(batch_every_s=0.005, segments=SegmentLimits(rotate_after_bytes=20_000))
    with recording(files, limits) as recorder:
        recorder.learn_clock("bc_a", 1)
        tape = recorder.open("bc_a")
        appended = 0
        for number in range(300):
            twice = number % 10 == 3
            for one in (number, number - 1) if twice else (number,):  # repaired, and late as well
                tape.append(source, packet(one), time.monotonic())
                appended += 1
            if number % 25 == 24:
                eventually("a block on disk", partial(_has, recorder, appended))
    assert recorded(files) == (list(range(300)), 0)
    assert len(files.names("bc_a")) > 5
    summaries = recorder.take_summaries()
    assert sum(one.packets for one in summaries if one.ended) == 300
    assert all(one.last_stream_time_ms for one in summaries if one.packets)


def test_the_next_process_goes_on_in_a_new_segment_of_the_same_chain(tmp_path: Path) -> None:
    files, source = DirectoryFiles(tmp_path), video()
    for first in (0, 50):
        with recording(files) as recorder:
            for number in range(first, first + 50):
                recorder.open("bc_a").append(source, packet(number), time.monotonic())
    assert recorded(files) == (list(range(100)), 0)
    assert files.names("bc_a") == ["000001.wcrec", "000002.wcrec"]


def test_a_full_disk_makes_it_unhealthy_with_the_reason_and_it_recovers_by_itself(tmp_path: Path) -> None:
    files, source = FaultyFiles(tmp_path), video()
    with recording(files) as recorder:
        tape, sent = recorder.open("bc_a"), 0

        def send_until(what: str, check: Callable[[], bool]) -> None:
            nonlocal sent

            def step() -> bool:
                nonlocal sent
                tape.append(source, packet(sent), time.monotonic())
                sent += 1
                return check()

            eventually(what, step)

        send_until("packets on disk", lambda: recorder.counters.packets >= 20)
        files.room = 10_500  # ends in the middle of a block
        send_until("unhealthy", lambda: recorder.health().reason == "No space left on device")
        send_until("losses counted", lambda: recorder.dropped() >= 20)
        files.room = None
        send_until("healthy again", lambda: recorder.health().healthy)
        written = recorder.counters.packets
        send_until("packets after it", lambda: recorder.counters.packets > written + 10)
    kept, lost = recorded(files)
    assert len(kept) + lost == sent
    assert lost == recorder.dropped()
    assert kept == sorted(kept)


def test_a_disk_that_hangs_never_holds_the_relay_up_and_its_gap_is_counted(tmp_path: Path) -> None:
    files, source = FaultyFiles(tmp_path), video()
    limits = RecorderLimits(
        queue_packets=100, batch_every_s=0.005, calm_after_s=0.1, retry_every_s=0.02, stalled_after_s=0.1
    )
    with recording(files, limits) as recorder:
        tape = recorder.open("bc_a")
        tape.append(source, packet(0), time.monotonic())
        eventually("the first packet on disk", lambda: recorder.counters.packets == 1)
        files.hangs.clear()
        for number in range(1, 1_000):
            tape.append(source, packet(number), time.monotonic())
        eventually("unhealthy", lambda: "not answered" in recorder.health().reason)
        files.hangs.set()
        eventually("healthy again", lambda: recorder.health().healthy)
        tape.append(source, packet(1_000), time.monotonic())
    kept, lost = recorded(files)
    assert lost == recorder.dropped() >= 700
    assert len(kept) + lost == 1_001
    assert (kept[0], kept[-1]) == (0, 1_000)


def test_a_folder_that_cannot_be_made_is_said_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with recording(DirectoryFiles(tmp_path / "file" / "recordings")) as recorder:
        eventually("unhealthy", lambda: not recorder.health().healthy)
        recorder.open("bc_a").append(video(), packet(0), time.monotonic())
        (tmp_path / "file").unlink()
        eventually("healthy again", lambda: recorder.health().healthy)


def test_the_real_full_device_raises_what_the_recorder_expects() -> None:
    full = _AppendedFile(os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(OSError, match="No space left on device"):
        full.write(b"x" * 100)
    full.close()


def test_a_segment_is_closed_when_its_broadcast_ends_or_is_silent(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    limits = RecorderLimits(batch_every_s=0.005, idle_close_s=0.05)
    with recording(files, limits) as recorder:
        recorder.open("bc_a").append(video(), packet(0), time.monotonic())
        recorder.open("bc_b").append(video(), packet(0), time.monotonic())
        recorder.close("bc_b")
        closed: set[str] = set()

        def both_closed() -> bool:
            closed.update(one.broadcast_id for one in recorder.take_summaries() if one.ended)
            return closed == {"bc_a", "bc_b"}

        eventually("both closed", both_closed)
        assert recorder.broadcasts == ("bc_a",)


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a broadcast's id"):
        DirectoryFiles(tmp_path).names("../elsewhere")
