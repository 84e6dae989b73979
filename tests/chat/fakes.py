"""Fakes at the room's ports: identities, broadcasts, points and the stream's clock, all held in memory."""

import time
from dataclasses import dataclass, field
from typing import Any

from chat.errors import AuthenticationFailed, TipRefused
from chat.ports import BroadcastFacts, Principal

BROADCAST = "bc_show"


class FakeAuthenticator:
    """Knows the tokens it has issued; `expired:` tokens were good once."""

    def __init__(self) -> None:
        self._principals: dict[str, Principal] = {}

    def issue(
        self,
        account_id: str,
        role: str = "viewer",
        *,
        ttl_s: float = 3_600.0,
        broadcast_id: str | None = None,
        nickname: str = "小明",
    ) -> str:
        token = f"token-{len(self._principals)}"
        self._principals[token] = Principal(account_id, role, nickname, time.time() + ttl_s, broadcast_id)
        return token

    async def authenticate(self, token: str) -> Principal:
        if token.startswith("expired:"):
            raise AuthenticationFailed("token_expired")
        try:
            return self._principals[token]
        except KeyError:
            raise AuthenticationFailed("unauthenticated") from None


def broadcast_view(broadcast_id: str, state: str) -> dict[str, Any]:
    return {
        "broadcast_id": broadcast_id,
        "title": "稳健理财夜话",
        "summary": "",
        "state": state,
        "version": 3,
        "scheduled_at": None,
        "host": {"account_id": "ac_host", "display_name": "林晓"},
        "monitor": {"account_id": "ac_monitor", "display_name": "监看"},
        "started_at": None,
        "stream_time_ms": 1_234,
    }


@dataclass
class FakeBroadcasts:
    """Broadcasts by id; `reads` counts how often one was asked for."""

    states: dict[str, str] = field(default_factory=lambda: {BROADCAST: "live"})
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    reads: int = 0

    async def read(self, broadcast_id: str) -> BroadcastFacts | None:
        self.reads += 1
        state = self.states.get(broadcast_id)
        if state is None:
            return None
        card = self.cards.get(broadcast_id)
        view = broadcast_view(broadcast_id, state)
        hidden = frozenset() if state in ("scheduled", "live", "paused") else frozenset({"viewer"})
        return BroadcastFacts(view, state, "flowing", 1_234, card, card is None, hidden)


@dataclass
class FakeTips:
    """A ledger of one number an account."""

    points: dict[str, int] = field(default_factory=dict)
    keys: dict[tuple[str, str], int] = field(default_factory=dict)

    async def tip(self, account_id: str, broadcast_id: str, points: int, key: str) -> int:
        if (account_id, key) not in self.keys:
            balance = self.points.get(account_id, 100)
            if points > balance:
                raise TipRefused("insufficient_points", "not enough points")
            self.points[account_id] = self.keys[account_id, key] = balance - points
        return self.keys[account_id, key]

    async def balance(self, account_id: str) -> int:
        return self.points.get(account_id, 100)


class FakeClock:
    """A show that has run for 5 s."""

    async def stream_time_ms(self, broadcast_id: str) -> int | None:
        return 5_000
