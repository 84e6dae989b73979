"""Session tokens: what is accepted and what is not."""

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth.tokens import TokenError, Tokens

SECRET = "s" * 40
TOKENS = Tokens(SECRET, ttl_s=600)
NOW_S = 1_800_000_000


def refusal(token: str, now_s: float = NOW_S) -> str:
    with pytest.raises(TokenError) as refused:
        TOKENS.verify(token, now_s=now_s)
    return refused.value.code


def test_a_fresh_token_names_its_subject() -> None:
    token, expires_at_s = TOKENS.issue("ac_1", "viewer", "小鱼", now_s=NOW_S, broadcast_id="bc_1")
    who = TOKENS.verify(token, now_s=NOW_S + 599)
    assert (who.account_id, who.role, who.nickname, who.broadcast_id) == ("ac_1", "viewer", "小鱼", "bc_1")
    assert who.expires_at_s == expires_at_s == NOW_S + 600


def test_a_token_remembers_when_its_session_began_also_when_it_was_refreshed() -> None:
    first, _ = TOKENS.issue("ac_1", "viewer", "x", now_s=NOW_S)
    refreshed, _ = TOKENS.issue("ac_1", "viewer", "x", now_s=NOW_S + 500, signed_in_at_s=NOW_S)
    assert [TOKENS.verify(one, now_s=NOW_S + 501).signed_in_at_s for one in (first, refreshed)] == [NOW_S, NOW_S]


def test_an_expired_token_says_so() -> None:
    token, _ = TOKENS.issue("ac_1", "viewer", "x", now_s=NOW_S)
    assert refusal(token, NOW_S + 600) == "token_expired"


def test_a_token_signed_with_another_secret_is_bad() -> None:
    token, _ = Tokens("t" * 40, ttl_s=600).issue("ac_1", "viewer", "x", now_s=NOW_S)
    assert refusal(token) == "bad_token"


def test_an_unsigned_token_is_bad() -> None:
    claims = {"sub": "ac_1", "role": "host", "exp": NOW_S + 60, "aud": "wealthcast"}
    assert refusal(jwt.encode(claims, key="", algorithm="none")) == "bad_token"


@pytest.mark.parametrize("claims", [{"role": "god"}, {"role": None}, {"exp": "soon"}, {"aud": "elsewhere"}, {"sub": 7}])
def test_claims_that_make_no_sense_are_bad(claims: dict[str, object]) -> None:
    whole = {"sub": "ac_1", "role": "host", "exp": NOW_S + 60, "aud": "wealthcast", **claims}
    assert refusal(jwt.encode(whole, SECRET, "HS256")) == "bad_token"


@given(st.text())
def test_any_text_is_refused_without_a_crash(text: str) -> None:
    assert refusal(text) == "bad_token"
