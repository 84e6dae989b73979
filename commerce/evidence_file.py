"""The heads of the evidence chain in a file outside the database: appended, flushed to disk, never rewritten. Does I/O.

Each line is JSON and names the SHA-256 of the line before and the head exported before, so that the file is a chain of
its own: whoever changes the database's chain would have to change this file too, and the other way round.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import msgspec

FILE_NAME = "evidence-heads.jsonl"
_LONGEST_LINE = 4_096


class ExportedLine(msgspec.Struct, frozen=True):
    """One line: the chain's head at a moment; hashes in hexadecimal, empty before the first."""

    number: int
    at: datetime
    day: date
    position: int
    head: str
    previous_head: str
    previous_line: str

    def encode(self) -> bytes:
        """Write the line as it stands in the file, without its end."""
        return msgspec.json.encode(self)

    def sha256(self) -> bytes:
        return hashlib.sha256(self.encode()).digest()


class ExportError(Exception):
    """The head could not be put on the disk now."""


class ExportDamagedError(ExportError):
    """The file holds less than was written there, or something else: nothing is added until a person has looked."""


class HeadFile:
    """The file in a folder that all processes with the role `commerce` share."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    def lines(self) -> Iterator[ExportedLine | None]:
        """Read every line; None for one that is none. A missing file has no lines."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                yield _decoded(line)

    def last(self) -> ExportedLine | None:
        """Read the last whole line; None before the first. Raises ExportDamagedError when there is none to be read."""
        if not self._path.exists():
            return None
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2 * _LONGEST_LINE))
            tail = file.read()
        for line in reversed(tail.split(b"\n")[:-1]):  # what stands behind the last end of line was torn by a crash
            if decoded := _decoded(line):
                return decoded
        if tail:
            raise ExportDamagedError(f"{self._path} has no whole line")
        return None

    def append(self, day: date, position: int, head: bytes, at: datetime) -> ExportedLine:
        """Add a line and return it once it is on the disk; raises OSError, also while another process writes."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            before = self.last()
            line = ExportedLine(
                number=1 if before is None else before.number + 1,
                at=at,
                day=day,
                position=position,
                head=head.hex(),
                previous_head="" if before is None else before.head,
                previous_line="" if before is None else before.sha256().hex(),
            )
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            written = (b"\n" if torn else b"") + line.encode() + b"\n"
            if os.write(descriptor, written) != len(written):
                raise OSError(f"{self._path}: the disk took only a part of the line")
            os.fsync(descriptor)
            self._sync_folder()
        finally:
            os.close(descriptor)
        return line

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _decoded(line: bytes) -> ExportedLine | None:
    try:
        return msgspec.json.decode(line, type=ExportedLine)
    except msgspec.DecodeError:
        return None
