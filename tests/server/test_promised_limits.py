"""What the protocol and the manual promise of a room's times and limits is what an installation begins with."""

from chat.session import SessionLimits
from server.gateway.options import GatewayOptions
from server.gateway.raw_connection import _ASKED_AFTER, _GONE_AFTER, WriteLimits
from server.settings import Settings

OPTIONS, SESSION = GatewayOptions(), SessionLimits()


def test_heartbeats_come_at_least_every_fifteen_seconds() -> None:
    assert 0 < OPTIONS.heartbeat_s <= 15


def test_a_peer_that_went_silent_is_gone_within_forty_seconds_and_was_asked_before() -> None:
    sweep_s = OPTIONS.ping_s / 2
    assert 0 < sweep_s * _GONE_AFTER <= 40
    assert _ASKED_AFTER < _GONE_AFTER


def test_handshake_and_first_frame_have_five_seconds() -> None:
    assert (OPTIONS.handshake_s, SESSION.hello_timeout_s) == (5, 5)


def test_texts_frames_and_comments_are_bounded() -> None:
    assert (SESSION.text_chars, OPTIONS.max_frame_bytes, SESSION.comments_per_10s) == (200, 16 * 1024, 10)


def test_rooms_tell_a_tenth_of_a_second_together_and_show_fifteen_comments_of_one() -> None:
    settings = {name: field.default for name, field in Settings.model_fields.items()}
    assert (settings["room_tick_ms"], settings["comments_shown_per_s"]) == (100, 15)


def test_one_address_may_hold_what_a_carriers_nat_needs_and_no_more() -> None:
    assert 1_000 <= OPTIONS.addresses.connections <= 2_000
    assert OPTIONS.addresses.handshakes is not None


def test_what_waits_for_one_viewer_is_bounded_in_bytes_and_time() -> None:
    assert WriteLimits() == WriteLimits(buffer_bytes=64 * 1024, outbox_bytes=64 * 1024, stall_s=5.0, close_s=2.0)
