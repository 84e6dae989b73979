"""What a supervisor and its child tell each other: the child's place on its command line, its report through a pipe.

Both are JSON. Does I/O: the pipe.
"""

import os

import msgspec

from server.settings import Role


class Place(msgspec.Struct, frozen=True):
    """What a child is to be; sockets and the pipe are descriptors that it inherits."""

    name: str
    roles: tuple[Role, ...]
    report: int
    http: int | None = None
    gateway: int | None = None
    media_port: int | None = None


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """`refused` holds the settings' error where the child cannot start; the ports are set where it serves."""

    admin_port: int = 0
    media_port: int = 0
    refused: str = ""


def send_report(pipe: int, report: Report) -> None:
    """Write the line and close the pipe; a supervisor that is gone is none of the child's concern here."""
    try:
        os.write(pipe, msgspec.json.encode(report) + b"\n")  # well below PIPE_BUF, so it never blocks an empty pipe
    except BrokenPipeError:
        pass
    finally:
        os.close(pipe)


def read_report(line: bytes) -> Report | None:
    """None for the end of the pipe, where the child ended without a word, and for what is no report."""
    try:
        return msgspec.json.decode(line, type=Report) if line.endswith(b"\n") else None
    except msgspec.DecodeError:
        return None
