"""Mutes, bans, slow mode and repetition, time driven by hand."""

import pytest

from chat.errors import CommandRefused
from chat.repetition import Repetition
from chat.restrictions import EVERYWHERE, Restriction, Restrictions, RoomRules


def refusal(restrictions: Restrictions, message_id: str = "m", now_s: float = 100.0, account_id: str = "ac_a") -> str:
    try:
        restrictions.check_talk("bc_1", account_id, message_id, now_s)
    except CommandRefused as refused:
        return refused.code
    return ""


def test_a_mute_holds_in_its_room_until_its_end_and_may_be_lifted() -> None:
    restrictions = Restrictions()
    restrictions.apply(Restriction("mute", "bc_1", "ac_a", 160.0), 100.0)
    assert refusal(restrictions) == "muted"
    assert refusal(restrictions, account_id="ac_b") == ""
    restrictions.check_talk("bc_2", "ac_a", "m", 100.0)
    assert refusal(restrictions, now_s=160.0) == ""
    restrictions.apply(Restriction("mute", "bc_1", "ac_a", 0.0), 120.0)
    assert refusal(restrictions, now_s=121.0) == ""


def test_a_ban_holds_everywhere_until_lifted() -> None:
    restrictions = Restrictions()
    restrictions.apply(Restriction("ban", EVERYWHERE, "ac_a", None), 100.0)
    assert restrictions.banned("ac_a", 10**9)
    assert refusal(restrictions) == "banned"
    assert restrictions.among_banned(["ac_b", "ac_a"], 100.0) == ["ac_a"]
    restrictions.apply(Restriction("ban", EVERYWHERE, "ac_a", 0.0), 200.0)
    assert not restrictions.banned("ac_a", 200.0)


def test_a_signed_out_account_has_to_go_until_the_moment_and_only_what_began_before_is_void_after_it() -> None:
    restrictions = Restrictions()
    restrictions.apply(Restriction("signed_out", EVERYWHERE, "ac_a", 102.0), 100.0)
    assert restrictions.out("ac_a", 101.9)
    assert not restrictions.out("ac_a", 102.0)
    assert not restrictions.banned("ac_a", 101.0), "they may come back"
    assert (restrictions.sessions_from("ac_a"), restrictions.sessions_from("ac_b")) == (102.0, 0.0)
    started_later = Restrictions()
    started_later.apply(Restriction("signed_out", EVERYWHERE, "ac_a", 102.0), 10**9)
    assert started_later.sessions_from("ac_a") == 102.0


def test_slow_mode_says_how_long_to_wait_and_lets_a_repeat_through() -> None:
    restrictions = Restrictions()
    restrictions.rule("bc_1", RoomRules(slow_s=30))
    assert refusal(restrictions, "m1") == ""
    assert refusal(restrictions, "m1", 101.0) == ""
    with pytest.raises(CommandRefused) as refused:
        restrictions.check_talk("bc_1", "ac_a", "m2", 110.0)
    assert (refused.value.code, refused.value.retry_after_ms) == ("slow_mode", 20_001)
    assert refusal(restrictions, "m2", 130.0) == ""
    restrictions.rule("bc_1", RoomRules())
    assert refusal(restrictions, "m3", 131.0) == ""


def test_muting_all_silences_every_viewer() -> None:
    restrictions = Restrictions()
    restrictions.rule("bc_1", RoomRules(muted_all=True))
    assert refusal(restrictions) == "muted_all"


def test_one_persons_repeats_are_found_and_a_resent_message_is_none() -> None:
    repetition = Repetition()
    found = [repetition.find("bc_1", "ac_a", f"m{i}", "666", i) for i in range(5)]
    assert found == [None, None, None, "repeat", "repeat"]
    assert repetition.find("bc_1", "ac_a", "m9", "666", 60.0) is None
    assert all(repetition.find("bc_1", "ac_b", "same", "666", 1.0) is None for _ in range(10))


def test_a_crowd_with_one_long_text_is_a_flood_and_with_a_short_one_is_not() -> None:
    repetition = Repetition()
    long = "大家快去别的平台买这个产品"
    found = [repetition.find("bc_1", f"ac_{i}", "m", long, 1.0) for i in range(20)]
    assert (found.count(None), found.count("flood")) == (12, 8)
    assert all(repetition.find("bc_1", f"ac_{i}", "m", "想要", 1.0) is None for i in range(50))


def test_what_was_said_is_forgotten_when_it_no_longer_matters() -> None:
    repetition = Repetition()
    for second in range(1_000):
        for i in range(20):
            text = f"第{second}秒第{i}条，每条都不一样"
            assert repetition.find("bc_1", f"ac_{i}", f"m{second}_{i}", text, float(second)) is None
    # Two notes a comment, for as long as the longer of both windows.
    assert len(repetition._said) <= 2 * 20 * 32
