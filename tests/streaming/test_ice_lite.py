"""STUN from another implementation is answered when it is authentic, and only then."""

from __future__ import annotations

import contextlib
import os

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import MalformedPacket
from streaming.ice_lite import (
    Address,
    Credentials,
    IceLiteAgent,
    build_stun,
    new_credentials,
    parse_stun,
    xor_mapped_address,
)

PASSWORD = "p" * 24
ADDRESS: Address = ("203.0.113.7", 40_000)


def agent(now_s: float = 0.0) -> IceLiteAgent:
    return IceLiteAgent(Credentials("ours", PASSWORD, "theirs"), now_s)


def request(username: str = "ours:theirs", password: str = PASSWORD, **attributes: object) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1
    message.attributes.update({name.replace("_", "-"): value for name, value in attributes.items()})
    message.add_message_integrity(password.encode())
    return bytes(message)


@given(data=st.binary(max_size=1400))
def test_arbitrary_bytes_are_parsed_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        agent().handle(parse_stun(data), ADDRESS, 0.0)


@given(body=st.binary(max_size=400))
def test_arbitrary_attributes_are_parsed_or_refused(body: bytes) -> None:
    body = body[: len(body) // 4 * 4]
    head = b"\x00\x01" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12)
    with contextlib.suppress(MalformedPacket):
        agent().handle(parse_stun(head + body), ADDRESS, 0.0)


@given(position=st.integers(0, 200), bit=st.integers(0, 7))
def test_one_flipped_bit_is_never_authentic(position: int, bit: int) -> None:
    data = bytearray(request(ICE_CONTROLLING=1, USE_CANDIDATE=None))
    data[position % len(data)] ^= 1 << bit
    try:
        outcome = agent().handle(parse_stun(bytes(data)), ADDRESS, 0.0)
    except MalformedPacket:
        return
    assert not outcome.authenticated


def test_an_authentic_request_is_answered_with_the_senders_address() -> None:
    outcome = agent().handle(parse_stun(request(ICE_CONTROLLING=1)), ADDRESS, 0.0)
    assert outcome.authenticated
    assert not outcome.nominated
    assert outcome.response is not None
    answer = stun.parse_message(outcome.response)
    assert answer.check_message_integrity(PASSWORD.encode())
    assert answer.message_class == stun.Class.RESPONSE
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == ADDRESS


def test_use_candidate_nominates() -> None:
    assert agent().handle(parse_stun(request(ICE_CONTROLLING=1, USE_CANDIDATE=None)), ADDRESS, 0.0).nominated


def test_a_wrong_password_is_not_answered_and_changes_nothing() -> None:
    ours = agent()
    outcome = ours.handle(parse_stun(request(password="wrong" * 5, USE_CANDIDATE=None)), ADDRESS, 20.0)
    assert outcome.response is None
    assert not outcome.authenticated
    assert not outcome.nominated
    assert ours.rejected == 1
    assert ours.consent_age_s(20.0) == 20.0


@pytest.mark.parametrize("username", ["ours:other", "ours", "ours:", "other:theirs", "ours:theirs:more"])
def test_a_wrong_user_name_is_not_answered(username: str) -> None:
    assert agent().handle(parse_stun(request(username)), ADDRESS, 0.0).response is None


def test_a_request_without_integrity_is_not_answered() -> None:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = "ours:theirs"
    message.add_fingerprint()
    assert agent().handle(parse_stun(bytes(message)), ADDRESS, 0.0).response is None


def test_a_message_without_fingerprint_is_not_for_us() -> None:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = "ours:theirs"
    with pytest.raises(MalformedPacket):
        parse_stun(bytes(message))


def test_a_peer_that_thinks_it_is_controlled_is_told_of_the_conflict() -> None:
    outcome = agent().handle(parse_stun(request(ICE_CONTROLLED=1)), ADDRESS, 0.0)
    assert outcome.response is not None
    assert stun.parse_message(outcome.response).error_code == 487
    assert not outcome.authenticated


def test_an_unknown_required_attribute_is_named_in_the_error() -> None:
    data = build_stun(0x0001, os.urandom(12), [(0x0006, b"ours:theirs"), (0x7ABC, b"1234")], PASSWORD)
    outcome = agent().handle(parse_stun(data), ADDRESS, 0.0)
    assert outcome.response is not None
    assert stun.parse_message(outcome.response).error_code == 420


def test_consent_lasts_from_the_last_authentic_request() -> None:
    ours = agent(now_s=100.0)
    assert ours.consent_age_s(105.0) == 5.0
    ours.handle(parse_stun(request(ICE_CONTROLLING=1)), ADDRESS, 110.0)
    assert ours.consent_age_s(141.0) == 31.0


NEW = Credentials("fresh", "q" * 24, "newer")


def fresh(**attributes: object) -> bytes:
    return request("fresh:newer", NEW.password, ICE_CONTROLLING=1, **attributes)


def test_after_a_restart_both_credentials_are_answered_until_the_new_ones_are_nominated() -> None:
    ours = agent()
    assert ours.restart(NEW) is None
    assert list(ours.ufrags) == ["ours", "fresh"]
    checked = ours.handle(parse_stun(fresh()), ADDRESS, 1.0)
    assert (checked.authenticated, checked.nominated, checked.retired_ufrag) == (True, False, None)
    old = ours.handle(parse_stun(request(ICE_CONTROLLING=1, USE_CANDIDATE=None)), ADDRESS, 2.0)
    assert (old.nominated, old.retired_ufrag) == (True, None)
    nominated = ours.handle(parse_stun(fresh(USE_CANDIDATE=None)), ADDRESS, 3.0)
    assert (nominated.nominated, nominated.retired_ufrag) == (True, "ours")
    assert list(ours.ufrags) == ["fresh"]
    assert not ours.handle(parse_stun(request(ICE_CONTROLLING=1)), ADDRESS, 4.0).authenticated
    assert ours.handle(parse_stun(fresh(USE_CANDIDATE=None)), ADDRESS, 5.0).retired_ufrag is None


def test_a_restart_answers_with_the_new_password_and_refuses_the_old_one_under_the_new_name() -> None:
    ours = agent()
    ours.restart(NEW)
    response = ours.handle(parse_stun(fresh()), ADDRESS, 1.0).response
    assert response is not None
    assert stun.parse_message(response).check_message_integrity(NEW.password.encode())
    assert not ours.handle(parse_stun(request("fresh:newer")), ADDRESS, 1.0).authenticated
    assert not ours.handle(parse_stun(request("fresh:theirs", NEW.password)), ADDRESS, 1.0).authenticated


def test_a_second_restart_before_any_nomination_replaces_the_first() -> None:
    ours = agent()
    ours.restart(NEW)
    assert ours.restart(Credentials("third", "r" * 24, "newest")) == "fresh"
    assert list(ours.ufrags) == ["ours", "third"]
    assert not ours.handle(parse_stun(fresh()), ADDRESS, 1.0).authenticated


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (("2001:db8::7", 5000, 0, 0), ("2001:db8::7", 5000)),
        (("::ffff:203.0.113.9", 5000, 0, 0), ("203.0.113.9", 5000)),
        (("fe80::1%eth0", 5000, 0, 2), ("fe80::1", 5000)),
    ],
)
def test_ipv6_addresses_are_told_in_their_own_form(address: Address, told: tuple[str, int]) -> None:
    transaction = os.urandom(12)
    data = build_stun(0x0101, transaction, [(0x0020, xor_mapped_address(address, transaction))], PASSWORD)
    assert stun.parse_message(data).attributes["XOR-MAPPED-ADDRESS"] == told


def test_credentials_are_long_enough_and_of_ice_characters() -> None:
    ufrag, password = new_credentials(os.urandom)
    assert len(ufrag) >= 4
    assert len(password) >= 22
    assert (ufrag + password).isalnum()
    assert new_credentials(os.urandom) != (ufrag, password)
