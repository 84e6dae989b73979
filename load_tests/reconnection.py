"""What a room client does after its connection has ended: the close-code rules of docs/protocol.md. Pure."""

from dataclasses import dataclass
from typing import Final

ABNORMAL: Final = 1006
TOKEN_EXPIRED: Final = 4003
_COME_BACK: Final = range(4000, 4500)
_STAY_AWAY: Final = range(4500, 5000)


@dataclass(frozen=True)
class Return:
    """Connect again after `after_ms`, with a new token if `fresh_token`."""

    after_ms: int
    fresh_token: bool


@dataclass(frozen=True)
class StayAway:
    """Do not connect again; `code` is the close code."""

    code: int


def after_close(code: int, said_ms: int | None, welcome_ms: int) -> Return | StayAway:
    """Decide by close code (1006: none was received).

    `said_ms` is the `retry_after_ms` of a `bye`, `welcome_ms` the `reconnect_after_ms` of the last welcome.
    Codes outside the protocol's ranges, such as a proxy's 1001 or 1012, are treated like 1006.
    """
    if code in _STAY_AWAY:
        return StayAway(code)
    if code in _COME_BACK and said_ms is not None:
        return Return(said_ms, fresh_token=code == TOKEN_EXPIRED)
    return Return(welcome_ms, fresh_token=code == TOKEN_EXPIRED)
