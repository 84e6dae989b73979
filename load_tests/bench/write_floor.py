"""The least that a frame to many sockets costs: one bare `os.write` each, from a process of its own. I/O: sockets.

`python -m load_tests.bench.write_floor VIEWERS BYTES PER_S SECONDS` prints its port, waits for that many connections,
writes a frame of that size to each at that pace and prints its own CPU time a frame.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import time


def main(viewers: int, size: int, per_s: float, seconds: float) -> None:
    """Listen, write, measure."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
    peers = [listening.accept()[0] for _ in range(viewers)]
    # RFC 6455: a text frame of one empty array and blanks, as long as a real one.
    payload = b"[" + b" " * (size - 6) + b"]"
    frame = b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
    handles = [peer.fileno() for peer in peers]
    sys.stdin.readline()
    began_s, frames, short, used_s = time.monotonic(), 0, 0, _cpu_s()
    for turn in range(int(per_s * seconds)):
        if (wait_s := began_s + turn / per_s - time.monotonic()) > 0:
            time.sleep(wait_s)
        for handle in handles:
            short += os.write(handle, frame) != len(frame)
            frames += 1
    used_s = _cpu_s() - used_s
    print(json.dumps({"us_per_frame": used_s * 1e6 / frames, "short_writes": short}), flush=True)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
