"""What a deployment may set of the gateway. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chat.rooms import RoomTimes
from chat.session import SessionLimits
from server.gateway.addresses import AddressLimits
from server.gateway.frame_writer import FanOutName
from server.gateway.limits import SEND_BUFFER_BYTES
from server.gateway.raw_connection import WriteLimits


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What a deployment may set; times in seconds, sizes in bytes."""

    host: str = "127.0.0.1"
    port: int = 8081
    # Empty: pages of the host that is asked, and of `public_url`'s; "*": anybody's (origins.py).
    allowed_origins: Sequence[str] = ()
    public_url: str | None = None
    max_connections: int = 20_000
    # Accepted, and not yet through their handshake: beyond this those that have waited longest go.
    max_unopened: int = 4_000
    max_unopened_per_address: int = 600
    max_frame_bytes: int = 16 * 1024
    handshake_s: float = 5.0
    heartbeat_s: float = 10.0
    poll_tick_s: float = 0.5
    withdrawals_s: float = 1.0
    figures_s: float = 5.0
    # A peer that has said nothing for this to one and a half times this is asked, and gone after two and a half.
    ping_s: float = 15.0
    frame_writer: FanOutName = "auto"
    port_timeout_s: float = 10.0
    send_buffer_bytes: int = SEND_BUFFER_BYTES
    write_limit_bytes: int = 32 * 1024
    addresses: AddressLimits = field(default_factory=AddressLimits)
    write: WriteLimits = field(default_factory=WriteLimits)
    session: SessionLimits = field(default_factory=SessionLimits)
    times: RoomTimes = field(default_factory=RoomTimes)
