"""Which media process a publisher or a viewer goes to, by what the processes said of themselves. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec


class MediaProcess(msgspec.Struct, frozen=True):
    """What a media process says of itself every second; `address` is where its admin port answers."""

    process_id: str
    address: str
    viewers: int = 0
    max_viewers: int = 1
    draining: bool = False
    publishing: tuple[str, ...] = ()
    """Broadcasts whose publisher is here."""
    broadcasts: tuple[str, ...] = ()
    """Broadcasts that have anybody here."""

    @property
    def full(self) -> bool:
        """Whether it takes no further viewer."""
        return self.viewers >= self.max_viewers


def for_publisher(broadcast_id: str, processes: Iterable[MediaProcess]) -> list[MediaProcess]:
    """Order the processes a publisher may go to: where it already is, where its viewers are, then by hash.

    By hash (rendezvous), so that two who publish at once meet in one process, which lets only one of them in.
    """

    def rank(process: MediaProcess) -> tuple[bool, bool, bytes]:
        here, known = broadcast_id in process.publishing, broadcast_id in process.broadcasts
        return not here, not known, _weight(broadcast_id, process)

    return sorted(_open(processes), key=rank)


def for_viewer(broadcast_id: str, processes: Iterable[MediaProcess]) -> list[MediaProcess]:
    """Order the processes a viewer may go to: its publisher's while there is room, one that has the stream, the idlest.

    Full ones come last; they say when to come back.
    """

    def rank(process: MediaProcess) -> tuple[bool, bool, bool, float, bytes]:
        here, known = broadcast_id in process.publishing, broadcast_id in process.broadcasts
        load = process.viewers / process.max_viewers if not known else 0.0
        return process.full, not here, not known, round(load, 1), _weight(broadcast_id, process)

    return sorted(_open(processes), key=rank)


def origin_of(broadcast_id: str, processes: Iterable[MediaProcess], own_id: str) -> MediaProcess | None:
    """The other process that has the broadcast's publisher; None while nobody publishes elsewhere."""
    return next((p for p in processes if broadcast_id in p.publishing and p.process_id != own_id), None)


def _open(processes: Iterable[MediaProcess]) -> Sequence[MediaProcess]:
    return [process for process in processes if not process.draining]


def _weight(broadcast_id: str, process: MediaProcess) -> bytes:
    return hashlib.blake2b(f"{broadcast_id}/{process.process_id}".encode(), digest_size=8).digest()
