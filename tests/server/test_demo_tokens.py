"""Tokens for scripts against a demo: whose they are, what they reach, and what is refused."""

import time
from pathlib import Path

import pytest

from server.auth.tokens import Tokens
from server.demo import bank
from server.demo.places import DemoError, demo_secret
from server.demo.scripting import demo_token


@pytest.mark.parametrize("role", ["viewer", "host", "monitor", "checker", "guest", "operator"])
@pytest.mark.parametrize("broadcast_id", [None, bank.OWN_ID, bank.SHOW_ID])
def test_a_token_is_of_the_role_and_of_whoever_has_it_in_that_broadcast(
    tmp_path: Path, role: str, broadcast_id: str | None
) -> None:
    secret = demo_secret(tmp_path)
    principal = Tokens(secret, 60).verify(demo_token(tmp_path, role, broadcast_id), now_s=int(time.time()))
    assert (principal.role, principal.broadcast_id) == (role, broadcast_id)
    staff = {
        (bank.OWN_ID, "host"): bank.HOST,
        (bank.OWN_ID, "monitor"): bank.MONITOR,
        (bank.SHOW_ID, "host"): bank.SHOW_HOST,
        (bank.SHOW_ID, "monitor"): bank.SHOW_MONITOR,
    }
    if (person := staff.get((broadcast_id or "", role))) is not None:
        assert principal.account_id == person.account_id


def test_an_unknown_role_hears_which_there_are_and_a_folder_without_demo_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"start \./run demo, or name its folder with --data-dir"):
        demo_token(tmp_path, "viewer", None)
    demo_secret(tmp_path)
    with pytest.raises(DemoError, match="no such role: boss; choose one of viewer, host, monitor, checker"):
        demo_token(tmp_path, "boss", None)
