"""What the engine and each broadcast count, as values that are read all at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BroadcastStats:
    """One row of the engine's table."""

    broadcast_id: str
    publisher: str
    """"none", "waiting", "flowing" or "stalled"."""
    video_codec: str
    viewers: int
    viewers_by_layer: Mapping[int | None, int]
    """Who takes video, by layer from the smallest; None: the picture is left out for want of bandwidth."""
    packets_in: int
    bytes_in: int
    keyframes: int
    keyframe_requests: int
    nacks_received: int
    retransmitted: int
    nacks_sent: int


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What the engine counts; totals are since `start`, the buffers are what the kernel really gave."""

    publishers: int
    viewers: int
    half_open: int
    packets_in: int
    bytes_in: int
    packets_out: int
    bytes_out: int
    packets_queued: int
    packets_dropped: int
    unsegmented: int
    """Addresses whose way takes no segmented UDP, so that sending to them costs more."""
    unknown_address: int
    unknown_ufrag: int
    stun_rejected: int
    malformed: int
    joined: dict[str, int]
    """Sessions admitted, by kind."""
    refused: dict[str, int]
    """Sessions refused, by error code."""
    nacks_received: int
    retransmitted: int
    nacks_sent: int
    keyframe_requests: int
    send_buffer_bytes: int
    receive_buffer_bytes: int
    broadcasts: tuple[BroadcastStats, ...]
