"""Tokens for scripts against a demo, signed with the demo's own secret."""

import time
from pathlib import Path

from server.auth.tokens import Tokens
from server.demo import bank
from server.demo.places import DemoError

_TTL_S = 8 * 3600
_ACCOUNTS = {
    "viewer": bank.CUSTOMERS[0].account,
    "host": bank.HOST,
    "monitor": bank.MONITOR,
    "checker": bank.CHECKER,
    "guest": bank.GUEST,
    "operator": bank.OPERATOR,
}


def demo_token(data_dir: Path, role: str, broadcast_id: str | None) -> str:
    """Return a token of the demo's account with this role; raises DemoError.

    The sample show has staff of its own, so for it `host` and `monitor` are those people.
    """
    secret = data_dir / "jwt-secret"
    if not secret.exists():
        raise DemoError(f"no demo has run with {data_dir}: start ./run demo, or name its folder with --data-dir")
    account = _ACCOUNTS.get(role)
    if account is None:
        raise DemoError(f"no such role: {role}; choose one of {', '.join(_ACCOUNTS)}")
    if broadcast_id == bank.SHOW_ID and role in ("host", "monitor"):
        account = bank.SHOW_HOST if role == "host" else bank.SHOW_MONITOR
    tokens = Tokens(secret.read_text(), _TTL_S)
    return tokens.issue(
        account.account_id, account.role, account.nickname, now_s=int(time.time()), broadcast_id=broadcast_id
    )[0]
