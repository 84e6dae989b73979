"""What `serve` is given when it is started on loopback beside other programs: ports and environment. Does I/O: binds.

For benchmarks, fault runs and tests; nothing of a running program imports it.
"""

import atexit
import json
import os
import random
import socket
from contextlib import ExitStack
from typing import Final

from server.settings import PREFIX

_LOWEST: Final = 12_000
_BLOCK: Final = 16
_BLOCKS: Final = 1_250


def free_ports(tcp: int, udp: int = 0) -> int:
    """Return the first of so many free ports in a row, TCP's before UDP's, 15 at most.

    Nobody else who asks here, in whatever process, is given one of them while this process lives: the last of each
    block is held as a mark. They lie below the range from which systems give ports to whoever asks for any.
    """
    assert tcp + udp < _BLOCK
    while True:
        first = _LOWEST + _BLOCK * random.randrange(_BLOCKS)
        mark = socket.socket(type=socket.SOCK_DGRAM)
        with ExitStack() as probes:
            try:
                mark.bind(("127.0.0.1", first + _BLOCK - 1))
                for number in range(tcp + udp):
                    kind = socket.SOCK_STREAM if number < tcp else socket.SOCK_DGRAM
                    probes.enter_context(socket.socket(type=kind)).bind(("0.0.0.0", first + number))
            except OSError:
                mark.close()
                continue
        atexit.register(mark.close)
        return first


def loopback_environment(
    database_url: str, redis_url: str, port: int, secret: str, data_keys: dict[str, str], **settings: str
) -> dict[str, str]:
    """What an operator would set: HTTP on `port`, the gateway on the next, media from the one after it on.

    `settings` are named as in the README, in small letters and without prefix; each replaces what stands here.
    """
    given = {
        "jwt_secret": secret,
        "data_keys": json.dumps(data_keys),
        "host": "127.0.0.1",
        "http_port": str(port),
        "gateway_port": str(port + 1),
        "media_port": str(port + 2),
        "media_advertised_ip": "127.0.0.1",
        "admin_port": "0",
        "reauthentication_within_s": "0",  # whoever buys here by the thousand types no password
        "database_url": database_url,
        "redis_url": redis_url,
        **settings,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # Those that are also known by a bare name are given by it, which goes before the other.
    bare = ("database_url", "redis_url", "media_advertised_ip")
    return inherited | {(name if name in bare else PREFIX + name).upper(): value for name, value in given.items()}
