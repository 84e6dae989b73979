"""A bounded slice of every fuzz target, everything that once broke, and proof that the runner finds what is there."""

from random import Random

import pytest

from tests.fuzz import corpus, runner
from tests.fuzz.media import Relay, Srtp
from tests.fuzz.room import RoomCommands
from tests.fuzz.runner import Found, run
from tests.fuzz.target import Broken
from tests.fuzz.targets import TARGETS
from tests.fuzz.transport import HONEST, stun_request

SLICE = 2_000


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_breaks_nothing(name: str) -> None:
    # One seed for ever: this slice guards what `./run fuzz` has walked, and blocks nobody by chance.
    assert run(TARGETS[name](), 1, SLICE).inputs == SLICE


class Fragile:
    """Breaks on one byte of 256."""

    name = "fragile"

    def __init__(self) -> None:
        self.fed: list[bytes] = []

    def make(self, chance: Random) -> bytes:
        return chance.randbytes(1)

    def feed(self, data: bytes) -> None:
        self.fed.append(data)
        if data == b"\x2a":
            raise IndexError("planted")


def test_what_breaks_is_found_and_its_seed_repeats_it() -> None:
    found = []
    for _ in range(2):
        target = Fragile()
        with pytest.raises(Found, match="planted") as failure:
            run(target, 7, 100_000)
        found.append((failure.value.data, len(target.fed)))
    assert found[0] == found[1]
    assert found[0][0] == b"\x2a"


def test_what_once_broke_is_kept_and_fed_first(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    corpus.keep("fragile", b"\x2a")
    target = Fragile()
    with pytest.raises(Found):
        run(target, 7, 0)
    assert target.fed == [b"\x2a"]


def test_a_run_by_the_clock_ends() -> None:
    class Sturdy(Fragile):
        def feed(self, data: bytes) -> None:
            """Takes everything."""

    outcome = run(Sturdy(), 1, 0, seconds=0.05)
    assert outcome.inputs >= 1_000
    assert outcome.grown_bytes < runner.MAX_GROWTH_BYTES


def test_targets_reach_behind_the_first_check() -> None:
    chance, relay, srtp = Random(3), Relay(), Srtp()
    for _ in range(SLICE):
        relay.feed(relay.make(chance))
        srtp.feed(srtp.make(chance))
    assert all(stream.packets > 10 for stream, _ in relay._streams.values())
    assert relay._writer.counters.packets_sent > 10
    assert len(srtp._seen) > 10
    assert len({stun_request(chance, HONEST) for _ in range(10)}) == 10


def test_a_replay_that_were_taken_would_be_noticed() -> None:
    chance, srtp = Random(3), Srtp()
    packet = srtp.make(chance)
    srtp.feed(packet)
    srtp._in = Srtp()._in  # as if the replay window had been lost
    with pytest.raises(Broken):
        srtp.feed(packet)


def test_some_frames_of_the_room_are_carried_out() -> None:
    chance, commands = Random(3), RoomCommands()
    for _ in range(SLICE):
        commands.feed(commands.make(chance))
    assert commands.person.executed > 10
