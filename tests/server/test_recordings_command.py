"""`./run recording` finds what was altered or is missing, names it, and says so in its exit status."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from streaming.recorder_disk import DiskRecorder, RecorderLimits
from streaming.segment_files import DirectoryFiles
from streaming.segment_writer import SegmentLimits
from tests.journey.demo import ROOT
from tests.streaming.test_recorder import packet, video


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Three segments of a broadcast."""
    limits = RecorderLimits(batch_every_s=0.005, segments=SegmentLimits(rotate_after_bytes=1_000))
    source = video()
    recorder = DiskRecorder(DirectoryFiles(tmp_path), limits)
    recorder.start()
    for number in range(3):
        recorder.open("bc_a").append(source, packet(number), time.monotonic())
        while recorder.counters.packets <= number:
            time.sleep(0.005)
    assert recorder.stop()
    return tmp_path


def recording(*arguments: str) -> tuple[int, str]:
    argv = [sys.executable, "-m", "server", "recording", *arguments]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin"})
    return done.returncode, done.stdout + done.stderr


def test_a_sound_recording_is_listed_and_verified(recordings: Path) -> None:
    assert recording("list", "--dir", str(recordings))[1].startswith("bc_a: 3 segments, 3 packets, 0 lost in gaps")
    status, said = recording("verify", "bc_a", "--dir", str(recordings))
    assert status == 0
    assert said.endswith("sound\n")


def test_a_flipped_byte_is_found_in_its_segment(recordings: Path) -> None:
    segment = recordings / "bc_a" / "000002.wcrec"
    data = bytearray(segment.read_bytes())
    data[700] ^= 1
    segment.write_bytes(data)
    status, said = recording("verify", "bc_a", "--dir", str(recordings))
    assert status == 1
    assert "PROBLEM: 000002.wcrec: the seal of a block does not match its bytes" in said


def test_a_missing_segment_is_named(recordings: Path) -> None:
    (recordings / "bc_a" / "000002.wcrec").unlink()
    status, said = recording("verify", "bc_a", "--dir", str(recordings))
    assert status == 1
    assert "PROBLEM: segment 2 missing before 000003.wcrec" in said


def test_an_unknown_recording_is_said_in_one_line(recordings: Path) -> None:
    for command in ("verify", "export"):
        status, said = recording(command, "bc_none", "--dir", str(recordings))
        assert (status, said.count("\n")) == (1, 1)
