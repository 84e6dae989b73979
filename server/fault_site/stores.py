"""The two stores of the installation, each of which can be stopped, killed, started and robbed. Does I/O.

Call from the main thread only: a store ends with the thread that started it.
"""

import shutil
import signal
from pathlib import Path
from typing import Literal

from server.embedded.postgres import EmbeddedPostgres, start_postgres
from server.embedded.valkey import EmbeddedValkey, start_valkey

Name = Literal["redis", "postgres"]
_KILLED_WITHIN_S = 10


class Stores:
    """Both run from the start; their URLs stay the same over restarts."""

    def __init__(self, folder: Path) -> None:
        """Start them with their data in `folder`; raises EmbeddedError."""
        self._folder = folder
        self._runtime = folder / "r"
        self._runtime.mkdir()
        self._runtime.chmod(0o777)
        self._valkey: EmbeddedValkey | None = start_valkey(folder, self._runtime)
        self.redis_url = self._valkey.url
        self._postgres: EmbeddedPostgres | None = start_postgres(folder, self._runtime)
        self.database_url = self._postgres.url

    def stop(self, name: Name) -> None:
        """End one in order."""
        server = self._take(name)
        if server is not None:
            server.stop()

    def kill(self, name: Name) -> None:
        """End one without a word: SIGKILL."""
        server = self._take(name)
        if server is not None:
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(_KILLED_WITHIN_S)

    def start(self, name: Name) -> None:
        """Start one again on what it has kept; one that has ended by itself is started too, one that runs is left."""
        if name == "redis":
            if self._valkey is None or self._valkey.process.poll() is not None:
                self._valkey = start_valkey(self._folder, self._runtime)
        elif self._postgres is None or self._postgres.process.poll() is not None:
            self._postgres = start_postgres(self._folder, self._runtime)

    def lose_redis_data(self) -> None:
        """Forget everything that a stopped Redis has written."""
        shutil.rmtree(self._folder / "valkey" / "appendonlydir", ignore_errors=True)

    def close(self) -> None:
        """End both."""
        self.stop("postgres")
        self.stop("redis")

    def _take(self, name: Name) -> EmbeddedValkey | EmbeddedPostgres | None:
        server: EmbeddedValkey | EmbeddedPostgres | None
        if name == "redis":
            server, self._valkey = self._valkey, None
        else:
            server, self._postgres = self._postgres, None
        return server
