"""Who plays in a load run and where: reads and writes the cast file. I/O: one file.

A JSON object: `{"http", "gateway", "broadcast_id", "product_id"?, "host", "monitor"?, "viewers": […], "buyers"?}`.
A person is `{"token"}` or `{"login", "password"}`; `buyers` says how many of the viewers, from the first, may buy (left
out: all). Fewer viewers than users is fine: they are shared, each user with a client of its own.
"""

from __future__ import annotations

from pathlib import Path

import msgspec


class CastError(Exception):
    """The file cannot be read or lacks something; the message says what."""


class Player(msgspec.Struct, frozen=True, omit_defaults=True):
    """One account: a session's token, or what signs in for one."""

    token: str = ""
    login: str = ""
    password: str = ""


class Cast(msgspec.Struct, frozen=True, omit_defaults=True):
    """The place and the people; addresses without a trailing slash."""

    http: str
    gateway: str
    broadcast_id: str
    viewers: list[Player]
    host: Player | None = None
    monitor: Player | None = None
    product_id: str = ""
    buyers: int | None = None

    def viewer(self, number: int) -> Player:
        """The account of the n-th user who watches or talks; those who buy come last."""
        return self.viewers[-1 - number % len(self.viewers)]

    def buyer(self, number: int) -> Player:
        """The account of the n-th user who buys."""
        return self.viewers[number % max(1, min(len(self.viewers), self.buyers or len(self.viewers)))]


def read_cast(path: Path) -> Cast:
    """Read the file; unknown members are ignored. Raises CastError."""
    try:
        cast = msgspec.json.decode(path.read_bytes(), type=Cast)
    except OSError as error:
        raise CastError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise CastError(f"{path}: {error}") from error
    if not cast.viewers:
        raise CastError(f"{path}: nobody stands in `viewers`")
    return cast


def write_cast(path: Path, cast: Cast) -> None:
    """Write it for the processes of a run, readable by its owner alone."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(msgspec.json.encode(cast))
