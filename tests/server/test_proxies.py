"""Forwarded addresses are believed from trusted proxies only."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.http.proxies import Origin, origin

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "proto", "expected"),
    [
        ("203.0.113.5", "198.51.100.1", "https", Origin("203.0.113.5", "http")),
        ("10.0.0.1", "198.51.100.1", "https", Origin("198.51.100.1", "https")),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "https", Origin("198.51.100.1", "https")),
        ("10.0.0.1", "nonsense", "gopher", Origin("10.0.0.1", "http")),
        ("10.0.0.1", "198.51.100.1, nonsense", "https", Origin("10.0.0.1", "https")),
        ("fd00::1", "2001:db8::7", "http, https", Origin("2001:db8::7", "https")),
        ("10.0.0.1", "", "", Origin("10.0.0.1", "http")),
        ("", "198.51.100.1", "https", Origin("", "http")),
    ],
)
def test_the_last_address_that_no_trusted_proxy_wrote_for_itself_is_the_client(
    peer: str, forwarded: str, proto: str, expected: Origin
) -> None:
    assert origin(peer, "http", {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": proto}, TRUSTED) == expected


@given(st.text(), st.text())
def test_headers_of_any_kind_never_crash_and_are_never_believed_from_strangers(forwarded: str, proto: str) -> None:
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": proto}
    assert origin("203.0.113.5", "http", headers, TRUSTED) == Origin("203.0.113.5", "http")
    assert origin("10.0.0.1", "http", headers, TRUSTED).scheme in ("http", "https")
