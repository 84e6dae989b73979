"""TCP listening sockets: bound once, by the process itself or by the supervisor for its children. Does I/O."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from server.settings import SettingsError

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


@contextmanager
def port_of(name: str, port: int, host: str) -> Iterator[None]:
    """Turn what the operating system says of a listener into a SettingsError that names the setting."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"{name}: port {port} is in use: free it, or choose another") from None
        if error.errno == errno.EACCES:
            raise SettingsError(f"{name}: this user may not listen on port {port}: choose one above 1023") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise SettingsError(f"HOST: {host} is on no interface of this machine") from None
        raise


def address_literal(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host
