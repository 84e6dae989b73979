"""The folder that segments lie in: a narrow port, and the real one on a file system. Blocking I/O."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

_NAME = re.compile(r"^\d{6,}\.wcrec$")
_FOLDER = re.compile(r"^[0-9A-Za-z_-]{1,64}$")


def segment_name(number: int) -> str:
    """Name a segment so that names sort by number."""
    return f"{number:06}.wcrec"


class SegmentFile(Protocol):
    """One segment being written. Every method may raise OSError; what was written before stays."""

    def write(self, data: bytes) -> None:
        """Append all of it, or raise: a part may then have been written."""

    def sync(self) -> None:
        """Return once everything written survives a power cut."""

    def close(self) -> None:
        """Close without syncing."""


class SegmentFiles(Protocol):
    """Where segments are kept, one folder a broadcast. Methods may raise OSError; nothing is ever overwritten."""

    def broadcasts(self) -> list[str]:
        """Name the broadcasts that have segments, sorted."""

    def names(self, broadcast_id: str) -> list[str]:
        """Name the segments of a broadcast in order; none for an unknown one."""

    def read(self, broadcast_id: str, name: str) -> bytes:
        """Read one segment."""

    def create(self, broadcast_id: str, name: str) -> SegmentFile:
        """Make a new segment; raises FileExistsError when there is one. Its name survives a power cut."""

    def probe(self) -> None:
        """Write, sync and remove a few bytes: raises OSError while recording could not go on."""


class DirectoryFiles:
    """SegmentFiles in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def broadcasts(self) -> list[str]:
        """Name the folders that hold segments."""
        if not self._directory.is_dir():
            return []
        return sorted(path.name for path in self._directory.iterdir() if path.is_dir() and self.names(path.name))

    def names(self, broadcast_id: str) -> list[str]:
        """List the folder."""
        folder = self._folder(broadcast_id)
        found = [path.name for path in folder.iterdir() if _NAME.match(path.name)] if folder.is_dir() else []
        return sorted(found, key=lambda name: int(name.split(".")[0]))

    def read(self, broadcast_id: str, name: str) -> bytes:
        """Read the file."""
        return (self._folder(broadcast_id) / name).read_bytes()

    def create(self, broadcast_id: str, name: str) -> SegmentFile:
        """Create the file exclusively and sync its directory entry."""
        folder = self._folder(broadcast_id)
        folder.mkdir(parents=True, exist_ok=True)
        made = _AppendedFile(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640))
        _sync_directory(folder)
        return made

    def probe(self) -> None:
        """Try in the directory itself: a full disk often still makes empty files."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f".probe-{os.getpid()}"
        try:
            tried = _AppendedFile(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640))
            try:
                tried.write(bytes(65_536))
                tried.sync()
            finally:
                tried.close()
        finally:
            path.unlink(missing_ok=True)

    def _folder(self, broadcast_id: str) -> Path:
        if not _FOLDER.match(broadcast_id):
            raise ValueError(f"not a broadcast's id: {broadcast_id!r}")
        return self._directory / broadcast_id


class _AppendedFile:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
