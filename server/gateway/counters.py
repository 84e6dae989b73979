"""What the gateway counts. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class GatewayCounters:
    """All only grow but `connections`; exported to metrics by whoever runs the gateway."""

    connections: int = 0
    connections_total: int = 0
    welcomes: int = 0
    shed: int = 0
    refused_addresses: int = 0
    refused_origins: int = 0
    frames_in: int = 0
    frames_out: int = 0
    frames_queued: int = 0
    bytes_out: int = 0
    errors_out: int = 0
    slow_closes: int = 0
    silent_closes: int = 0
    flood_closes: int = 0
    unopened_closes: int = 0
    shed_may: int = 0
    shed_should: int = 0
    internal_errors: int = 0
