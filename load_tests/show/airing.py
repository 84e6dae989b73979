"""What the host does next to get a broadcast on air. Pure."""

from dataclasses import dataclass
from typing import Final

PUBLISHABLE: Final = frozenset({"rehearsal", "live", "paused"})
ON_AIR: Final = frozenset({"live", "paused"})
_WAITS_FOR_OTHERS: Final = frozenset({"draft", "in_review", "rejected"})


@dataclass(frozen=True)
class Publish:
    """The broadcast takes a publisher."""


@dataclass(frozen=True)
class Move:
    """Make this move, then look again."""

    name: str


@dataclass(frozen=True)
class Wait:
    """Nothing can be done now; `why` is for the log."""

    why: str


def next_step(state: str, allowed_moves: list[str]) -> Publish | Move | Wait:
    """Decide by the broadcast's state and what the server allows the host.

    A paused show is published into but never resumed: a person paused it.
    """
    if state in PUBLISHABLE:
        return Publish()
    for move in ("rehearse", "go_live", "schedule"):
        if move in allowed_moves:
            return Move(move)
    if state in _WAITS_FOR_OTHERS:
        return Wait(f"the broadcast is {state}: it has to be approved first")
    return Wait(f"the broadcast is {state}: a person ended it; the show waits")
