"""Whose pages may open a room."""

from collections.abc import Sequence

import pytest

from server.gateway.origins import Origins

HOST = ("live.bank.example:8081",)


@pytest.mark.parametrize(
    ("origins", "hosts", "admitted"),
    [
        ((), HOST, True),
        (("https://live.bank.example",), HOST, True),
        (("http://LIVE.bank.example:8080",), HOST, True),
        (("http://[::1]:8080",), ("[::1]:8081",), True),
        (("https://public.bank.example",), ("10.0.0.7:8081",), True),
        (("https://evil.example",), HOST, False),
        (("https://live.bank.example.evil.example",), HOST, False),
        (("https://evil.example/live.bank.example",), HOST, False),
        (("https://live.bank.example@evil.example",), HOST, False),
        (("https://bank.example",), HOST, False),
        (("null",), HOST, False),
        (("",), ("",), False),
        (("null",), (), False),
        (("http://[::1",), ("[::1",), False),
        (("https://live.bank.example", "https://evil.example"), HOST, False),
        (("https://evil.example",), ("evil.example", "live.bank.example"), False),
    ],
)
def test_without_a_list_the_page_is_of_the_host_that_is_asked_or_of_the_public_one(
    origins: Sequence[str], hosts: Sequence[str], admitted: bool
) -> None:
    assert Origins((), "wss://public.bank.example/ws").admit(origins, hosts) is admitted


def test_a_list_counts_instead_and_a_star_admits_anybody() -> None:
    listed = Origins(("https://www.bank.example",), "wss://live.bank.example/ws")
    assert listed.admit(("https://www.bank.example",), HOST)
    assert listed.admit((), HOST)
    assert not listed.admit(("https://live.bank.example",), HOST)
    assert not listed.admit(("http://www.bank.example",), HOST)
    assert Origins(("*",), None).admit(("https://evil.example",), HOST)


def test_operators_are_told_in_a_line() -> None:
    assert Origins((), None).described() == "pages of the host that is asked"
    assert Origins((), "wss://live.bank.example/ws").described().endswith(", and of live.bank.example")
    assert Origins(("https://www.bank.example",), None).described() == "https://www.bank.example"
    assert Origins(("*",), None).described().startswith("any site's")
