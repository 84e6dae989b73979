"""The program itself, as operators start it: a supervisor with several processes. Does I/O."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from server.bench.bank import DATA_KEYS
from server.embedded.process import spawn, stop
from server.embedded.serving import free_ports, loopback_environment

_ROOT = Path(__file__).resolve().parents[2]
_READY_S = 180.0
_ASK_S = 5.0
_STOP_S = 40.0


class Supervised:
    """`serve --workers N` on loopback; ended by `close`."""

    def __init__(self, folder: Path, redis_url: str, database_url: str, workers: int, extra: dict[str, str]) -> None:
        """Start it and wait until every role is ready."""
        self.port = free_ports(3, 2 * workers)
        self.secret = secrets.token_hex(32)
        self.exports = folder / "evidence"
        self.environment = self._environment(folder, redis_url, database_url, extra)
        argv = [sys.executable, "-m", "server", "serve", "--workers", str(workers)]
        self._process = spawn(argv, env=self.environment, log=folder / "serve.log", cwd=_ROOT)
        self._log = folder / "serve.log"
        self._until_ready()

    def _environment(self, folder: Path, redis_url: str, database_url: str, extra: dict[str, str]) -> dict[str, str]:
        self.exports.mkdir(exist_ok=True)
        (folder / "recordings").mkdir(exist_ok=True)
        settings = {
            "admin_port": str(self.port + 2),
            "media_port": str(self.port + 3),
            "minimum_dwell_ms": "0",
            "monitor_absent_after_s": "10",
            "comments_shown_per_s": "0",
            "recording_dir": str(folder / "recordings"),
            "evidence_export_dir": str(self.exports),
        }
        return loopback_environment(database_url, redis_url, self.port, self.secret, DATA_KEYS, **settings) | extra

    def _until_ready(self) -> None:
        deadline_s = time.monotonic() + _READY_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                break
            if self.ask("/readyz")[0] == 200:
                return
            time.sleep(0.1)
        last = self._log.read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"the installation did not become ready:\n{last}")

    def ask(self, path: str, port: int | None = None) -> tuple[int, str]:
        """GET from the supervisor's admin port, or a child's; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port + 2}{path}", timeout=_ASK_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def workers(self) -> list[dict[str, Any]]:
        """The supervisor's children."""
        status, text = self.ask("/healthz")
        return list(json.loads(text)["workers"]) if status == 200 else []

    def kill(self, name: str) -> None:
        """SIGKILL the child of this name."""
        for worker in self.workers():
            if worker["name"] == name and worker["pid"] is not None:
                os.kill(worker["pid"], signal.SIGKILL)

    def roll(self) -> str:
        """Replace every process by a rolling restart; returns how it went, "done" or why not."""
        status, said = self.ask("/healthz")
        finished = int(json.loads(said)["rolls"]) if status == 200 else 0
        self._process.send_signal(signal.SIGHUP)
        deadline_s = time.monotonic() + _READY_S
        while time.monotonic() < deadline_s:
            time.sleep(0.25)
            status, said = self.ask("/healthz")
            if status == 200 and json.loads(said)["rolls"] > finished:
                return str(json.loads(said)["last_roll"])
        return "not finished"

    def close(self) -> None:
        """SIGTERM, and wait for the drain."""
        stop(self._process, signal.SIGTERM, timeout_s=_STOP_S)
