"""TCP listening sockets: bound once, by the process itself or by the supervisor for its children. Does I/O."""

import socket
from dataclasses import dataclass

BACKLOG = 1_024


@dataclass(frozen=True)
class Inherited:
    """Listening sockets handed down by the supervisor; None: the process binds its own."""

    http: socket.socket | None = None
    gateway: socket.socket | None = None


NOTHING_INHERITED = Inherited()


def listen(host: str, port: int, *, send_buffer_bytes: int | None = None) -> socket.socket:
    """Bind and listen; raises OSError when the address is taken or not ours.

    Accepted sockets inherit the send buffer's size; the kernel's own bound would let a peer that never reads cost
    megabytes.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listening.setblocking(False)
    if send_buffer_bytes is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    return listening
