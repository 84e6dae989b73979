"""The engine's table of WHIP and WHEP resources, and the values that name them. Pure.

Counts are kept as sessions come and go, so that admitting one more costs the same whatever their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from streaming.errors import UnknownResource
from streaming.ice_lite import Credentials, IceLiteAgent
from streaming.sdp_fragment import BundleTag


@dataclass(frozen=True, slots=True)
class Answer:
    """What a WHIP or WHEP POST is answered with; `etag` names the ICE session and is not quoted."""

    resource_id: str
    sdp: str
    etag: str


@dataclass(frozen=True, slots=True)
class Resource:
    """Whose a resource is: `kind` is "publisher" or "viewer", `holder_id` the one on whose right it stands.

    `until_s` is when that right ends, in epoch seconds, as far as it was known when it was last asked.
    """

    resource_id: str
    broadcast_id: str
    kind: str
    holder_id: str
    until_s: float
    etag: str
    remote_ufrag: str
    tag: BundleTag


class Session(Protocol):
    """What stands behind a resource."""

    ice: IceLiteAgent

    def restart_ice(self, credentials: Credentials) -> None: ...

    def close(self, reason: str) -> None: ...

    def tick(self, now_s: float) -> None: ...


class Resources:
    """Holds every open session; one is half-open from `hold` until `connected` or `release`."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Resource, Session]] = {}
        self._half_open: set[str] = set()
        self._by_kind = {"publisher": 0, "viewer": 0}
        self.joined = dict(self._by_kind)
        """Sessions ever admitted, by kind."""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def half_open(self) -> int:
        """Sessions whose handshake is not complete."""
        return len(self._half_open)

    def tick(self, now_s: float) -> None:
        """Let the clock reach every half-open session; their number is bounded by the settings."""
        for resource_id in tuple(self._half_open):
            self._held[resource_id][1].tick(now_s)

    def admitted(self, kind: str) -> int:
        """Sessions of a kind, half-open ones too."""
        return self._by_kind[kind]

    def connected(self, kind: str) -> int:
        """Sessions of a kind whose handshake is complete."""
        return self._by_kind[kind] - sum(self._held[held][0].kind == kind for held in self._half_open)

    def hold(self, resource: Resource, session: Session) -> None:
        """Take in a session that was just admitted."""
        self._held[resource.resource_id] = (resource, session)
        self._half_open.add(resource.resource_id)
        self._by_kind[resource.kind] += 1
        self.joined[resource.kind] += 1

    def complete(self, resource_id: str) -> None:
        """Note that a session's handshake is complete."""
        self._half_open.discard(resource_id)

    def release(self, resource_id: str) -> None:
        """Forget a session that has closed."""
        held = self._held.pop(resource_id, None)
        if held is not None:
            self._half_open.discard(resource_id)
            self._by_kind[held[0].kind] -= 1

    def all(self) -> list[Resource]:
        """Give every resource that is held."""
        return [resource for resource, _ in self._held.values()]

    def change(self, resource: Resource) -> None:
        """Put another ICE session's names, or another end, on a resource that is held."""
        self._held[resource.resource_id] = (resource, self._held[resource.resource_id][1])

    def find(self, resource_id: str) -> tuple[Resource, Session]:
        """Give a resource and its session; raises UnknownResource."""
        held = self._held.get(resource_id)
        if held is None:
            raise UnknownResource("no such resource, or it has ended")
        return held
