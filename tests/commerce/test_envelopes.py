"""What is sealed opens for the row it was sealed for, with any key that is still given, and for nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.envelopes import EnvelopeError, Envelopes

OLD, NEW = {"k1": b"1" * 32}, {"k2": b"2" * 32}


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_was_sealed_opens_under_its_context_only(plain: bytes, context: str) -> None:
    envelopes = Envelopes(OLD)
    sealed = envelopes.seal(plain, context)
    assert envelopes.open(sealed, context) == plain
    with pytest.raises(EnvelopeError):
        envelopes.open(sealed, context + "x")


def test_the_first_key_seals_and_every_key_opens() -> None:
    sealed = Envelopes(OLD).seal(b"name", "a")
    both = Envelopes({**NEW, **OLD})
    assert both.open(sealed, "a") == b"name"
    assert both.seal(b"name", "a").startswith(both.first_header)
    with pytest.raises(EnvelopeError, match="'k1'"):
        Envelopes(NEW).open(sealed, "a")


def test_no_changed_byte_goes_unnoticed() -> None:
    envelopes = Envelopes(OLD)
    sealed = envelopes.seal(b"name", "a")
    for at in range(len(sealed)):
        for broken in (sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], sealed[:at]):
            with pytest.raises(EnvelopeError):
                envelopes.open(broken, "a")


def test_the_same_text_never_looks_the_same() -> None:
    envelopes = Envelopes(OLD)
    assert envelopes.seal(b"name", "a") != envelopes.seal(b"name", "a")


@pytest.mark.parametrize("keys", [{}, {"k": "short"}, {"k": "!"}, {"K 1": base64.b64encode(b"1" * 32).decode()}])
def test_unfit_keys_are_refused(keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        Envelopes.of_base64(keys)
    assert all(key not in str(refused.value) for key in keys.values())
