"""Small disks that can be filled: a tmpfs each, where this user may mount one. Does I/O."""

import os
import subprocess
from pathlib import Path

_TIMEOUT_S = 10
_CHUNK = bytes(1 << 20)


class NoSmallDisk(Exception):
    """This user may not mount one; the message says so."""


class SmallDisk:
    """A file system of some mebibytes; `fill` leaves not a page, `free` gives it back."""

    def __init__(self, folder: Path, mebibytes: int) -> None:
        """Mount it at `folder`; raises NoSmallDisk."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=755", "none", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
        if done.returncode:
            raise NoSmallDisk(f"a small disk cannot be mounted here: {done.stderr.strip()[:100]}")

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """Write until there is no space left; called again, it takes what others have given back since."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (len(_CHUNK), os.sysconf("SC_PAGE_SIZE")):
                try:
                    while True:
                        ballast.write(_CHUNK[:size])
                except OSError:
                    continue

    def free(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Let go of it, also where a process that was killed has files open yet."""
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False, timeout=_TIMEOUT_S)
